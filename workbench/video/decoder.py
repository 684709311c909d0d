"""What the decoder gives for a video stream: every frame it can make, as the ffmpeg program takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.error import FFmpegError

from workbench.errors import InputError
from workbench.video._stamps import BestEffort
from workbench.video.container import video_stream

# libav's own VP8 and VP9 decoders leave the alpha channel out; these know it.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Fault:
    """A packet that could not be decoded, or the place where reading the file ended by an error."""

    stamp: int | None
    reason: str


class Decoder:
    """The frames of a container's video stream. A packet that cannot be decoded costs what it held, and is kept in
    ``faults``; an error of reading ends the stream, and is kept in ``broken``."""

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._container = container
        self.stream = video_stream(container, path)
        self._context = alpha_decoder(self.stream) or self.stream.codec_context
        # AVI has decoding stamps only; the presentation stamps that libav makes of them are wrong for B-frames.
        self._has_pts = container.format.name != "avi"
        self.faults: list[Fault] = []
        self.broken: Fault | None = None

    def frames(self, watch: Callable[[av.Packet], None] = lambda _: None) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """Yield (frame, time stamp). ``watch`` sees every packet before it is decoded."""
        best_effort = BestEffort()
        for packet in self._packets():
            if packet is not None:
                watch(packet)
            try:
                frames = self._context.decode(packet)
            except (FFmpegError, ValueError) as error:
                self.faults.append(Fault(None if packet is None else _stamp(packet), reason(error)))
                continue
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                yield frame, best_effort(frame.pts if self._has_pts else None, frame.dts)

    def _packets(self) -> Iterator[av.Packet | None]:
        """The packets, then None, which asks the decoder for what it still holds."""
        last: int | None = None
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:  # AVI has empty packets where a picture stays; the decoder would take them for the end
                    last = _stamp(packet)
                    yield packet
        except FFmpegError as error:
            self.broken = Fault(last, reason(error))
        yield None


def _stamp(packet: av.Packet) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def alpha_decoder(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """A decoder that knows alpha, where the stream has it and the stream's own decoder does not."""
    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or not has_hidden_alpha(stream):
        return None
    try:
        context = av.CodecContext.create(name, "r")
    except UnknownCodecError:
        return None
    assert isinstance(context, av.VideoCodecContext)
    return context


def has_hidden_alpha(stream: av.VideoStream) -> bool:
    """Whether a WebM stream carries alpha beside its pictures."""
    metadata = {key.lower(): value for key, value in stream.metadata.items()}
    return stream.codec_context.name in _WITH_ALPHA and metadata.get("alpha_mode") == "1"


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def nothing_decodes(path: Path, faults: list[Fault]) -> InputError:
    why = f" ({faults[0].reason})" if faults else ""
    return InputError(f"{path}: not one frame can be decoded{why}; the file may be damaged, or be no video at all")
