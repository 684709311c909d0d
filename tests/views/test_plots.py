"""Figures draw from a saved trace alone, on shared scales, with a caption; matplotlib's settings stay as they were."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.tiny import generative_models, tiny_models
from workbench.ablation import committed
from workbench.bench.bench import Report, Timing
from workbench.bench.published import NOT_MEASURED, PUBLISHED
from workbench.comparison import Comparison
from workbench.comparison.evaluation import Evaluation
from workbench.comparison.strengths import Strengths
from workbench.errors import InputError, TraceError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.views import plots
from workbench.views.plots.features import attention_grid
from workbench.views.plots.motion import flow_colours
from workbench.views.plots.pictures import _detail
from workbench.views.plots.style import some

TWO = Settings(steps=2)
ROOT = Path(__file__).parents[2]


@cache
def beside_a_base() -> Trace:
    """Of a model that reads the past beside a base."""
    trace, frames = Trace("base", "warped", "residual"), np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3))
    list(Pipeline(generative_models()).stream(frames.astype(np.uint8), TWO, trace=trace))
    return trace


@pytest.fixture(scope="module")
def run(moving_frames, tmp_path_factory):
    """A trace that was saved and loaded, its outputs, and another run's."""
    pipe = Pipeline(tiny_models(fit=0.5, blend=0.7))
    trace = Trace("*")
    trace.attention("mid_block")
    outputs = list(pipe.stream([frame[:22, :30] for frame in moving_frames[:3]], TWO, trace=trace))
    path = trace.save(tmp_path_factory.mktemp("trace") / "run.safetensors")
    others = list(pipe.stream([frame[:22, :30] for frame in moving_frames[:3]], TWO.but(tpm=False)))
    return Trace.load(path), outputs, others


COMPARISON = Comparison(
    {"A": {"psnr": [30.0, 31.0, float("inf")]}, "B": {"psnr": [29.0, 28.0, 27.0]}},
    {"A": [1.0, 1.0, 1.0], "B": [1.0, 1.0, 1.0]},
    {"metrics": ["psnr"]},
)
STRENGTHS = Strengths(
    "bicubic+jpeg", {strength: Evaluation({"clip": COMPARISON}, f"bicubic+jpeg:{strength:g}") for strength in (95, 40)}
)
REPORT = Report(
    (180, 320),
    TWO,
    "cpu",
    2,
    Timing((1.0, 1.5, 1.1)),
    Timing((2.0, 2.0, 2.2)),
    {"unet": Timing((0.6, 0.7, 0.8)), "decode": Timing((0.3, 0.4, 0.5))},
    1.0,
    Timing((0.1, 0.1, 0.1)),
    memory={"unet": 2**20, "decode": 2**22},
)
SELF = "attention.mid_block.attentions.0.transformer_blocks.0.attn1"
DRAWN = {
    "ablation": lambda trace, outputs, others: plots.ablation(committed()),
    "attention": lambda trace, outputs, others: plots.attention(trace, SELF, 1),
    "blend": lambda trace, outputs, others: plots.blend(trace, 1),
    "bench": lambda trace, outputs, others: plots.bench([REPORT]),
    "devices": lambda trace, outputs, others: plots.devices([REPORT], "a tiny model"),
    "fit": lambda trace, outputs, others: plots.fit(trace, 1),
    "residual": lambda trace, outputs, others: plots.residual(beside_a_base(), 1),
    "features": lambda trace, outputs, others: plots.features(trace, "tpm.0.current", "tpm.0.fused", frame=1),
    "denoising": lambda trace, outputs, others: plots.denoising(trace, 1),
    "x0": lambda trace, outputs, others: plots.x0(trace, 1),
    "flow": lambda trace, outputs, others: plots.flow(trace, 1),
    "artg": lambda trace, outputs, others: plots.artg(trace, 1),
    "tpm": lambda trace, outputs, others: plots.tpm(trace, 1),
    "frames": lambda trace, outputs, others: plots.frames(trace),
    "difference": lambda trace, outputs, others: plots.difference(trace, others),
    "strengths": lambda trace, outputs, others: plots.strengths(STRENGTHS),
    "timeline": lambda trace, outputs, others: plots.timeline(trace),
    "curves": lambda trace, outputs, others: plots.curves({"psnr": [1.0, 2.0], "tof": [float("nan"), 3.0]}),
    "compare": lambda trace, outputs, others: plots.compare(COMPARISON),
}


def maps(figure: Figure) -> list[Any]:
    """Images that have a scale, without those hidden."""
    images: list[Any] = [image for axes in figure.axes for image in axes.images if axes.get_visible()]
    return [image for image in images if image.get_array().ndim == 2]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_draws_with_a_caption_that_lies_within_it(run, name):
    before = dict(mpl.rcParams)
    figure: Any = DRAWN[name](*run)
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert figure.caption.endswith(".")
    assert figure.get_supxlabel().replace("\n", " ") == figure.caption
    box = figure._supxlabel.get_window_extent()  # type: ignore[attr-defined]
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert figure.get_size_inches()[0] == pytest.approx(7.16)
    assert dict(mpl.rcParams) == before


