"""The shipped table is of the shipped model, and everything shown of it follows from its numbers."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.ablation import VARIANTS, Study, committed, effect, effects, measure
from workbench.ablation.check import disagreements
from workbench.ablation.page import bought, page
from workbench.ablation.presets import presets
from workbench.ablation.study import StudyRow, Value
from workbench.cli import ablate
from workbench.cli.main import main
from workbench.errors import FlowError, InputError
from workbench.models.folder import fingerprint
from workbench.models.hub import EMBEDDED
from workbench.pipeline.settings import Settings
from workbench.video import open_clip
from workbench.views.plots import ablation

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study() -> Study:
    return committed()


def test_the_table_was_made_with_the_model_that_is_shipped(study) -> None:
    assert study.model == fingerprint(EMBEDDED), "the model is another one: run 'workbench ablate --write'"


def test_the_page_is_the_tables(study) -> None:
    assert (ROOT / "docs" / "ablation.md").read_text(encoding="utf-8") == page(study, "ablation.png")
    assert (ROOT / "docs" / "ablation.png").stat().st_size > 10_000


def test_every_variant_is_measured_or_missed_with_a_reason(study) -> None:
    measured = {row.name: row.changes for row in study.rows}
    for variant in VARIANTS:
        assert measured.get(variant.name) == variant.changes or study.missing[variant.name]
    assert Study.from_json(study.to_json()) == study


def test_every_setting_has_a_measured_sentence(study) -> None:
    told = effects()
    assert told.keys() == {known.name for known in fields(Settings)}
    assert all("PSNR-Y" in sentence and "x the time" in sentence for sentence in told.values())


def row(
    name: str = "TPM off", *, psnr: float = 0.0, flicker: float = 0.0, time: float = 1.0, sure: float = 0.01
) -> StudyRow:
    values = {m: Value(1.0, 0.0, 0.0, 0.0) for m in ("ssim_y", "haarpsi")}
    for metric, change in (("psnr_y", psnr), ("flicker", flicker)):
        way = "better" if (change > 0) == (metric == "psnr_y") else "worse"
        said = way if abs(change) > sure else "no difference found"
        values[metric] = Value(30 + change, change, change - sure, change + sure, said)
    return StudyRow(name, "tpm", {"tpm": False}, values, time, 100 * 2**20)


@pytest.fixture
def small() -> Study:
    return Study("m", {"a": 2}, (8, 8), [row("default settings"), row(psnr=-0.2, flicker=0.3, time=0.8)], {}, {})


def test_sentences_say_what_the_numbers_say(small) -> None:
    without = small.rows[1]
    assert effect(small, without) == "PSNR-Y -0.20 dB, flicker +0.300, 0.80x the time"
    assert bought(small, without) == ("It buys 0.20 dB more PSNR-Y and 0.300 less flicker; it costs 25% more time.")
    useless = row(psnr=0.2, flicker=0.3, sure=1.0)
    assert effect(small, useless).startswith("PSNR-Y no difference found, flicker no difference found")
    assert "nothing that these scenes can show" in bought(small, useless)
    assert bought(small, row(psnr=0.2)) == (
        "It buys nothing that these scenes can show; it costs 0.20 dB less PSNR-Y and no time to speak of."
    )


def test_a_row_that_is_quicker_and_better_is_one_preset(small, monkeypatch) -> None:
    both, slow = row("1 step", psnr=0.1, time=0.6), row("8 steps", psnr=0.05, time=1.5)
    both, slow = replace(both, changes={"steps": 1}), replace(slow, changes={"steps": 8})
    for rows, named in (([both], {"Fast": both}), ([both, slow], {"Fast": both, "Best": slow})):
        study = replace(small, rows=[replace(small.base, changes={}), *rows])
        monkeypatch.setattr("workbench.ablation.presets.committed", lambda study=study: study)
        found = {preset.name: preset.changes for preset in presets()}
        assert found.pop("Balanced") == {}
        assert found == {name: of.changes for name, of in named.items()}


def test_a_table_that_no_longer_holds_is_found(small) -> None:
    assert disagreements(small, small) == []
    changes = {
        "psnr_y is": row(psnr=-0.5, flicker=0.3, time=0.8),
        "flicker is": row(psnr=-0.2, flicker=0.35, time=0.8),
        "x the time": row(psnr=-0.2, flicker=0.3, time=1.7),
        "of memory": replace(small.rows[1], memory=120 * 2**20),
    }
    for words, changed in changes.items():
        lines = disagreements(small, replace(small, rows=[small.base, changed]))
        assert len(lines) == 1
        assert words in lines[0]
    assert "another model" in disagreements(small, replace(small, model="n"))[0]
    assert "not in the table" in disagreements(replace(small, rows=small.rows[:1]), small)[0]


def test_the_command_checks_the_table(small, monkeypatch, capsys) -> None:
    monkeypatch.setattr("workbench.ablation.committed", lambda: small)
    monkeypatch.setattr(ablate, "_study", lambda args: small)
    monkeypatch.setattr("workbench.ablation.page.page", lambda study, figure: "the page")
    assert main(["ablate", "--check"]) == 0
    assert "holds within 0.02 dB" in capsys.readouterr().out
    monkeypatch.setattr(
        ablate, "_study", lambda args: replace(small, rows=[small.base, row(psnr=-0.5, flicker=0.3, time=0.8)])
    )
    assert main(["ablate", "--check"]) == 1
    assert "psnr_y is" in capsys.readouterr().out


def test_the_figure_has_a_row_a_variant(study) -> None:
    figure = ablation(study)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [row.name for row in study.rows[1:] if row.time is not None]
    assert len(figure.axes) == 5


def test_a_study_measures_every_variant_on_the_same_frames(tiny_pipe, moving_frames, monkeypatch) -> None:
    def load(name: str, device: object) -> object:
        raise FlowError(f"no weights of {name}")

    tiny_pipe.motion(Settings())  # its own flow is loaded; others cannot be
    monkeypatch.setattr("workbench.pipeline.motion.load_estimator", load)
    kept = [v for v in VARIANTS if v.name in ("1 step", "ARTG off", "VAE slicing on", "flow by raft-small")]
    monkeypatch.setattr(measure, "VARIANTS", kept)
    clip = open_clip(np.stack(moving_frames[:3]))
    truth = [np.asarray(Image.fromarray(f).resize((128, 96), Image.Resampling.LANCZOS)) for f in moving_frames[:3]]
    study = measure.run(
        tiny_pipe,
        [("moving", clip, open_clip(np.stack(truth)))],
        model="m",
        base=Settings(steps=2),
    )
    assert [r.name for r in study.rows] == ["default settings", "1 step", "ARTG off", "VAE slicing on", "bicubic"]
    assert list(study.missing) == ["flow by raft-small"]
    assert study.base.time == 1
    assert all((r.time or 0) > 0 and (r.memory or 0) > 2**20 for r in study.rows[:-1])
    assert study.rows[2].values["psnr_y"].difference != 0
    assert study.memory_ratio(study.rows[1]) == 1  # one timestep is as large as many
    assert (study.memory_ratio(study.rows[3]) or 1) < 1
    assert abs(study.rows[3].values["psnr_y"].difference) < 0.01  # slicing leaves the picture
    assert (study.rows[4].time, study.rows[4].memory) == (None, None)
    assert disagreements(study, Study.from_json(study.to_json())) == []


def test_the_clip_is_the_unit_of_a_study(tiny_pipe, moving_frames, monkeypatch) -> None:
    monkeypatch.setattr(measure, "VARIANTS", [v for v in VARIANTS if v.name in ("ARTG off", "attention slicing on")])
    pairs = []
    for k in range(3):
        hr = open_clip(np.stack(moving_frames[k : k + 3]).repeat(4, 1).repeat(4, 2))
        pairs.append((str(k), open_clip(np.stack(moving_frames[k : k + 3])), hr))
    study = measure.run(tiny_pipe, pairs, model="m", base=Settings(steps=1))
    off, value = study.rows[1], study.rows[1].values["psnr_y"]
    assert study.clips == {"0": 3, "1": 3, "2": 3}
    assert value.low < value.difference < value.high
    assert off.values.keys() == study.base.values.keys()
    assert study.rows[2].values["psnr_y"].verdict in ("identical", "no difference that matters")
    few = measure.run(tiny_pipe, pairs[:2], model="m", base=Settings(steps=1))
    assert few.rows[1].values["psnr_y"].verdict == "too few clips"


def test_the_scenes_are_clips_and_their_quarters(tmp_path) -> None:
    pairs = measure.scenes(ROOT / "samples")
    assert len(pairs) >= 3
    for _, lr, hr in pairs:
        assert hr.size == (4 * lr.width, 4 * lr.height)
        small, large = (np.asarray(next(iter(clip))).astype(float) for clip in (lr, hr))
        means = large.reshape(small.shape[0], 4, small.shape[1], 4, 3).mean((1, 3))
        assert np.abs(means - small).mean() < 4
    with pytest.raises(InputError, match="checkout"):
        measure.scenes(tmp_path)
