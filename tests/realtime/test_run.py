"""Live runs: the newest frame wins, drops are counted, a network sender that goes and returns, every kind of sink."""

from __future__ import annotations

import http.client
import io
import subprocess
import threading
import time
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

import workbench as wb
from tests.app_server import free_port
from tests.video_material import make_video, pictures
from workbench.cli import main
from workbench.errors import InputError, OutputError
from workbench.realtime import Captured, Cost, Newest, Pace, choose, open_sink, open_source, run_live
from workbench.realtime.calibrate import MARGIN, calibrate, within
from workbench.realtime.newest import Ended
from workbench.realtime.sinks import EncodedSink

SETTINGS = wb.Settings(steps=1)


class Fast:
    """A source of so many frames, as fast as the taker lets it be: three new ones for each that is upscaled."""

    name = "fast"
    rate: float | None = None

    def __init__(self, count: int, size: tuple[int, int] = (16, 20)) -> None:
        self.count, self.size, self.taken = count, size, threading.Semaphore(1)

    def frames(self, say):
        image = np.zeros((*self.size, 3), np.uint8)
        for number in range(self.count):
            if number % 3 == 0:
                self.taken.acquire()
            yield Captured(lambda: image, number, time.monotonic())


class Kept:
    """A sink that keeps what it is given."""

    name = "kept"

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []
        self.closed = False

    def write(self, image, at) -> None:
        self.images.append(image)

    def close(self) -> None:
        self.closed = True


def test_the_newest_frame_is_taken_and_the_others_are_counted() -> None:
    newest = Newest()
    for number in range(5):
        newest.put(Captured(lambda: np.zeros(1), number, 0.0))
    held = newest.take(1)
    assert held is not None
    assert held.number == 4
    assert newest.take(0) is None
    newest.put(held)
    newest.end()
    assert newest.take(0) is held
    with pytest.raises(Ended):
        newest.take(0)
    newest.end(InputError("why"))
    with pytest.raises(InputError, match="why"):
        newest.take(0)


def test_pace_counts_and_its_memory_does_not_grow() -> None:
    pace = Pace()
    for k in range(10_000):
        pace.add(came=k / 10, done=k / 10 + (0.5 if k % 10 == 0 else 0.2), passed=2)
    assert (pace.frames, pace.dropped) == (10_000, 20_000)
    assert pace.rate == pytest.approx(10, rel=0.02)
    assert pace.delay() == pytest.approx(0.2)
    assert pace.delay(95) == pytest.approx(0.5)
    assert len(pace._delays) == 300


def test_every_frame_is_upscaled_or_counted_as_dropped(tiny_pipe) -> None:
    source, sink = Fast(12), Kept()
    report = run_live(tiny_pipe, source, sink, SETTINGS, on_output=lambda *_: source.taken.release())
    assert sink.closed
    assert report.end == "the source ended"
    assert report.pace.frames == len(sink.images) >= 4
    assert report.pace.frames + report.pace.dropped == 12
    assert sink.images[0].shape == (64, 80, 3)


def test_steps_and_then_size_follow_from_a_wanted_rate() -> None:
    cost = Cost(fixed=1e-5, step=1e-6)  # seconds of a pixel
    size = (100, 100)
    assert choose(cost, size, 4, None, 50) == (4, 50)
    assert choose(cost, size, 4, 1.0) == (4, 100)
    seconds = cost.seconds(size, 2) * MARGIN * 1.001
    assert choose(cost, size, 4, 1 / seconds) == (2, 100)
    steps, side = choose(cost, size, 4, 20.0)
    assert steps == 1
    assert cost.seconds(within(size, side), 1) * MARGIN <= 1 / 20
    assert within((320, 180), 160) == (160, 90)


def test_calibration_gives_a_cost(tiny_pipe) -> None:
    cost = calibrate(tiny_pipe, wb.Settings())
    assert cost.fixed > 0
    assert cost.step > 0