def test_drawn_names_are_all_there_are():
    assert set(DRAWN) == set(plots.__all__)


@pytest.mark.parametrize(
    ("name", "scales"),
    [("denoising", 1), ("x0", 1), ("tpm", 1), ("difference", 1), ("attention", 1), ("artg", 2), ("features", 4)],
)
def test_panels_of_one_kind_share_one_scale(run, name, scales):
    found = {image.get_clim() for image in maps(DRAWN[name](*run))}
    assert len(found) == scales
    assert len(maps(DRAWN[name](*run))) > scales


def test_latents_are_shown_around_zero_with_nothing_cut_off(run):
    trace = run[0]
    low, high = maps(plots.denoising(trace, 1))[0].get_clim()
    assert low == -high
    assert high == pytest.approx(float(max(trace["latent", 1].abs().max(), trace["noise", 1].abs().max())))


def test_magnitude_and_warping_error_are_those_of_the_trace(run):
    trace = run[0]
    magnitude, error = (image.get_array() for image in maps(plots.flow(trace, 1)))
    assert np.allclose(magnitude, trace["flow", 1][:, :88, :120].norm(dim=0))
    assert np.allclose(error, (trace.image("warped", 1) - trace["frame", 1]).abs().mean(0))


def test_artg_energies_are_root_mean_squares(run):
    trace = run[0]
    table = maps(plots.artg(trace, 1))[0].get_array()
    assert table.shape == (5, 2)
    assert table[-1, 1] == pytest.approx(float(trace["artg.mid", 1][1].square().mean().sqrt()), rel=1e-4)


@pytest.mark.parametrize(
    ("plot", "before", "after"), [(plots.blend, "decoded", "blended"), (plots.fit, "warped", "fitted")]
)
def test_fit_and_blend_are_shown_by_what_they_change(run, plot, before, after):
    trace = run[0]
    (change,) = (image.get_array() for image in maps(plot(trace, 1)))
    assert np.allclose(change, (trace.image(after, 1) - trace.image(before, 1)).abs().mean(0))
    assert change.max() > 0.01


def test_the_residual_is_shown_by_its_size():
    trace = beside_a_base()
    (change,) = (image.get_array() for image in maps(plots.residual(trace, 1)))
    warped, base = (trace[name, 1].clamp(-1, 1) for name in ("warped", "base"))  # as pictures are
    assert np.allclose(change, (warped - base).abs().mean(0) / 2, atol=0.02)


def test_alpha_bars_are_the_weights(run):
    trace = run[0]
    axes: Any = next(a for a in plots.tpm(trace, 1).axes if a.get_ylabel() == "weight")
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[:7] == pytest.approx([float(trace[f"tpm.{k}.alpha", 1]) for k in range(7)])


def test_features_are_the_strength_and_the_most_varied_channels(run):
    trace = run[0]
    shown = [image.get_array() for image in maps(plots.features(trace, "latent", frame=1, step=0, channels=2))]
    latent = trace["latent", 1][0]
    assert len(shown) == 3
    assert np.allclose(shown[0], latent.square().mean(0).sqrt())
    most = sorted(latent.flatten(1).std(1).argsort(descending=True)[:2].tolist())
    assert np.allclose(shown[1:], latent[most])


def test_attention_maps_lie_on_the_level_s_grid(run):
    trace = run[0]
    shown = [image.get_array() for image in maps(plots.attention(trace, SELF, 1))]
    assert [image.shape for image in shown] == [(12, 16)] * 3
    assert all(image.sum() == pytest.approx(1, abs=1e-4) for image in shown), "each place's weights sum to 1"
    cross = maps(plots.attention(trace, SELF.replace("attn1", "attn2"), 1))
    assert len(cross) == 4
    assert attention_grid(23 * 40, (180, 320)) == (23, 40)
    with pytest.raises(TraceError, match="7 places fit no level of a frame of 32x24"):
        attention_grid(7, (24, 32))


def test_what_was_published_is_labelled_and_drawn_apart_from_what_was_measured():
    figure: Any = plots.devices([REPORT], "a tiny model")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["measured here", NOT_MEASURED]
    assert NOT_MEASURED in figure.caption
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[0].startswith("cpu, float32, 320x180")
    assert len(names) == 1 + len(PUBLISHED)


def test_difference_takes_traces_and_outputs_alike(run):
    trace, outputs, others = run
    a, b = maps(plots.difference(trace, others)), maps(plots.difference(outputs, others))
    assert all(np.array_equal(x.get_array(), y.get_array()) for x, y in zip(a, b, strict=True))
    assert not a[0].get_array().any(), "the first frame has no TPM"
    assert a[1].get_array().any()


