"""Damaged files end in frames or in one clear InputError: never in a hang, never in another exception."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from PIL import Image

from tests.video_material import make_video, noise, pictures
from workbench.errors import InputError
from workbench.video import open_clip

HURTS = 20  # of each kind of file
KINDS: dict[str, dict[str, object]] = {
    "h264.mp4": {"options": {"g": "4", "bf": "2"}, "sound": noise(0.3)},
    "h264.mkv": {"options": {"g": "4", "bf": "2"}, "sound": noise(0.3)},
    "h264.ts": {"options": {"g": "4", "bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "4", "bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "4"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "4", "cpu-used": "8"}},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "yuv422p10le"},
    "moving.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "still.png": {},
    "moving.webp": {},
    "moving.png": {},
    "still.tif": {},
}


def make(path: Path, kind: dict[str, object]) -> Path:
    frames = pictures(8, 32, 24)
    if path.suffix not in (".png", ".webp", ".tif"):
        return make_video(path, frames, **kind)  # pyright: ignore[reportArgumentType]
    first, *others = map(Image.fromarray, frames)
    first.save(path, **({"save_all": True, "append_images": others} if path.stem == "moving" else {}))
    return path


def flipped(data: bytearray, place: int, length: int, chance: random.Random) -> bytearray:
    for at in range(place, min(place + length, len(data)), 7):
        data[at] ^= 1 << chance.randrange(8)
    return data


HURT = {
    "flipped": flipped,
    "cut": lambda data, place, length, chance: data[:place],
    "zeroed": lambda data, place, length, chance: data[:place] + bytes(length) + data[place + length :],
    "inserted": lambda data, place, length, chance: data[:place] + chance.randbytes(length) + data[place:],
    "repeated": lambda data, place, length, chance: data[: place + length] + data[place:],
    "gone": lambda data, place, length, chance: data[:place] + data[place + length :],
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_gives_frames_or_a_clear_error(name: str, tmp_path: Path) -> None:
    whole = make(tmp_path / name, KINDS[name]).read_bytes()
    chance = random.Random(name)
    bad = tmp_path / f"bad-{name}"
    refusals: list[str] = []
    for number in range(HURTS):
        hurt = list(HURT)[number % len(HURT)]
        place, length = chance.randrange(len(whole)), chance.randrange(1, 400)
        bad.write_bytes(HURT[hurt](bytearray(whole), place, length, chance))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                clip = open_clip(bad)
                frames = list(clip)
            except InputError as error:
                refusals.append(str(error))
                continue
        assert len(frames) == len(clip) > 0, (hurt, place, length)
        assert {frame.image.shape for frame in frames} == {(clip.height, clip.width, 3)}
    assert all(bad.name in refusal for refusal in refusals), refusals
