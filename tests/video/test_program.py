"""Any clip that the bundled ffmpeg program makes is read as the program itself decodes it: frames, times, colours."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.video_material import ffmpeg, program_frames, program_times
from workbench.pixels import eight_bit
from workbench.video import _index as index
from workbench.video import open_clip

SIZE = (48, 32)
H264 = "-c:v libx264 -preset veryfast -qp 12"
KINDS = {
    "h264": (H264 + " -bf {b} -g {g}", "mp4 mov mkv ts avi flv nut 3gp"),
    "open-gop": (H264 + " -bf 2 -x264-params open-gop=1:keyint={g}:scenecut=0", "mp4 mkv ts"),
    "refresh": (H264 + " -bf 0 -x264-params intra-refresh=1:keyint={g}", "mp4 mkv ts"),
    "woven": (H264 + " -bf {b} -g {g} -flags +ilme+ildct -x264opts tff=1", "mp4 mkv ts"),
    "h264-444": (H264 + " -bf {b} -pix_fmt yuv444p", "mp4 mkv"),
    "h264-raw": (H264 + " -bf {b} -g {g}", "h264"),
    "mpeg4": ("-c:v mpeg4 -q:v 2 -bf {b} -g {g}", "avi mp4 mkv"),
    "mpeg2": ("-c:v mpeg2video -q:v 2 -bf {b} -g {g}", "mpg vob ts mkv m2v"),
    "mpeg2-422": ("-c:v mpeg2video -q:v 2 -pix_fmt yuv422p -g {g}", "ts mkv"),
    "vp9": ("-c:v libvpx-vp9 -crf 10 -b:v 0 -deadline realtime -cpu-used 8 -g {g}", "webm mkv mp4"),
    "vp8": ("-c:v libvpx -crf 5 -b:v 1M -auto-alt-ref 1 -lag-in-frames 6 -g {g}", "webm mkv"),
    "mjpeg": ("-c:v mjpeg -q:v 2 -pix_fmt yuvj420p", "avi mov mkv"),
    "wmv2": ("-c:v wmv2 -q:v 2 -g {g}", "wmv asf avi"),
    "ffv1": ("-c:v ffv1 -pix_fmt yuv422p", "mkv avi nut"),
    "prores": ("-c:v prores_ks -profile:v 0", "mov mkv"),
    "gif": ("-c:v gif", "gif"),
}
RATES = ("25", "24000/1001", "30000/1001", "50")
# Every frame where it falls, one in three left out, and steps that grow.
TIMES = {"even": "null", "dropped": "select='mod(n\\,3)'", "growing": "setpts='PTS+N*N*0.004/TB'"}
NEEDS_EVEN = ("mpg", "vob", "m2v", "h264", "gif")


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """(arguments of the encoder, suffix, rate, filter of the times)"""
    kind = draw(st.sampled_from(sorted(KINDS)))
    arguments, suffixes = KINDS[kind]
    suffix = draw(st.sampled_from(suffixes.split()))
    even = suffix in NEEDS_EVEN or kind in ("mpeg2", "mpeg2-422")
    times = "even" if even else draw(st.sampled_from(sorted(TIMES)))
    arguments = arguments.format(b=draw(st.integers(0, 3)), g=draw(st.integers(1, 8)))
    return arguments, suffix, draw(st.sampled_from(RATES)), TIMES[times]


def make(folder: str, recipe: tuple[str, str, str, str]) -> Path:
    arguments, suffix, rate, times = recipe
    path = Path(folder) / f"clip.{suffix}"
    source = f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={rate}"
    ffmpeg("-f", "lavfi", "-i", source, "-vf", times, "-fps_mode", "passthrough", "-frames:v", "11", *arguments.split(),
           path)  # fmt: skip
    return path


@settings(max_examples=25, deadline=None)
@example(recipe=(f"{H264} -bf 0 -g 1", "h264", "24000/1001", "null"), cut=slice(None))
@example(recipe=("-c:v mpeg4 -q:v 2 -bf 1 -g 1", "avi", "25", TIMES["growing"]), cut=slice(None))
@given(recipe=recipes(), cut=st.slices(11).filter(lambda cut: cut.step is None or cut.step > 0))
def test_frames_times_and_colours_are_those_of_the_program(recipe: tuple[str, str, str, str], cut: slice) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = make(folder, recipe)
        times = program_times(path)
        expected = program_frames(path, SIZE, "bwdif=mode=send_frame:deint=interlaced")
        clip = open_clip(path)
        frames = list(clip)
        assert len(clip) == len(frames) == len(times) == len(expected)
        assert clip.times is not None
        assert np.array(clip.times) - clip.times[0] == pytest.approx(times, abs=0.0015)
        begin = int(
            "ildct" in recipe[0]
        )  # with nothing before it, the filter's versions make the first frame differently
        for frame, picture in zip(frames[begin:], expected[begin:], strict=True):
            assert np.abs(eight_bit(frame.image).astype(int) - picture).max() <= 3
        for part, whole in zip(clip[cut], frames[cut], strict=True):
            assert np.array_equal(part.image, whole.image)
            assert part.time == whole.time


@settings(max_examples=8, deadline=None)
@given(recipe=recipes().filter(lambda recipe: recipe[1] in ("mp4", "mkv", "webm", "mov")), start=st.integers(0, 10))
def test_a_long_file_taken_by_its_packets_is_the_same_as_one_that_was_counted(
    recipe: tuple[str, str, str, str], start: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = make(folder, recipe)
        counted = open_clip(path)
        index._read_index.cache_clear()
        patch.setattr(index, "_QUICK", 1)
        by_packets = open_clip(path)
        assert by_packets.times == counted.times
        for one, other in zip(by_packets[start:], counted[start:], strict=True):
            assert np.array_equal(one.image, other.image)
        index._read_index.cache_clear()
