"""Where live frames come from: cameras, network addresses, a pipe, and clips played in real time.

One row of ``SOURCES`` for each way to name one. What is read by libav is decoded frame by frame; a picture is made of a
frame only where the loop takes it.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError

from workbench.errors import InputError
from workbench.realtime.newest import Captured, Newest
from workbench.types import Frame
from workbench.video import Clip, open_clip, read_raw, read_y4m
from workbench.video.colour import Converter, describe
from workbench.video.decoder import reason

OPEN, READ = 5.0, 8.0  # seconds until opening, and reading, is given up and tried again
RETRY = 0.5  # seconds between two tries
CAMERA = re.compile(r"camera(?::(?P<which>.+))?")
Say = Callable[[str], object]


class Source(Protocol):
    """What frames come from. ``name``: what a person calls it; ``rate``: frames per second, where that is known."""

    name: str
    rate: float | None

    def frames(self, say: Say) -> Iterator[Captured]:
        """Each frame as it comes. Raises InputError where it cannot be had at all; ``say`` is told of interruptions."""
        ...


@dataclass(frozen=True)
class Address:
    """How libav opens a source."""

    url: str
    name: str
    format: str | None = None
    """of a device; None: libav finds out"""
    options: dict[str, str] = field(default_factory=dict)
    returns: bool = True
    """whether it may come back after it went, as a sender may: it is then waited for"""


class LibavSource:
    """A camera or a network address."""

    rate: float | None = None

    def __init__(self, address: Address) -> None:
        self.address, self.name = address, address.name

    def frames(self, say: Say) -> Iterator[Captured]:
        number, epoch, waiting = 0, 0, ""
        while True:
            before = number
            try:
                for picture in self._decoded():
                    if waiting:
                        say(f"{self.name}: it is there")
                        waiting = ""
                    yield Captured(picture, number, time.monotonic(), epoch)
                    number += 1
                why = "it ended"
            except (FFmpegError, OSError, ValueError) as error:
                why = reason(error)
            if not self.address.returns:
                if number == 0:
                    raise InputError(f"{self.name} cannot be read: {why}")
                return
            if not waiting:
                say(f"{self.name}: {'nothing comes' if number == 0 else 'lost'} ({why}); waiting for it")
                waiting = why
            epoch += number > before
            time.sleep(RETRY)

    def _decoded(self) -> Iterator[Callable[[], np.ndarray]]:
        address = self.address
        with av.open(
            address.url,
            format=address.format,
            options=address.options,
            timeout=(OPEN, READ),
            metadata_errors="replace",
        ) as container:
            if not container.streams.video:
                raise ValueError("it holds no video")
            stream = container.streams.video[0]
            context = stream.codec_context
            context.thread_type = "SLICE"  # threads over frames would hold some back
            context.flags |= Flags.low_delay
            self.rate = float(stream.average_rate) if stream.average_rate else None
            pictures = _Pictures(context.name)
            for packet in container.demux(stream):
                try:
                    decoded = context.decode(packet)
                except FFmpegError:  # a damaged packet costs its frame
                    continue
                for frame in decoded:
                    assert isinstance(frame, av.VideoFrame)
                    yield partial(pictures, frame)


class _Pictures:
    """Decoded frames -> pictures of their own size, which may change."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._layout: object = None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        layout = (frame.width, frame.height, frame.format.name)
        if layout != self._layout:
            self._convert = Converter(describe(frame, self._codec), self._codec)
            self._layout = layout
        return self._convert(frame)


class ClipSource:
    """A clip's frames when it shows them, or, without a clock of ours, as they come (a pipe)."""

    def __init__(self, clip: Iterable[Frame], name: str, rate: float | None, *, timed: bool) -> None:
        self._clip, self.name, self.rate, self._timed = clip, name, rate, timed

    def frames(self, say: Say) -> Iterator[Captured]:
        begun = time.monotonic()
        for number, frame in enumerate(self._clip):
            if self._timed:
                shown = begun + (number / (self.rate or 25.0) if frame.time is None else frame.time)
                time.sleep(max(0.0, shown - time.monotonic()))
            yield Captured(partial(_image, frame), number, time.monotonic())


def _image(frame: Frame) -> np.ndarray:
    return frame.image


def open_source(text: str, *, fps: float | None = None, raw: str | None = None) -> Source:
    """A source by its name: ``camera``, ``camera:1``, ``/dev/video0``, ``rtsp://...``, ``udp://...``, ``-``, a file.

    ``fps``: what a camera is asked for. ``raw``: the layout of a headerless pipe (see ``read_raw``). Raises InputError
    for what is none.
    """
    for known in SOURCES:
        if known.matches(text):
            return known.open(text, fps, raw)
    kinds = "; ".join(known.words for known in SOURCES)
    raise InputError(f"{text!r} is no live source. There are: {kinds}.")


