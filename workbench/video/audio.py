"""The sound of a clip, cut to the clip's time and moved to start with its first frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from workbench.video.container import audio_stream

# What players expect in MP4; anything else is encoded as AAC. Matroska takes every codec.
_IN_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_AAC_BIT_RATE = 192_000
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True)
class Sound:
    """Where the sound of a clip is: ``start`` and ``end`` in seconds on the clock of the file ``path``."""

    path: Path
    start: float
    end: float


class SoundTrack:
    """Packets of a sound, ready for a container: copied where it may hold the codec, else encoded as AAC."""

    def __init__(self, sound: Sound, source: InputContainer, output: OutputContainer) -> None:
        self._sound, self._source = sound, source
        stream = audio_stream(source)
        if stream is None:
            raise ValueError("no sound track that can be decoded")
        self._input = stream
        context = self._input.codec_context
        codec = context.codec.canonical_name
        self._to_mp4 = output.format.name == "mp4"
        self._copy = not self._to_mp4 or codec in _IN_MP4
        if self._copy:
            self._stream = output.add_stream_from_template(self._input)
            self.note = f"sound copied ({codec})"
            return
        allowed = av.Codec("aac", "w").audio_rates or [48_000]
        rate = min(allowed, key=lambda candidate: abs(candidate - context.sample_rate))
        self._stream = output.add_stream("aac", rate=rate, options={"b": str(_AAC_BIT_RATE)})
        # Matroska may leave the order of channels open ("2 channels"); AAC needs a name for it.
        self._stream.codec_context.layout = _LAYOUTS.get(context.layout.nb_channels, context.layout.name)
        self.note = f"sound encoded as AAC ({codec} cannot be kept in MP4)"

    def packets(self) -> Iterator[av.Packet]:
        return self._copied() if self._copy else self._encoded()

    def _copied(self) -> Iterator[av.Packet]:
        time_base = self._input.time_base or Fraction(1, self._input.codec_context.sample_rate)
        start, end = (round(Fraction(time) / time_base) for time in (self._sound.start, self._sound.end))
        for packet in self._source.demux(self._input):
            if packet.pts is None or not packet.size:
                continue
            # MP4 can begin within a packet (edit list), so the one across the cut is kept and the clip starts on time;
            # Matroska cannot, so there the sound begins with the first whole packet.
            overlaps = packet.pts + (packet.duration or 0) > start if self._to_mp4 else packet.pts >= start
            if packet.pts >= end:
                return
            if overlaps:
                packet.pts -= start
                packet.dts = packet.pts
                packet.stream = self._stream
                yield packet

    def _encoded(self) -> Iterator[av.Packet]:
        context = self._stream.codec_context
        resampler = av.AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate)
        written: int | None = None
        for frame in self._source.decode(self._input):
            if frame.time is None or frame.time + frame.samples / frame.sample_rate <= self._sound.start:
                continue
            if frame.time >= self._sound.end:
                break
            if written is None:
                # Below zero where the first frame lies across the cut: MP4 begins within it (edit list).
                written = round((frame.time - self._sound.start) * context.sample_rate)
            for resampled in resampler.resample(frame):
                resampled.pts, resampled.time_base = written, Fraction(1, context.sample_rate)
                written += resampled.samples
                yield from self._stream.encode(resampled)
        yield from self._stream.encode(None)
