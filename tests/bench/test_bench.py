"""The plain loop is the same method, so its time is a fair yardstick; the report adds up."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tests.tiny import generative_models, tiny_models
from workbench.bench.bench import Report, Timing, bench, growth_with_pixels
from workbench.bench.plain import plain_stream
from workbench.cli.main import main
from workbench.pipeline.memory import flop_per_frame
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@pytest.mark.parametrize(
    "models",
    [
        pytest.param(tiny_models, id="published"),
        pytest.param(lambda: tiny_models(back_projection=0.7, warp="published", fit=0.1, blend=0.6), id="fitted"),
        pytest.param(generative_models, id="residual"),
    ],
)
def test_the_plain_loop_makes_the_same_frames(moving_frames, models):
    models = models()
    chosen = Settings(steps=3, artg=0.8)
    ours = [out.frame for out in Pipeline(models).stream(moving_frames[:3], chosen)]
    plain = list(plain_stream(models, moving_frames[:3], chosen))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, plain, strict=True))


def test_the_conditioning_embedding_runs_once_per_frame(tiny_pipe, moving_frames):
    calls = []
    hook = tiny_pipe.models.conditioning.register_forward_hook(lambda *_: calls.append(1))
    try:
        list(tiny_pipe.stream(moving_frames[:3], Settings(steps=4)))
        ours = len(calls)
        list(plain_stream(tiny_pipe.models, moving_frames[:3], Settings(steps=4)))
    finally:
        hook.remove()
    assert ours == 2
    assert len(calls) - ours == 8


def test_a_report_has_every_stage_and_ratio(tiny_pipe):
    report = bench(tiny_pipe, Settings(steps=2), size=(24, 32), repeats=2)
    stages = {"input", "flow", "warp", "conditioning", "features", "controlnet", "unet", "decode", "output"}
    assert report.stages.keys() == stages
    total = sum(timing.median for timing in report.stages.values())
    assert 0 < total <= 1.5 * report.frame.median
    assert json.loads(json.dumps(report.to_dict()))["ratio_to_plain"] == report.ratio_to_plain
    assert "ours / plain" in str(report)
    assert 0 < report.trace_off < 0.01
    assert report.achieved > 0
    assert report.video.keys() == {"read", "write"}


def test_ratios_are_taken_pair_by_pair():
    report = Report(
        (8, 8), Settings(), "cpu", 1, Timing((1.0, 4.0, 3.0)), Timing((2.0, 4.0, 4.0)), {}, 1.0, Timing((1.0, 2.0, 1.0))
    )
    assert report.ratio_to_plain == pytest.approx(0.75)
    assert report.convolutions == pytest.approx(2.0)
    assert report.frame.spread == (1.0, 4.0)


def test_growth_is_told_for_the_same_settings() -> None:
    def report(size: tuple[int, int], seconds: float, peak: int, **changes: Any) -> Report:
        one = Timing((seconds,))
        return Report(
            size, Settings(**changes), "cpu", 1, one, one, {}, seconds, one, memory={"unet": 1, "decode": peak}
        )

    reports = [report((10, 10), 1.0, 100), report((10, 10), 5.0, 300, steps=8), report((20, 20), 4.4, 390)]
    assert growth_with_pixels(reports) == ["20x20 against 10x10: 4.00x the pixels, 4.40x the time, 3.90x the memory"]


def test_operations_grow_with_steps_and_pixels(tiny_pipe):
    one, two, four = (flop_per_frame(tiny_pipe, (32, 32), Settings(steps=n)) for n in (1, 2, 4))
    assert four - two == 2 * (two - one) > 0
    assert flop_per_frame(tiny_pipe, (64, 32), Settings(artg=False)) > 1.9 * flop_per_frame(
        tiny_pipe, (32, 32), Settings(artg=False)
    )


def test_operations_of_a_convolution_are_the_textbooks(tiny_pipe):
    whole = flop_per_frame(tiny_pipe, (32, 32), Settings(steps=1, artg=False))
    without = flop_per_frame(tiny_pipe, (32, 32), Settings(steps=1, artg=False, tpm=False))
    assert whole > without > 2 * 32 * 32 * 9 * 7 * 8  # at least the UNet's first convolution


def test_the_command_writes_numbers_and_a_figure(tiny_pipe, tmp_path, capsys):
    folder = tiny_pipe.save_pretrained(tmp_path / "model")
    words = ["bench", "--model", str(folder), "--size", "32x24", "--repeats", "1", "--vary", "vae_slicing=off,on"]
    files = ["--json", str(tmp_path / "bench.json"), "--figure", str(tmp_path / "bench.png")]
    assert main([*words, "--steps", "1", "--device", "all", *files]) == 0
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert [row["settings"]["vae_slicing"] for row in rows[-2:]] == [False, True]
    assert all(row["ratio_to_plain"] > 0 for row in rows)
    assert all(row["memory"].keys() == row["stages"].keys() - {"input", "output"} for row in rows)
    assert all(row["memory"]["decode"] > 0 for row in rows)
    assert (tmp_path / "bench-cpu.png").stat().st_size > 10_000
    assert "plain loop" in capsys.readouterr().out


def test_a_size_that_is_none_is_refused(capsys):
    assert main(["bench", "--size", "large"]) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