def play(clip: Clip | Any) -> ClipSource:
    """A clip (or what ``open_clip`` takes) as a source that shows each frame when the clip does."""
    opened = open_clip(clip)
    return ClipSource(opened, opened.info.name, opened.fps, timed=True)


def start(
    source: Source,
    newest: Newest,
    say: Say,
    *,
    most_rate: float | None = None,
    stop: threading.Event | None = None,
) -> threading.Thread:
    """Captures in a thread of its own. ``most_rate``: frames that come closer together than this are left out.

    ``stop``: once it is set, the source is let go with its next frame.
    """

    def capture() -> None:
        left_out, due = 0, 0.0
        try:
            for frame in source.frames(say):
                if stop is not None and stop.is_set():
                    return
                if most_rate is not None:
                    if frame.at < due:
                        left_out += 1
                        continue
                    due = max(due + 1 / most_rate, frame.at + 0.5 / most_rate)
                newest.put(replace(frame, number=frame.number - left_out))
        except BaseException as error:
            newest.end(error)
        else:
            newest.end()

    thread = threading.Thread(target=capture, name="captures", daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class Kind:
    """A way to name a source."""

    words: str
    matches: Callable[[str], Any]
    open: Callable[[str, float | None, str | None], Source]


def _camera(text: str, fps: float | None, raw: str | None) -> Source:
    match = CAMERA.fullmatch(text)
    which = (match["which"] or "0") if match else text
    options = {} if fps is None else {"framerate": f"{fps:g}"}
    if sys.platform == "darwin":
        address = Address(which, text, "avfoundation", {"framerate": "30", **options}, returns=False)
    elif sys.platform == "win32":
        address = Address(f"video={_dshow_name(which)}", text, "dshow", options, returns=False)
    else:
        address = Address(f"/dev/video{which}" if which.isdigit() else which, text, "v4l2", options, returns=False)
        if not Path(address.url).exists():
            there = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
            raise InputError(f"there is no camera {address.url}; this machine has: {there}.")
    return LibavSource(address)


def _dshow_name(which: str) -> str:
    """DirectShow knows cameras by name."""
    if not which.isdigit():
        return which
    from av.device import enumerate_input_devices

    names = [
        device.description or device.name
        for device in enumerate_input_devices("dshow")
        if "video" in device.media_types
    ]
    if int(which) >= len(names):
        raise InputError(f"there is no camera {which}; this machine has: {', '.join(names) or 'none'}.")
    return names[int(which)]


_LIVE = {"probesize": "500000", "analyzeduration": "1000000"}
# A playlist from the network may name addresses of the network, and no files of this machine.
_NETWORK = "http,https,tcp,tls,crypto,httpproxy,udp,rtp,rtmp,rtmps,rtmpt,rtsp,rtsps"
_OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": {"rtsp_transport": "tcp"},
    "udp": {"overrun_nonfatal": "1"},
}
_AT_ONCE = {"fflags": "nobuffer"}  # what is read to find out about a stream is left out: of a playlist, whole segments


def _network(text: str, fps: float | None, raw: str | None) -> Source:
    scheme = text.partition("://")[0].lower()
    at_once = {} if scheme in ("http", "https") else _AT_ONCE
    options = {**_LIVE, **at_once, "protocol_whitelist": _NETWORK, **_OPTIONS.get(scheme, {})}
    return LibavSource(Address(text, re.sub(r"//[^/@]*@", "//", text), options=options))  # no password in messages


def _pipe(text: str, fps: float | None, raw: str | None) -> Source:
    clip = read_raw("-", raw) if raw else read_y4m("-")
    return ClipSource(clip, "-", clip.fps, timed=False)


def _file(text: str, fps: float | None, raw: str | None) -> Source:
    return play(open_clip(text))


def _scheme(*names: str) -> Callable[[str], bool]:
    return lambda text: text.partition("://")[0].lower() in names and "://" in text


def _is_camera(text: str) -> bool:
    return bool(CAMERA.fullmatch(text)) or text.startswith(("/dev/video", "video="))


SOURCES: tuple[Kind, ...] = (
    Kind("camera, camera:1, or a device's path", _is_camera, _camera),
    Kind(
        "rtsp://, rtmp://, http(s):// (HLS too), udp:// and tcp:// addresses",
        _scheme("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp"),
        _network,
    ),
    Kind("- (a YUV4MPEG2 pipe, or --raw)", lambda text: text == "-", _pipe),
    Kind("a file, played in real time", lambda text: Path(text).expanduser().exists(), _file),
)
