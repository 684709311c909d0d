"""Odd but real files: what comes out is what the bundled ffmpeg program gives, and what was done is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.video_material import ffmpeg, program_times
from tests.video_odd import ODD, SOURCE, X264
from workbench.errors import InputError
from workbench.video import open_clip

FRAMES = {"doubled.mkv": 8, "joined.ts": 20, "null.avi": 8, "trimmed.mov": 5, "fields.ts": 8}
SAID = {
    "doubled.mkv": "1 time stamps do not rise",
    "joined.ts": "the clock of the file jumps, first at 0.40 s",
    "size.mpg": "from 64x48 to 96x48: scaled",
    "fields.ts": "interlaced: deinterlaced",
}


@pytest.mark.parametrize("name", ODD)
def test_frames_and_times_are_those_of_the_program(name: str, tmp_path: Path) -> None:
    path = ODD[name](tmp_path / name)
    clip = open_clip(path)
    times = program_times(path)
    frames = list(clip)
    assert len(clip) == len(frames) == len(times) == FRAMES.get(name, len(times))
    assert clip.times is not None
    # Where the size changes the decoder drops a frame, which the program still counts in its clock.
    assert np.array(clip.times) - clip.times[0] == pytest.approx(times, abs=0.041 if name == "size.mpg" else 0.0015)
    assert all(np.diff(clip.times) > 0)
    for part, whole in zip(clip[3:], frames[3:], strict=True):
        # What libav fills a gap with depends on the memory it finds.
        assert name == "lost.ts" or np.array_equal(part.image, whole.image)
        assert part.time == whole.time
    told = [note for note in clip.notes if "tagged" not in note]
    assert name not in SAID or any(SAID[name] in note for note in told)
    if name in ("trimmed.mov", "null.avi", "before.mkv"):
        assert not any(word in note for note in told for word in ("damaged", "cut short", "header"))


def test_two_fields_of_a_frame_are_two_pictures_only_when_asked_for_woven(tmp_path: Path) -> None:
    path = ODD["fields.ts"](tmp_path / "fields.ts")
    # Field n is one level of grey, ten above the one before: woven, a frame's rows alternate by ten.
    woven = open_clip(path, deinterlace="off")
    assert np.ptp(woven[3].image[::2]) == 0
    assert int(woven[3].image[1, 0, 0]) - int(woven[3].image[0, 0, 0]) >= 10
    assert any("both fields stay" in note for note in woven.notes)
    assert woven.info.options == {"deinterlace": "off"}
    whole = open_clip(path)
    assert np.ptp(whole[3].image) < 10
    assert whole.info.options == {}
    assert open_clip(path)[3:5][0].image.tolist() == whole[3].image.tolist()
    with pytest.raises(InputError, match="deinterlace must be 'auto' or 'off', not 'on'"):
        open_clip(path, deinterlace="on")  # pyright: ignore[reportArgumentType]


def test_progressive_frames_stay_as_they_are(tmp_path: Path) -> None:
    ffmpeg(*SOURCE, *X264, tmp_path / "a.mp4")
    ways = [open_clip(tmp_path / "a.mp4", deinterlace=way) for way in ("auto", "off")]  # pyright: ignore
    for one, other in zip(*ways, strict=True):
        assert np.array_equal(one.image, other.image)
    assert ways[0].info.options == ways[1].info.options == {}


def test_alpha_beside_webm_pictures_is_read(tmp_path: Path) -> None:
    """Green is hidden where it is transparent; a red square is opaque."""
    red = "between(X,16,47)*between(Y,12,35)"
    graph = f"color=lime:s=64x48:r=25:d=0.2,format=rgba,geq=r='255*{red}':g='255*(1-{red})':b=0:a='255*{red}'"
    for codec in ("libvpx-vp9", "libvpx"):
        path = tmp_path / f"{codec}.webm"
        ffmpeg("-f", "lavfi", "-i", graph, "-c:v", codec, "-pix_fmt", "yuva420p", "-b:v", "2M", "-crf", "4",
               "-auto-alt-ref", "0", path)  # fmt: skip
        clip = open_clip(path)
        assert len(list(clip)) == len(clip) == 5
        assert any("alpha channel composited" in note for note in clip.notes)
        assert clip[2].image[4, 4].max() < 8
        assert clip[2].image[24, 32].astype(int) == pytest.approx([255, 0, 0], abs=12)


HDR = ("-f", "lavfi", "-i", "gradients=s=64x48:c0=black:c1=white:x0=0:y0=0:x1=63:y1=0:d=0.2:speed=0.00001:r=25")


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_high_dynamic_range_is_kept_or_mapped_and_said(transfer: str, name: str, tmp_path: Path) -> None:
    tags = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    path = tmp_path / "hdr.mkv"
    ffmpeg(*HDR, "-vf", "setparams=color_primaries=bt2020:color_trc=" + transfer, "-c:v", "ffv1", "-pix_fmt",
           "yuv444p10le", *tags, path)  # fmt: skip
    kept = open_clip(path)
    assert (kept.info.primaries, kept.info.transfer, kept.info.bits) == ("bt2020", transfer, 10)
    assert any(f"HDR ({name}): frames are kept so" in note for note in kept.notes)
    mapped = open_clip(path, colours="bt709")
    assert (mapped.info.primaries, mapped.info.transfer) == ("bt709", "bt709")
    assert mapped.info.options == {"colours": "bt709"}
    assert any("mapped to BT.709" in note for note in mapped.notes)
    source, result = (clip[0].image[24].astype(int).mean(axis=1) for clip in (kept, mapped))
    assert kept[0].image.dtype == mapped[0].image.dtype == np.uint16
    assert all(np.diff(result[np.argsort(source)]) >= -64)  # brighter stays brighter, to a quarter of an 8-bit level
    assert np.abs(source - result).max() > 4000
    assert result.max() > 40_000


def test_wide_primaries_are_kept_with_their_name_or_mapped(tmp_path: Path) -> None:
    tags = "-color_primaries smpte432 -color_trc bt709"
    ffmpeg(*"-f lavfi -i color=0x966E64:s=64x48:r=25:d=0.1".split(), "-vf",
           "format=gbrp,setparams=color_primaries=smpte432:color_trc=bt709", *"-c:v libx264rgb -qp 0".split(),
           *tags.split(), tmp_path / "p3.mkv")  # fmt: skip
    kept, mapped = open_clip(tmp_path / "p3.mkv"), open_clip(tmp_path / "p3.mkv", colours="bt709")
    assert kept.info.primaries == "smpte432"
    assert kept[0].image[24, 32].astype(int) == pytest.approx([150, 110, 100], abs=3)
    assert mapped[0].image[24, 32].astype(int) == pytest.approx([157, 108, 98], abs=4)  # P3 to BT.709 in linear light
    assert mapped.info.primaries == "bt709"
