"""Where live frames go: a file, a pipe, a network address, or a browser. One row of ``SINKS`` for each way to name one.

A sink gets frames of any size; those that can hold one size only keep that of the first frame, and later ones are
fitted into it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from workbench.errors import OutputError
from workbench.video.colour import to_yuv420
from workbench.video.decoder import reason
from workbench.video.encode import choose_coding
from workbench.video.y4m import Y4MWriter

_TICKS = 1000  # of the clock, in a second
_KEY_FRAMES = 25  # frames between two that can be begun at
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


class Sink(Protocol):
    """``write`` raises OutputError where the output is lost, and Closed where whoever took it has enough."""

    name: str

    def write(self, image: np.ndarray, at: float) -> None:
        """``image``: (H, W, 3) uint8. ``at``: seconds when its frame came, on any clock that rises."""
        ...

    def close(self) -> None: ...


class Closed(Exception):  # noqa: N818 (a state, not a fault)
    """Whoever took the frames has enough."""


class EncodedSink:
    """H.264 in a container of libav's: a file, or a stream to a network address. Frames keep the times they came at.

    A file is written in fragments: it plays up to its last key frame, whatever ends the process.
    """

    def __init__(self, target: str, container_format: str, *, crf: int = 18) -> None:
        self.name, self._format = target, container_format
        self._coding = choose_coding(".mp4", None, crf)
        self._fit, self._reformatter = _Fit(even=True), VideoReformatter()
        self._container: Any = None
        self._begun, self._last = 0.0, -1
        self._path = Path(target) if "://" not in target else None
        if self._path is not None:
            self._open()  # an output that cannot be written fails here, before a source is opened

    def write(self, image: np.ndarray, at: float) -> None:
        picture = self._fit(image)
        try:
            if self._last < 0:
                self._begin(picture, at)
            frame = to_yuv420(picture, self._reformatter)
            self._last = max(round((at - self._begun) * _TICKS), self._last + 1)
            frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
            self._container.mux(self._stream.encode(frame))
        except (FFmpegError, OSError) as error:
            raise OutputError(f"{self.name} cannot be written any further: {reason(error)}") from error

    def _open(self) -> None:
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if self._format == "mp4" else {}
        try:
            if self._path is not None:
                self._path.open("wb").close()  # libav opens it with the first frame only
            self._container = av.open(
                self.name, "w", format=self._format, options={"flush_packets": "1", **options}, timeout=(10.0, None)
            )
        except (FFmpegError, OSError) as error:
            raise OutputError(f"{self.name} cannot be written: {reason(error)}") from error

    def _begin(self, picture: np.ndarray, at: float) -> None:
        if self._container is None:
            self._open()
        coding = self._coding
        options = coding.options | coding.colours | {"preset": "veryfast"}
        assert self._container is not None
        self._stream: Any = self._container.add_stream(coding.codec, rate=25, options=options)
        context = self._stream.codec_context
        context.height, context.width = picture.shape[:2]
        context.pix_fmt = coding.pixel_format
        context.time_base = self._stream.time_base = Fraction(1, _TICKS)
        context.gop_size = _KEY_FRAMES
        self._begun = at

    def close(self) -> None:
        if self._container is None:
            return
        with suppress(FFmpegError, OSError):  # the other side of a network address may be gone
            if self._last >= 0:
                self._container.mux(self._stream.encode(None))
        with suppress(FFmpegError, OSError):
            self._container.close()
        if self._last < 0 and self._path is not None:
            self._path.unlink(missing_ok=True)  # there was nothing to write


class PipeSink:
    """YUV4MPEG2, each frame as it is made. Its header names ``rate``; the frames come when they come."""

    name = "-"

    def __init__(self, stream: BinaryIO, rate: float | None) -> None:
        self._writer = Y4MWriter(stream, rate=None if rate is None else Fraction(rate).limit_denominator(1001))
        self._fit = _Fit()

    def write(self, image: np.ndarray, at: float) -> None:
        try:
            self._writer.write(self._fit(image))
        except OSError as error:
            raise Closed from error

    def close(self) -> None:
        self._writer.close()


class BrowserSink:
    """MJPEG over HTTP: a page at ``/`` that shows ``/stream``. Each viewer gets the newest picture when it is ready."""

    def __init__(self, host: str, port: int) -> None:
        self._changed = threading.Condition()
        self._picture, self._count, self._over = b"", 0, False
        handler = type("Handler", (_Handler,), {"pictures": staticmethod(self._pictures)})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise OutputError(f"http://{host}:{port} cannot be served: {error.strerror or error}") from error
        self.name = f"http://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="serves", daemon=True).start()

    def write(self, image: np.ndarray, at: float) -> None:
        picture = jpeg(image)
        with self._changed:
            self._picture, self._count = picture, self._count + 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _pictures(self) -> Iterator[bytes]:
        """For one viewer: the newest, again and again."""
        seen = 0
        while True:
            with self._changed:
                while self._count == seen and not self._over:
                    self._changed.wait()
                if self._over:
                    return
                seen, picture = self._count, self._picture
            yield picture


class _Handler(BaseHTTPRequestHandler):
    pictures: Callable[[], Iterator[bytes]]
    PAGE = (
        b"<!doctype html><html lang=en><meta charset=utf-8><title>Stream-DiffVSR, live</title>"
        b"<style>body{margin:0;background:#101216;display:grid;place-items:center;min-height:100vh}"
        b"img{max-width:100vw;max-height:100vh}</style><img src=stream alt='Upscaled frames as they are made'></html>"
    )

    def do_GET(self) -> None:
        if self.path == "/stream":
            self._answer("multipart/x-mixed-replace; boundary=frame")
            with suppress(OSError):  # the viewer is gone
                for picture in self.pictures():
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", len(self.PAGE))
            self.wfile.write(self.PAGE)
        else:
            self.send_error(404)

    def _answer(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Standard error is for the run's own words."""


