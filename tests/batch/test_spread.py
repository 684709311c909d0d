"""Evaluations and comparisons over workers: the numbers and pictures are those of one process."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.video_material import make_video, pictures
from workbench.batch.crews import Load, no_pipeline
from workbench.batch.spread import Spread
from workbench.cli.compare import Clips
from workbench.comparison import Comparison, compare
from workbench.comparison.columns import compare_apart
from workbench.comparison.evaluation import evaluate
from workbench.comparison.store import REFERENCE, Folder
from workbench.errors import InputError
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.settings import Settings
from workbench.video import open_clip

ONE = Settings(steps=1)


@pytest.fixture(scope="module")
def model(tiny_pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_pipe.save_pretrained(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hr")
    for name, frames in (("a.mkv", 3), ("b.mkv", 2)):
        make_video(folder / name, pictures(frames, 128, 96, seed=frames), codec="ffv1", pix_fmt="bgr0")
    return folder


def test_an_evaluation_over_workers_has_the_same_numbers(model: str, clips: Path) -> None:
    pipe = load_pipeline(model, device="cpu")
    seen: list[str] = []
    options: dict[str, Any] = {"metrics": ("psnr", "flicker"), "frames": 3}
    spread = Spread(Load(model), "cpu:2", say=seen.append)
    apart = evaluate(None, clips, ONE, spread=spread, **options)
    alone = evaluate(pipe, clips, ONE, **options)
    assert list(apart.clips) == list(alone.clips) == ["a", "b"]
    for name, clip in alone.clips.items():
        assert apart.clips[name].values == clip.values
    assert apart.notes == alone.notes == ["b: has 2 frames only, 3 were asked for"]
    assert sorted(words.split()[1] for words in seen) == ["a", "b"]


def test_columns_made_apart_are_one_comparison(model: str, clips: Path, tmp_path: Path) -> None:
    pipe = load_pipeline(model, device="cpu")
    made = Clips(clips / "a.mkv", None, "bicubic", None, partial(open_clip))
    settings = (ONE, ONE.but(tpm=False))
    spread = Spread(Load(model), "cpu:2")
    apart = compare_apart(spread, made, *settings, metrics=("psnr", "flicker"), resume=tmp_path / "apart")
    clip, reference = made()
    alone = compare(pipe, clip, *settings, reference=reference, metrics=("psnr", "flicker"), resume=tmp_path / "alone")
    assert apart.values == alone.values
    assert apart.columns == alone.columns == ["tpm=on", "tpm=off", "bicubic"]
    for place in (0, 1, 2, REFERENCE):
        for index in range(3):
            one, two = (Folder(tmp_path / name).picture(place, index) for name in ("apart", "alone"))
            assert np.array_equal(one, two)
    assert apart.report(tmp_path / "report.html").stat().st_size > 10_000
    assert Comparison.load(tmp_path / "apart").values == alone.values


def test_a_clip_that_fails_is_named_after_the_others_are_done(clips: Path, tmp_path: Path) -> None:
    for file in clips.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "c.mkv").write_bytes(b"no video at all")
    seen: list[str] = []
    with pytest.raises(InputError, match=r"1 of 3 failed: c: .*cannot be opened"):
        evaluate(None, tmp_path, metrics=("psnr",), spread=Spread(no_pipeline, "cpu:1", say=seen.append))
    assert len(seen) == 2
