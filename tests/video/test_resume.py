"""Going on with an output that an earlier run left: stopped, killed, or stopped in the middle of finishing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video_material import SAMPLE_RATE, heard, make_video, noise, pictures
from workbench.errors import OutputError
from workbench.video import Clip, ClipWriter, frames_in, open_clip
from workbench.video._segments import count_frames, part_path

OUTPUTS = ["out.mp4", "out.mkv", "out"]
FRAMES = 16


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """16 frames at uneven times, with sound."""
    path = tmp_path_factory.mktemp("source") / "in.mp4"
    stamps = [place * 40 + 7 * (place % 3) for place in range(FRAMES)]
    return open_clip(make_video(path, pictures(FRAMES), pts=stamps, time_base=Fraction(1, 1000), sound=noise(0.64)))


def run(path: Path, clip: Clip, start: int | None, stop: int) -> ClipWriter:
    with ClipWriter(path, clip, resume_at=start) as writer:
        for frame in clip[start or 0 : stop]:
            writer.write(frame)
    return writer


def left_by_a_kill(path: Path, clip: Clip, start: int | None, stop: int) -> None:
    """As ``run``, but the process ends without closing."""
    writer = ClipWriter(path, clip, resume_at=start)
    for frame in clip[start or 0 : stop]:
        writer.write(frame)


def check(path: Path, clip: Clip) -> None:
    back = open_clip(path)
    assert len(back) == FRAMES
    for frame, original in zip(back, clip, strict=True):
        limit = 5 if path.suffix == ".mp4" else 0
        assert np.abs(frame.image.astype(int) - original.image).mean() <= limit
    if path.suffix:
        assert back.times == pytest.approx([time - clip.times[0] for time in clip.times], abs=6e-4)  # pyright: ignore
        assert back.audio is not None
        samples, starts = heard(path)
        original_samples, _ = heard(clip.path)  # pyright: ignore
        assert starts < 0.03
        assert starts + len(samples) / SAMPLE_RATE == pytest.approx(0.64, abs=0.06)
        offset = round(starts * SAMPLE_RATE)
        middle = slice(4800, 24_000)
        assert np.abs(samples[middle] - original_samples[offset:][middle]).max() < 1e-3
    assert frames_in(path) == FRAMES
    assert not list(path.parent.glob("*.nut")) + list(path.parent.glob("*.unfinished"))


@pytest.mark.parametrize("name", OUTPUTS)
@settings(max_examples=8, deadline=None)
@given(
    stops=st.lists(st.tuples(st.integers(0, FRAMES), st.integers(0, 3), st.booleans()), max_size=4),
)
def test_any_chain_of_stops_and_kills_ends_with_every_frame_once(
    name: str, stops: list[tuple[int, int, bool]], clip: Clip
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        at: int | None = None
        for stop, back, killed in stops:
            finished = count_frames(path) if path.is_file() else 0  # stays until a frame of the next one is there
            (left_by_a_kill if killed else run)(path, clip, at, max(stop, at or 0))
            there = frames_in(path)
            assert there == (max(stop, at or 0) or finished)
            at = max(0, there - back)  # a state that was saved a few frames earlier
        run(path, clip, at, FRAMES)
        check(path, clip)


@pytest.mark.parametrize("name", OUTPUTS)
def test_kill_nine_loses_no_frame(name: str, clip: Clip, tmp_path: Path) -> None:
    script = """
import sys, time
from workbench.video import ClipWriter, open_clip
clip = open_clip(sys.argv[1])
with ClipWriter(sys.argv[2], clip) as writer:
    for frame in clip[:9]:
        writer.write(frame)
    print("written", flush=True)
    time.sleep(60)
