"""YUV4MPEG2 and headerless pipes: every chroma format, against the ffmpeg program on either end."""

from __future__ import annotations

import io
import subprocess
from fractions import Fraction

import imageio_ffmpeg
import numpy as np
import pytest

import workbench as wb
from tests.video_material import pictures
from workbench.errors import InputError, SettingsError
from workbench.video.y4m import CHROMA, Header

FRAMES = pictures(3)
# Largest mean error of 255 levels after RGB -> y4m -> RGB: rounding, and chroma that is shared by pixels.
CLOSE = {"420": 1.6, "411": 1.6, "422": 0.8, "444": 0.6, "mono": 0.6}


def ffmpeg(*words: str, feed: bytes) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *words]
    return subprocess.run(command, input=feed, stdout=subprocess.PIPE, check=True).stdout


def frames_for(chroma: str) -> list[np.ndarray]:
    """uint8, or uint16 for deep formats; grey for mono."""
    frames = [np.repeat(f[..., 1:2], 3, -1) for f in FRAMES] if chroma.startswith("mono") else FRAMES
    return [f.astype(np.uint16) * 257 for f in frames] if CHROMA[chroma].bits > 8 else list(frames)


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Mean, in levels of 255."""
    scale = np.iinfo(a.dtype).max / 255
    return float(np.abs(a.astype(float) - b.astype(float)).mean() / scale)


def close(chroma: str) -> float:
    return next(bound for word, bound in CLOSE.items() if chroma.startswith(word))


@pytest.mark.parametrize("chroma", CHROMA)
def test_what_is_written_reads_back(chroma: str) -> None:
    frames, stream = frames_for(chroma), io.BytesIO()
    assert wb.write_y4m(frames, stream, rate=Fraction(30000, 1001), chroma=chroma) == 3
    stream.seek(0)
    clip = wb.read_y4m(stream)
    back = [frame.image for frame in clip]
    assert (clip.rate, clip.size, clip.info.bits) == (Fraction(30000, 1001), (64, 48), CHROMA[chroma].bits)
    assert [b.dtype for b in back] == [f.dtype for f in frames]
    assert max(map(error, back, frames)) < close(chroma)


@pytest.mark.parametrize("chroma", CHROMA)
def test_the_program_reads_and_writes_the_same_colours(chroma: str) -> None:
    """Ours is read by ffmpeg and written again by it; its stream gives the colours that we wrote."""
    stream = io.BytesIO()
    wb.write_y4m(frames_for(chroma), stream, rate=24, chroma=chroma)
    if chroma in ("mono14", "420", "420p16", "422p16", "444p16"):  # the program has no such y4m, or names it otherwise
        assert Header.parse(stream.getvalue().split(b"\n")[0] + b"\n").chroma == chroma
        return
    there = ffmpeg("-i", "-", "-vf", "setsar=4/3", "-strict", "-1", "-f", "yuv4mpegpipe", "-", feed=stream.getvalue())
    clip = wb.read_y4m(io.BytesIO(there))
    back = [frame.image for frame in clip]
    assert (clip.rate, clip.info.pixel_aspect, len(back)) == (24, Fraction(4, 3), 3)
    assert max(map(error, back, frames_for(chroma))) < close(chroma)


def test_white_black_and_grey_are_exact() -> None:
    for chroma in ("420jpeg", "444", "420p10", "444p16", "mono10"):
        deep = CHROMA[chroma].bits > 8
        top = 65535 if deep else 255
        flat = [np.full((16, 16, 3), level, np.uint16 if deep else np.uint8) for level in (0, top)]
        stream = io.BytesIO()
        wb.write_y4m(flat, stream, chroma=chroma)
        stream.seek(0)
        assert all((back.image == given).all() for back, given in zip(wb.read_y4m(stream), flat, strict=True))


def test_alpha_is_composited_and_named() -> None:
    fade = ["-vf", "format=yuva444p,geq=lum=lum(X\\,Y):cb=128:cr=128:a=128", "-pix_fmt", "yuva444p", "-strict", "-1"]
    feed = np.full((48, 64, 3), 255, np.uint8).tobytes()
    words = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", "-", *fade, "-f", "yuv4mpegpipe", "-"]
    clip = wb.read_y4m(io.BytesIO(ffmpeg(*words, feed=feed)))
    assert any("alpha" in note for note in clip.notes)
    assert abs(int(clip[0].image.mean()) - 128) <= 1


def test_interlaced_frames_are_made_whole_unless_told_otherwise() -> None:
    fields = [np.roll(np.tile(FRAMES[0][:, :8], (1, 8, 1)), 3 * k, axis=1) for k in range(10)]  # moves, so it combs
    woven = [field.copy() for field in fields[::2]]
    for frame, later in zip(woven, fields[1::2], strict=True):
        frame[1::2] = later[1::2]
    stream = io.BytesIO()
    wb.write_y4m(woven, stream, chroma="444")
    text = stream.getvalue().replace(b" Ip ", b" It ", 1)
    whole, off = wb.read_y4m(io.BytesIO(text)), wb.read_y4m(io.BytesIO(text), deinterlace="off")
    assert any("bwdif" in note for note in whole.notes)
    assert any("both fields" in note for note in off.notes)
    combs = [np.abs(np.diff([f.image for f in clip][2].astype(float), axis=0)).mean() for clip in (whole, off)]
    assert combs[0] < combs[1] / 2


class OneByOne(io.RawIOBase):
    """A pipe that counts what was taken from it."""

    def __init__(self, data: bytes) -> None:
        self._data, self.taken = data, 0

    def readinto(self, buffer) -> int:  # type: ignore[override]
        piece = self._data[self.taken : self.taken + min(len(buffer), 100)]
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


def test_no_frame_is_read_before_it_is_asked_for() -> None:
    stream = io.BytesIO()
    wb.write_y4m(FRAMES, stream, chroma="420jpeg")
    data = stream.getvalue()
    one = (len(data) - len(data.split(b"\n")[0]) - 1) // 3
    pipe = OneByOne(data)
    frames = iter(wb.read_y4m(pipe))  # type: ignore[arg-type]
    for left in (2, 1, 0):
        next(frames)
        assert pipe.taken == len(data) - left * one
    assert list(frames) == []


def test_a_file_is_read_again_and_a_pipe_once(tmp_path) -> None:
    path = tmp_path / "clip.y4m"
    with path.open("wb") as file:
        wb.write_y4m(FRAMES, file, rate=25)
    clip = wb.read_y4m(path)
    assert len(list(clip)) == len(list(clip)) == 3
    assert [frame.time for frame in clip[1:]] == [0.04, 0.08]
    assert np.array_equal(clip[2].image, wb.open_clip(path)[2].image)  # as libav reads it
    once = wb.read_y4m(io.BytesIO(path.read_bytes()))
    assert len(list(once)) == 3
    with pytest.raises(InputError, match="once"):
        list(once)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"hello\n", "expected a YUV4MPEG2 header"),
        (b"", "expected a YUV4MPEG2 header"),
        (b"YUV4MPEG2 W64\n", "must name width and height"),
        (b"YUV4MPEG2 Wx H-1\n", "must name width and height"),
        (b"YUV4MPEG2 W64 H48 C777\n", "chroma format '777'"),
        (b"YUV4MPEG2 W64 H48 Ffast\n", "the rate F"),
        (b"YUV4MPEG2 W64 H48 " + b"Xa " * 1000, "no end"),
    ],
)
def test_a_broken_header_is_one_clear_line(head: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        wb.read_y4m(io.BytesIO(head))
    assert "\n" not in str(caught.value)


def test_a_cut_frame_is_told_after_those_before_it() -> None:
    stream = io.BytesIO()
    wb.write_y4m(FRAMES, stream)
    for data, words in (
        (stream.getvalue()[:-100], "ends within frame 2"),
        (stream.getvalue() + b"trash\n", "frame 3 should begin"),
    ):
        frames, got = iter(wb.read_y4m(io.BytesIO(data))), 0
        with pytest.raises(InputError, match=words):
            while next(frames):
                got += 1
        assert got == data.count(b"FRAME\n") - words.startswith("ends")


@pytest.mark.parametrize("layout", ["rgb24:64x48@25", "yuv420p:64x48@30000/1001", "nv12:64x48", "bgr0:64x48@10"])
def test_headerless_frames(layout: str) -> None:
    name = layout.split(":")[0]
    words = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", "-", "-pix_fmt", name, "-f", "rawvideo", "-"]
    data = ffmpeg(*words, feed=b"".join(f.tobytes() for f in FRAMES))
    clip = wb.read_raw(io.BytesIO(data), layout)
    back = [frame.image for frame in clip]
    assert max(map(error, back, FRAMES)) < (0.1 if "rgb" in name or "bgr" in name else 1.6)
    assert str(clip.rate) == (layout.split("@")[1] if "@" in layout else "None")


def test_raw_layouts_that_make_no_sense() -> None:
    for layout in ("rgb24", "nope:64x48", "pal8:64x48", "rgb24:0x48@25", "rgb24:64x48@0", "rgb24:64x48@1/0"):
        with pytest.raises(InputError):
            wb.read_raw(io.BytesIO(), layout)
    with pytest.raises(SettingsError, match="matrix"):
        wb.read_y4m(io.BytesIO(), matrix="bt999")
