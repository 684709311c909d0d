"""``workbench upscale - -o -``: a pipe in and out, one frame at a time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import workbench as wb
from tests.video_material import make_video, pictures
from workbench.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tiny_pipe, tmp_path_factory) -> str:
    return str(tiny_pipe.save_pretrained(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture
def command(model: str) -> list[str]:
    return [sys.executable, "-m", "workbench", "upscale", "-", "-o", "-", "--steps", "1", "--model", model]


def y4m(count: int, chroma: str = "420jpeg", **how) -> tuple[bytes, list[bytes]]:
    """The header, and each frame with its line."""
    stream = io.BytesIO()
    wb.write_y4m(pictures(count, 32, 16), stream, chroma=chroma, **how)
    data = stream.getvalue()
    head = data.index(b"\n") + 1
    size = (len(data) - head) // count
    return data[:head], [data[head + k * size : head + (k + 1) * size] for k in range(count)]


def test_the_first_frame_comes_before_the_second_is_given_and_a_closed_reader_ends_it(command: list[str]) -> None:
    head, frames = y4m(6, rate="24000/1001")
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ}
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(head + frames[0])
    process.stdin.flush()
    assert process.stdout.readline() == b"YUV4MPEG2 W128 H64 F24000:1001 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n"
    assert len(process.stdout.read(6 + 128 * 64 * 3 // 2)) == 6 + 128 * 64 * 3 // 2
    process.stdout.close()
    try:
        process.stdin.write(b"".join(frames[1:]))
        process.stdin.close()
    except BrokenPipeError:
        pass
    words = process.stderr.read().decode()
    assert process.wait(60) == 0, words
    assert "reader closed the pipe" in words
    assert "Error" not in words
    assert "Traceback" not in words


def test_words_go_to_standard_error_and_frames_to_standard_output(model: str, tmp_path, capfdbinary) -> None:
    clip = make_video(tmp_path / "clip.mkv", pictures(2, 32, 16), rate=10, codec="ffv1", pix_fmt="yuv444p10le")
    assert main(["upscale", str(clip), "-o", "-", "--steps", "1", "--model", model, "--quiet"]) == 0
    out, words = capfdbinary.readouterr()
    made = wb.read_y4m(io.BytesIO(out))
    assert (made.size, made.rate, made.info.format, len(list(made))) == ((128, 64), 10, "y4m 420p10", 2)
    assert b"2 frames of y4m 420p10" in words


def test_standard_input_goes_into_a_file(model: str, tmp_path, monkeypatch) -> None:
    raw = b"".join(frame.tobytes() for frame in pictures(2, 32, 16))
    for words, data in ((["--raw", "rgb24:32x16@5"], raw), ([], b"".join([y4m(2)[0], *y4m(2)[1]]))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        name = str(tmp_path / f"out{len(words)}.mkv")
        assert main(["upscale", "-", "-o", name, "--steps", "1", "--model", model, "--quiet", *words]) == 0
        assert [frame.image.shape for frame in wb.open_clip(name)] == [(64, 128, 3)] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clip.mp4", "--raw", "rgb24:32x16"], "are for pipes"),
        (["clip.mp4", "-o", "-", "--raw", "rgb24:32x16"], "for standard input"),
        (["-", "-o", "-", "--resume"], "are for files"),
        (["-", "-o", "-"], "expected a YUV4MPEG2 header"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], told: str, monkeypatch, capfd) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"RIFF....")))
    assert main(["upscale", *words]) == 2
    said = capfd.readouterr().err.strip()
    assert told in said
    assert "\n" not in said