def jpeg(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB."""
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)[1].tobytes()


class _Fit:
    """Pictures in the first one's size: others are scaled to lie within it, on black. ``even``: both sides made so."""

    def __init__(self, *, even: bool = False) -> None:
        self._even, self._size = even, (0, 0)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        if self._size == (0, 0):
            self._size = (height + height % 2, width + width % 2) if self._even else (height, width)
        rows, columns = self._size
        if (height, width) == self._size:
            return image
        if rows - height in (0, 1) and columns - width in (0, 1):
            return np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), mode="edge")
        scale = min(rows / height, columns / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        fitted, top, left = np.zeros((rows, columns, 3), np.uint8), (rows - inner[0]) // 2, (columns - inner[1]) // 2
        fitted[top : top + inner[0], left : left + inner[1]] = cv2.resize(image, inner[::-1], interpolation=method)
        return fitted


def open_sink(text: str, *, rate: float | None = None, overwrite: bool = False, stream: BinaryIO | None = None) -> Sink:
    """A sink by its name: a file (.mp4, .mkv), ``-``, ``udp://``, ``tcp://``, ``rtmp://``, ``http://127.0.0.1:PORT``.

    ``rate``: what a pipe's header says. ``stream``: where ``-`` goes. Raises OutputError for what is none, for a file
    that is there, and for what cannot be opened.
    """
    for known in SINKS:
        if known.matches(text):
            return known.open(text, rate, overwrite, stream)
    raise OutputError(f"{text!r} is no live sink. There are: {'; '.join(known.words for known in SINKS)}.")


@dataclass(frozen=True)
class Kind:
    """A way to name a sink."""

    words: str
    matches: Callable[[str], Any]
    open: Callable[[str, float | None, bool, BinaryIO | None], Sink]


def _pipe(text: str, rate: float | None, overwrite: bool, stream: BinaryIO | None) -> Sink:
    assert stream is not None
    return PipeSink(stream, rate)


def _browser(text: str, rate: float | None, overwrite: bool, stream: BinaryIO | None) -> Sink:
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number
        host, port = None, None
    if not host or port is None or parts.path not in ("", "/"):
        raise OutputError(f"a browser's sink is http://HOST:PORT, such as http://127.0.0.1:8090; got {text!r}")
    return BrowserSink(host, port)


FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
STREAMS = {"udp": "mpegts", "tcp": "mpegts", "rtmp": "flv", "rtmps": "flv"}


def _file(text: str, rate: float | None, overwrite: bool, stream: BinaryIO | None) -> Sink:
    path = Path(text).expanduser()
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; say --overwrite to replace it, or choose another name.")
    return EncodedSink(str(path), FORMATS[path.suffix.lower()])


def _network(text: str, rate: float | None, overwrite: bool, stream: BinaryIO | None) -> Sink:
    return EncodedSink(text, STREAMS[text.partition("://")[0].lower()])


SINKS: tuple[Kind, ...] = (
    Kind("- (a YUV4MPEG2 pipe)", lambda text: text == "-", _pipe),
    Kind("http://127.0.0.1:PORT (a page for browsers)", lambda text: text.lower().startswith("http://"), _browser),
    Kind(
        "udp://, tcp:// (MPEG-TS) and rtmp:// (FLV), with H.264",
        lambda text: "://" in text and text.partition("://")[0].lower() in STREAMS,
        _network,
    ),
    Kind(
        "a file, .mp4 or .mkv (H.264)",
        lambda text: "://" not in text and Path(text).suffix.lower() in FORMATS,
        _file,
    ),
)