"""
    path = tmp_path / name
    command = [sys.executable, "-c", script, str(clip.path), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert frames_in(path) == 9
    left = [file for file in tmp_path.iterdir() if file.suffix != ".lock"]
    assert len(left) == 1
    assert len(list(open_clip(left[0]))) == 9  # what is left plays as it is
    with pytest.raises(OutputError, match=r"exists.*resume"):
        ClipWriter(path, clip)
    run(path, clip, 9, FRAMES)
    check(path, clip)


def kill_with_children(pid: int) -> None:
    """Children have a session of their own, and none is born while their parent stands still."""
    parent = psutil.Process(pid)
    parent.suspend()
    children = parent.children(recursive=True)
    for process in (parent, *children):
        process.kill()
    psutil.wait_procs(children, timeout=10)


@pytest.mark.parametrize("delay", [0, 0.1, 0.3])
def test_a_kill_while_the_parts_are_joined_loses_no_frame(delay: float, clip: Clip, tmp_path: Path) -> None:
    script = """
import sys
from workbench.video import ClipWriter, open_clip
clip = open_clip(sys.argv[1])
with ClipWriter(sys.argv[2], clip) as writer:
    for frame in clip[:9]:
        writer.write(frame)
    print("joining", flush=True)
"""
    path = tmp_path / "out.mkv"
    command = [sys.executable, "-c", script, str(clip.path), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joining\n"
        time.sleep(delay)
        kill_with_children(process.pid)  # ffmpeg too, which would else write on for a moment
    assert frames_in(path) == 9
    run(path, clip, 9, FRAMES)
    check(path, clip)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_part_left_by_a_kill_can_be_finished_as_it_is(name: str, clip: Clip, tmp_path: Path) -> None:
    left_by_a_kill(tmp_path / name, clip, None, 7)
    writer = ClipWriter(tmp_path / name, clip, resume_at=frames_in(tmp_path / name))
    writer.close()
    back = open_clip(tmp_path / name)
    assert (len(back), str(writer)) == (7, f"7 frames in {tmp_path / name}")
    assert back.audio is not None


def test_a_part_that_was_joined_but_not_removed_does_no_harm(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    run(path, clip, None, 5)
    left_by_a_kill(path, clip, 5, 9)
    shutil.copy(part_path(path, 5), tmp_path / "kept")
    run(path, clip, 9, 11)
    shutil.move(tmp_path / "kept", part_path(path, 5))
    assert frames_in(path) == 9  # the part counts where it overlaps, and its frames are the same
    run(path, clip, 9, FRAMES)
    check(path, clip)


def test_resuming_at_zero_starts_anew(clip: Clip, tmp_path: Path) -> None:
    for name in OUTPUTS:
        run(tmp_path / name, clip, None, 5)
        run(tmp_path / name, clip, 0, 3)
        assert frames_in(tmp_path / name) == len(open_clip(tmp_path / name)) == 3
        run(tmp_path / name, clip, 2, 2)  # cut back only
        assert len(list(open_clip(tmp_path / name))) == 2


def test_what_cannot_be_resumed_is_refused(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    run(path, clip, None, 5)
    with pytest.raises(OutputError, match=r"cannot resume at frame 6: .* holds 5 frames"):
        ClipWriter(path, clip, resume_at=6)
    with pytest.raises(OutputError, match="choose one"):
        ClipWriter(path, clip, resume_at=5, overwrite=True)
    with (
        pytest.raises(OutputError, match=r"64x48.* cannot be continued with h264 32x32"),
        ClipWriter(path, clip, resume_at=5) as writer,
    ):
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert frames_in(path) == 5
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(OutputError, match="no run of this output made it"):
        ClipWriter(tmp_path / "text.mp4", resume_at=0)


def test_a_missing_part_is_noticed(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    left_by_a_kill(path, clip, None, 4)
    left_by_a_kill(path, clip, 4, 8)
    part_path(path, 0).unlink()
    with pytest.raises(OutputError, match="frames 0 to 3 are missing"):
        frames_in(path)


def test_two_runs_cannot_share_an_output(clip: Clip, tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "out.mp4", clip) as writer:
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="is being written by another run"):
                ClipWriter(tmp_path / "out.mp4", clip, overwrite=overwrite)
        for frame in clip[:2]:
            writer.write(frame)
    assert len(open_clip(tmp_path / "out.mp4")) == 2