def test_the_timeline_adds_up(run):
    trace = run[0]
    axes: Any = plots.timeline(trace).axes[0]
    assert axes.get_xlim()[1] == pytest.approx(sum(sum(s.values()) for s in trace.seconds.values()))
    bars = [bar for bar in axes.patches if bar.get_width() > 0]
    assert len(bars) == sum(len(s) for s in trace.seconds.values())


def test_curves_keep_a_run_s_colour_in_all_panels_and_gaps_for_nan():
    nan = float("nan")
    axes: Any = plots.curves({"psnr": {"A": [1, 2], "B": [2, 3]}, "tof": {"B": [nan, 1], "A": [nan, 2]}}).axes
    colours = [{line.get_label()[0]: line.get_color() for line in a.lines} for a in axes]
    assert colours[0] == colours[1]
    assert np.isnan(axes[1].lines[0].get_ydata()[0])


def test_the_legend_of_many_runs_with_long_names_fits_its_panel():
    words = ", ".join(f"setting_{k}=value" for k in range(6))
    runs = {f"run {k}, {words}": [1.0 + k, 2.0] for k in range(12)}
    figure: Any = plots.curves({"psnr": runs, "flicker": runs})
    figure._repr_png_()
    upper, lower = (axes.get_legend().get_window_extent() for axes in figure.axes)
    assert upper.y0 >= lower.y1, "the legends do not overlap"
    assert upper.x1 <= figure.bbox.x1
    assert upper.x0 >= figure.bbox.width / 3, "the curves keep their room"
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 12


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5, -2.0])
def test_flow_colours_deepen_with_length_and_turn_with_direction(angle):
    direction = torch.tensor([np.cos(angle), np.sin(angle)])
    colours = flow_colours(torch.stack([0 * direction, direction, 2 * direction], dim=1)[:, None], 2.0)[0]
    spread = colours.max(-1) - colours.min(-1)
    assert spread[0] < 0.01 < 0.1 < spread[1] < spread[2]
    assert (
        np.abs(flow_colours(-direction[:, None, None], 1.0) - flow_colours(direction[:, None, None], 1.0)).max() > 0.3
    )


def test_the_detail_is_where_the_change_is():
    change = torch.zeros(96, 160)
    change[50:58, 120:130] = 1
    rows, columns = _detail(change)
    assert rows.start <= 50 <= 58 <= rows.stop
    assert columns.start <= 120 <= 130 <= columns.stop


def test_some_keeps_the_first_and_the_last():
    assert some(range(5)) == [0, 1, 2, 3, 4]
    assert some(range(50), 4) == [0, 16, 33, 49]


def test_what_is_missing_is_named(run):
    trace, outputs, _ = run
    with pytest.raises(TraceError, match="no frame 0"):
        plots.flow(trace, 0)
    with pytest.raises(TraceError, match=r"'tpm\.0\.alpha' is no map"):
        plots.features(trace, "tpm.0.alpha", frame=1)
    with pytest.raises(TraceError, match="give the names"):
        plots.features(trace, frame=1)
    with pytest.raises(TraceError, match="'x0' is no attention map"):
        plots.attention(trace, "x0", 1)
    with pytest.raises(TraceError, match=r"frame 0 holds no ARTG residuals; record 'artg\.\*'"):
        plots.artg(trace, 0)
    with pytest.raises(TraceError, match="frame 0 holds no blend; record 'decoded' and 'blended'"):
        plots.blend(trace, 0)
    with pytest.raises(TraceError, match="frame 0 holds no fit; record 'warped' and 'fitted'"):
        plots.fit(trace, 0)
    with pytest.raises(TraceError, match=r"frame 0 holds no TPM contributions; record 'tpm\.\*'"):
        plots.tpm(trace, 0)
    with pytest.raises(InputError, match=r"frames \[7\] are not there; there are \[0, 1, 2\]"):
        plots.frames(trace, frames=[7])
    with pytest.raises(InputError, match="one size"):
        plots.difference(outputs, [replace(out, frame=out.frame[:, ::2, ::2]) for out in outputs])
    for empty in (plots.timeline, plots.frames, lambda nothing: plots.curves({})):
        with pytest.raises(InputError, match="there are no"):
            empty([])
    with pytest.raises(InputError, match="the comparison holds no vmaf; it holds psnr"):
        plots.compare(COMPARISON, ["vmaf"])


def test_plotting_needs_no_model_code(run, tmp_path):
    path = run[0].save(tmp_path / "run.safetensors")
    code = (
        "import sys; from workbench.trace import Trace; from workbench.views import plots\n"
        f"t = Trace.load({str(path)!r})\n"
        "plots.denoising(t, 1), plots.flow(t, 1), plots.artg(t, 1), plots.tpm(t, 1), plots.frames(t)\n"
        "loaded = {'diffusers', 'transformers', 'workbench.models.models', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "raise SystemExit(', '.join(loaded) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_views_loads_nothing_heavy():
    code = "import sys, workbench.views; raise SystemExit(bool({'torch', 'matplotlib', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
