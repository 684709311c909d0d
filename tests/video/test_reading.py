"""Video files: order, time, slices, rotation, sound."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.video_material import SAMPLE_RATE, make_video, noise, pictures
from workbench.errors import InputError
from workbench.types import Frame
from workbench.video import Clip, open_clip
from workbench.video._index import read_index

FRAMES = 30
KINDS: dict[str, dict[str, object]] = {
    "h264.mp4": {"options": {"g": "8", "bf": "3", "x264-params": "open-gop=1:scenecut=0", "qp": "10"}},
    "refresh.mp4": {"options": {"g": "8", "x264-params": "intra-refresh=1", "bf": "0"}},
    "h264.mkv": {"options": {"g": "9", "bf": "2"}},
    "h264.ts": {"options": {"g": "9", "bf": "2"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=8:bframes=3:log-level=error:open-gop=1"}},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "8", "b": "500k"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "lag-in-frames": "8", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"g": "8", "preset": "12", "svtav1-params": "lp=1"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "8", "bf": "2", "q": "2"}},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "8", "bf": "2"}},
    "moving.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    frames = pictures(FRAMES)
    return {name: make_video(folder / name, frames, **kind) for name, kind in KINDS.items()}  # pyright: ignore


@pytest.fixture(scope="module")
def whole(files: dict[str, Path]) -> dict[str, list[Frame]]:
    return {name: list(open_clip(path)) for name, path in files.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_knows_its_length_and_yields_every_frame_in_order(
    name: str, files: dict[str, Path], whole: dict[str, list[Frame]]
) -> None:
    clip = open_clip(files[name])
    frames = whole[name]
    assert len(clip) == len(frames) == FRAMES
    assert clip.size == (64, 48)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert clip.times is not None
    assert [frame.time for frame in frames] == list(clip.times)
    assert all(a < b for a, b in itertools.pairwise(clip.times))
    assert clip.fps == pytest.approx(25, rel=0.01)
    # The right picture at the right place: each decoded frame is nearest to its own original.
    originals = np.stack(pictures(FRAMES)).astype(int)
    for frame in frames:
        distances = np.abs(originals - frame.image.astype(int)).mean(axis=(1, 2, 3))
        assert distances.argmin() == frame.index


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.slices(FRAMES).filter(lambda cut: cut.step is None or cut.step > 0),
    second=st.slices(8).filter(lambda cut: cut.step is None or cut.step > 0),
)
def test_frames_of_a_slice_are_those_of_the_whole(
    name: str, first: slice, second: slice, files: dict[str, Path], whole: dict[str, list[Frame]]
) -> None:
    clip = open_clip(files[name])[first][second]
    expected = whole[name][first][second]
    assert isinstance(clip, Clip)
    assert len(clip) == len(expected)
    frames = list(clip)
    assert len(frames) == len(expected)
    for place, (frame, original) in enumerate(zip(frames, expected, strict=True)):
        assert frame.index == place
        assert frame.time == original.time
        assert np.array_equal(frame.image, original.image)
    if expected:
        assert np.array_equal(clip[-1].image, expected[-1].image)
        assert clip[-1].index == len(expected) - 1


def test_decoding_starts_at_the_nearest_frame_from_which_it_is_exact(files: dict[str, Path]) -> None:
    assert read_index(files["h264.mkv"]).seek_points == (0, 9, 18, 27)
    # Key frames of an open group and recovery points of intra refresh are flagged in the file, but are not exact.
    assert read_index(files["h264.mp4"]).seek_points == (0,)
    assert read_index(files["refresh.mp4"]).seek_points == (0,)


def test_indices_outside_are_index_errors(files: dict[str, Path]) -> None:
    clip = open_clip(files["h264.mp4"])[4:9]
    for index in (5, -6):
        with pytest.raises(IndexError, match="5 frames"):
            clip[index]
    with pytest.raises(InputError, match="forwards"):
        clip[::-1]


def test_no_file_stays_open(files: dict[str, Path]) -> None:
    clip = open_clip(files["h264.mp4"])

    def is_open() -> bool:
        return any(Path(file.path) == files["h264.mp4"].resolve() for file in psutil.Process().open_files())

    assert not is_open()
    frames = iter(clip)
    next(frames)
    assert is_open()
    frames.close()  # pyright: ignore
    assert not is_open()
    list(clip[3:5])
    assert not is_open()


def test_variable_frame_rates_keep_their_times_and_durations(tmp_path: Path) -> None:
    stamps = [0, 40, 120, 130, 300, 333, 400]
    for name in ("vfr.mp4", "vfr.mkv"):
        path = make_video(tmp_path / name, pictures(7), pts=stamps, time_base=Fraction(1, 1000), options={"bf": "2"})
        clip = open_clip(path)
        assert clip.times == pytest.approx([stamp / 1000 for stamp in stamps])
        assert any("variable" in note for note in clip.notes)
        frames = list(clip)
        durations = [frame.duration for frame in frames]
        assert durations[:-1] == pytest.approx([(b - a) / 1000 for a, b in itertools.pairwise(stamps)])
        strided = list(clip[1::2])
        assert [frame.time for frame in strided] == pytest.approx([0.04, 0.13, 0.333])
        assert [frame.duration for frame in strided][:2] == pytest.approx([0.09, 0.203])


def test_a_stride_divides_the_rate_and_multiplies_the_durations(files: dict[str, Path]) -> None:
    clip = open_clip(files["h264.mp4"])[::3]
    assert clip.rate == Fraction(25, 3)
    assert [frame.duration for frame in clip] == pytest.approx([0.12] * 10)
    assert clip.span == pytest.approx((0, 1.2))


def test_fps_overrides_the_clock_and_leaves_the_sound_out(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", pictures(5), sound=noise(0.2))
    clip = open_clip(path, fps=10)
    assert clip.times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert clip.audio is None
    assert any("sound left out" in note for note in clip.notes)
    with pytest.raises(InputError, match="positive"):
        open_clip(path, fps=0)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(degrees: int, tmp_path: Path) -> None:
    frames = pictures(3, 64, 32)
    upright = make_video(tmp_path / "upright.mp4", frames)
    # The container turns counter-clockwise, so that 90 there is 270 clockwise for the viewer.
    turned = make_video(tmp_path / "turned.mp4", frames, rotation=-degrees)
    clip = open_clip(turned)
    assert clip.rotation == degrees
    assert clip.size == ((64, 32) if degrees == 180 else (32, 64))
    for frame, original in zip(clip, open_clip(upright), strict=True):
        assert np.array_equal(frame.image, np.rot90(original.image, k=-degrees // 90))


def test_sound_is_known_but_not_decoded(tmp_path: Path) -> None:
    clip = open_clip(make_video(tmp_path / "a.mp4", pictures(5), sound=noise(0.2)))
    assert clip.audio is not None
    assert (clip.audio.codec, clip.audio.sample_rate, clip.audio.layout) == ("aac", SAMPLE_RATE, "mono")
    assert clip[2:4].audio == clip.audio
    assert "audio aac 48 kHz mono" in repr(clip)


def test_the_repr_tells_what_matters(files: dict[str, Path]) -> None:
    text = repr(open_clip(files["h264.mp4"])[10:20])
    for fact in ("h264.mp4", "10 of 30 frames", "64x48", "25 fps", "h264", "bt601 limited"):
        assert fact in text


def test_frames_that_cannot_be_decoded_at_the_start_are_left_out(files: dict[str, Path], tmp_path: Path) -> None:
    data = files["h264.ts"].read_bytes()
    cut = tmp_path / "joined-late.ts"
    cut.write_bytes(data[: 188 * 2] + data[188 * (len(data) // 188 // 4) :])  # tables, then the middle of a group
    clip = open_clip(cut)
    assert 0 < len(clip) < FRAMES
    assert len(list(clip)) == len(clip)
