"""Live runs over the protocols of the network, with the bundled ffmpeg program or a small server at the other end."""

from __future__ import annotations

import functools
import http.server
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import psutil
import pytest

import workbench as wb
from tests.app_server import free_port, until
from tests.rtsp_server import rtsp_server
from workbench.errors import OutputError
from workbench.realtime import open_sink, open_source, run_live

SETTINGS = wb.Settings(steps=1)
PATTERN = ("-f", "lavfi", "-i", "testsrc2=s=32x24:r=25", "-c:v", "libx264", "-tune", "zerolatency", "-g", "5")
SENDERS = {  # the bundled program's words, and the address that ours opens
    "tcp": (("-f", "mpegts", "tcp://127.0.0.1:{}?listen=1"), "tcp://127.0.0.1:{}"),
    "http": (("-f", "mpegts", "-listen", "1", "http://127.0.0.1:{}/live.ts"), "http://127.0.0.1:{}/live.ts"),
    "rtmp": (("-f", "flv", "-listen", "1", "rtmp://127.0.0.1:{}/live/key"), "rtmp://127.0.0.1:{}/live/key"),
}
RECEIVERS = {
    "tcp": (("-f", "mpegts", "-i", "tcp://127.0.0.1:{}?listen=1"), "tcp://127.0.0.1:{}"),
    "udp": (("-f", "mpegts", "-i", "udp://127.0.0.1:{}"), "udp://127.0.0.1:{}?pkt_size=1316"),
    "rtmp": (("-listen", "1", "-f", "flv", "-i", "rtmp://127.0.0.1:{}/live/key"), "rtmp://127.0.0.1:{}/live/key"),
}


class Kept:
    """A sink that keeps what it is given."""

    name = "kept"

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []

    def write(self, image: np.ndarray, at: float) -> None:
        self.images.append(image)

    def close(self) -> None:
        pass


@contextmanager
def ffmpeg(*words: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """The bundled program at work; ended afterwards."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    running = subprocess.Popen([*program, *words], **options)  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def watched(pipe: wb.Pipeline, address: str, frames: int = 4) -> None:
    """So many frames come from the address, and they move."""
    sink, said = Kept(), list[str]()
    end = time.monotonic() + 60

    def say(words: str) -> None:
        said.append(words)
        assert time.monotonic() < end, said

    run_live(pipe, open_source(address), sink, SETTINGS, most_frames=frames, say=say)
    assert [image.shape for image in sink.images] == [(96, 128, 3)] * frames, said
    assert np.abs(sink.images[0].astype(int) - sink.images[-1]).mean() > 0.1


@pytest.mark.parametrize("protocol", SENDERS)
def test_a_sender_is_watched(tiny_pipe, protocol: str) -> None:
    port, (words, address) = free_port(), SENDERS[protocol]
    with ffmpeg("-re", *PATTERN, *(word.format(port) for word in words)):
        watched(tiny_pipe, address.format(port))


def test_a_playlist_of_segments_is_watched(tiny_pipe, tmp_path: Path) -> None:
    with ffmpeg(*PATTERN, "-t", "1", "-f", "hls", "-hls_time", "0.4", str(tmp_path / "live.m3u8")) as made:
        assert made.wait(60) == 0
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        watched(tiny_pipe, f"http://127.0.0.1:{server.server_address[1]}/live.m3u8", frames=2)
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_camera_of_the_network_is_watched(tiny_pipe) -> None:
    with rtsp_server() as (address, target), ffmpeg("-re", *PATTERN, "-an", "-f", "rtp", target, stdout=-3):
        watched(tiny_pipe, address)


@pytest.mark.parametrize("protocol", RECEIVERS)
def test_a_receiver_gets_what_is_made(protocol: str) -> None:
    port, (words, address) = free_port(), RECEIVERS[protocol]
    output = ("-frames:v", "3", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    early = ("-probesize", "5000", "-analyzeduration", "100000")
    with ffmpeg(*early, *(word.format(port) for word in words), *output, stdout=subprocess.PIPE) as receiver:
        until(lambda: any(known.laddr.port == port for known in psutil.Process(receiver.pid).net_connections()))
        sink = open_sink(address.format(port))
        threading.Thread(target=_send, args=(sink, receiver), daemon=True).start()
        assert receiver.stdout is not None
        pictures = np.frombuffer(receiver.stdout.read(3 * 96 * 128 * 3), np.uint8).reshape(3, 96, 128, 3)
    assert np.abs(pictures.astype(int).mean((0, 1, 2)) - (200, 40, 20)).max() < 6


def _send(sink: object, receiver: subprocess.Popen[bytes]) -> None:
    image = np.full((96, 128, 3), (200, 40, 20), np.uint8)
    try:
        while receiver.poll() is None:
            sink.write(image, time.monotonic())  # type: ignore[attr-defined]
            time.sleep(0.02)
    except OutputError:  # the receiver has enough
        pass
    sink.close()  # type: ignore[attr-defined]


def test_ctrl_c_leaves_a_film_that_plays(tmp_path: Path) -> None:
    port, film = free_port(), tmp_path / "film.mp4"
    words, address = SENDERS["tcp"]
    command = [sys.executable, "-m", "workbench", "live", address.format(port), "-o", str(film), "--steps", "1"]
    with ffmpeg("-re", *PATTERN, *(word.format(port) for word in words)):
        live = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        until(lambda: live.poll() is not None or (film.exists() and film.stat().st_size > 20_000))
        live.send_signal(signal.SIGINT)
        _, told = live.communicate(timeout=60)
    assert live.returncode == 130, told
    assert "Ctrl-C" in told.splitlines()[-1]
    assert "Traceback" not in told
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 5