def send(port: int, width: int, height: int, frames: int) -> subprocess.Popen[bytes]:
    """The ffmpeg program sends a moving picture over UDP, 25 frames a second."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-re", "-f", "lavfi"]
    command += ["-i", f"testsrc2=size={width}x{height}:rate=25", "-frames:v", str(frames), "-c:v", "libx264"]
    command += ["-preset", "ultrafast", "-tune", "zerolatency", "-g", "5", "-f", "mpegts"]
    return subprocess.Popen([*command, f"udp://127.0.0.1:{port}?pkt_size=1316"])


def test_a_sender_that_goes_and_comes_back_in_another_size(tiny_pipe, tmp_path: Path) -> None:
    port, said, sizes = free_port(), [], []
    path = tmp_path / "live.mp4"
    senders = [send(port, 64, 48, 40)]

    def look(output, report) -> None:
        sizes.append(output.input.shape[:2])
        if len(set(sizes)) == 1 and senders[-1].poll() is None and len(senders) == 1:
            senders[0].wait(30)
            senders.append(send(port, 96, 64, 40))
        if sizes.count((64, 96)) >= 2:
            raise KeyboardInterrupt

    try:
        report = run_live(
            tiny_pipe, open_source(f"udp://127.0.0.1:{port}"), open_sink(str(path)), SETTINGS,
            say=said.append, on_output=look,
        )  # fmt: skip
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    assert report.end == "Ctrl-C"
    assert any("a new state begins" in words and "96x64" in words for words in said)
    clip = wb.open_clip(path)  # playable, in the first size
    assert (len(clip), clip.size) == (report.pace.frames, (256, 192))


def test_a_browser_gets_the_newest_picture() -> None:
    sink = open_sink(f"http://127.0.0.1:{free_port()}")
    address = sink.name.removeprefix("http://")
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(0.02):
            sink.write(np.full((16, 24, 3), 200, np.uint8), 0.0)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        page = http.client.HTTPConnection(address, timeout=20)
        page.request("GET", "/")
        assert b"<img src=stream" in page.getresponse().read()
        page.request("GET", "/stream")
        answer = page.getresponse()
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        assert answer.read(200).startswith(b"--frame\r\nContent-Type: image/jpeg")
        page.close()
    finally:
        stop.set()
        feeder.join()
        sink.close()


def test_a_file_keeps_the_times_and_another_size_is_fitted(tmp_path: Path) -> None:
    sink = EncodedSink(str(tmp_path / "a.mkv"), "matroska")
    for at, size in ((5.0, (31, 41)), (5.1, (31, 41)), (5.5, (20, 80))):
        sink.write(np.full((*size, 3), 255, np.uint8), at)
    sink.close()
    clip = wb.open_clip(tmp_path / "a.mkv")
    assert clip.size == (42, 32)
    assert clip.times is not None
    assert np.allclose(np.diff(clip.times), [0.1, 0.4], atol=0.002)
    last = clip[2].image
    assert last[16, 21].min() > 240  # the picture
    assert last[2, 21].max() < 16  # on black


def test_a_clip_is_played_in_real_time_and_a_pipe_is_written(tiny_pipe, tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.mkv", pictures(6, 32, 16), rate=10, codec="ffv1", pix_fmt="yuv444p")
    stream = io.BytesIO()
    begun = time.monotonic()
    report = run_live(tiny_pipe, open_source(str(clip)), open_sink("-", rate=10, stream=stream), SETTINGS)
    assert time.monotonic() - begun >= 0.5
    made = wb.read_y4m(io.BytesIO(stream.getvalue()))
    assert (made.size, made.rate, len(list(made))) == ((128, 64), 10, report.pace.frames)


def test_what_is_no_source_or_sink_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no live source.*rtsp"):
        open_source("nothing-there.mp4")
    with pytest.raises(InputError, match="no camera /dev/video77"):
        open_source("camera:77")
    with pytest.raises(OutputError, match=r"no live sink.*MPEG-TS"):
        open_sink("out.gif")
    (tmp_path / "a.mp4").touch()
    with pytest.raises(OutputError, match="--overwrite"):
        open_sink(str(tmp_path / "a.mp4"))
    with pytest.raises(OutputError, match="http://HOST:PORT"):
        open_sink("http://127.0.0.1")
    with pytest.raises(OutputError, match="cannot be written"):
        open_sink(str(tmp_path / "nowhere" / "a.mp4"))


def test_the_command_runs_and_tells_how_it_went(tiny_pipe, tmp_path: Path, capfd) -> None:
    model = str(tiny_pipe.save_pretrained(tmp_path / "tiny"))
    clip = make_video(tmp_path / "clip.mkv", pictures(3, 32, 16), rate=10)
    words = ["live", str(clip), "-o", str(tmp_path / "out.mp4"), "--max-side", "16", "--model", model, "--quiet"]
    assert main([*words, "--target-fps", "10", "--steps", "2"]) == 0
    said = capfd.readouterr().err
    assert "frames of 32x16 are taken at 16x16" in said
    assert "dropped, delay" in said
    assert wb.open_clip(tmp_path / "out.mp4").size == (64, 64)
    assert main([*words[:2], "--raw", "rgb24:2x2"]) == 2
