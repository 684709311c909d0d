"""The clips that are shipped are what their README says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.video import open_clip

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FACTS = {"forest": (36, 24, "stereo"), "bunny": (27, 25, "5.1")}


def test_the_files_are_those_that_were_made_and_fit() -> None:
    lines = (SAMPLES / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    clips = {clip.relative_to(SAMPLES).as_posix(): clip for clip in SAMPLES.rglob("*.mp4")}
    assert {name: hashlib.sha256(clip.read_bytes()).hexdigest() for name, clip in clips.items()} == sums
    assert sum(clip.stat().st_size for clip in clips.values()) < 8_000_000
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in clips)


@pytest.mark.parametrize("name", FACTS)
def test_a_pair_shows_the_same(name: str) -> None:
    low, high = open_clip(SAMPLES / f"{name}-320x180.mp4"), open_clip(SAMPLES / f"{name}-1280x720.mp4")
    frames, fps, layout = FACTS[name]
    for clip, size in ((low, (320, 180)), (high, (1280, 720))):
        assert (len(clip), clip.fps, clip.size, clip.notes) == (frames, fps, size, ())
        assert clip.audio is not None
        assert clip.audio.layout == layout
    assert low.times == pytest.approx(high.times)
    for index in (0, frames - 1):
        down = Image.fromarray(high[index].image).resize(low.size, Image.Resampling.BICUBIC)
        luma = (np.asarray(down).astype(float) - low[index].image) @ [0.2126, 0.7152, 0.0722]
        assert 10 * np.log10(255**2 / np.mean(luma**2)) > 45
