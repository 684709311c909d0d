"""Widgets without a browser: they show what the trace holds, run what the controls say, and can be stopped."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.errors import TraceError
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.views.plots.motion import flow_colours
from workbench.views.widgets._form import MOST_STEPS, SettingsForm
from workbench.views.widgets._latest import Latest
from workbench.views.widgets._render import ALL, views

TWO = Settings(steps=2)
LONG = 120  # seconds; a bound, not an expectation
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trace(tiny_pipe, moving_frames, tmp_path_factory):
    """Everything of three frames that need padding, saved and loaded."""
    trace = Trace("*")
    trace.attention("mid_block")
    trace.modules("unet", "mid_block", "time_embedding")
    list(tiny_pipe.stream([frame[:22, :30] for frame in moving_frames[:3]], TWO, trace=trace))
    return Trace.load(trace.save(tmp_path_factory.mktemp("trace") / "run.safetensors"))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_every_recorded_map_can_be_seen_at_every_frame_that_holds_it(trace):
    found = views(trace)
    flat = {name for name in trace.names if name.endswith(".alpha") or "time_embedding" in name}
    assert {view.name for view in found.values()} == {n.removesuffix(".picture") for n in trace.names} - flat
    for view in found.values():
        for frame in view.frames:
            shown = view.show(frame, 1)
            assert pixels(shown.png).std() > 0 or "occlusion" in view.name, view.label
            assert str(frame) in shown.code


def test_the_code_under_a_view_gives_its_value(trace):
    found = views(trace)
    lines = [found[label].show(2, 1).code for label in ("flow", "x0", "x0, decoded", "frame", "unet.mid_block")]
    assert lines[:3] == ['trace["flow", 2]', 'trace["x0", 2][1]', 'trace.image("x0", 2, 1)']
    shapes = [tuple(eval(line, {"trace": trace}).shape) for line in lines]
    assert shapes == [(2, 96, 128), (4, 24, 32), (3, 88, 120), (3, 88, 120), (16, 12, 16)]


def test_pictures_are_exact_and_flow_is_in_the_figures_colours(trace):
    found = views(trace)
    shown = pixels(found["frame"].show(2, 0).png)
    assert np.array_equal(shown[::4, ::4], (trace["frame", 2] * 255).round().byte().permute(1, 2, 0).numpy())
    most = max(float(trace["flow", frame].norm(dim=0).max()) for frame in (1, 2))
    coloured = (flow_colours(trace["flow", 2], most) * 255).round().astype(np.uint8)
    assert np.array_equal(pixels(found["flow"].show(2, 0).png)[::4, ::4][:40, :60], coloured[:40, :60])


def test_colours_mean_the_same_at_every_frame_and_step(trace):
    view = views(trace)["latent"]
    assert len({view.show(frame, step, channel=2).scale for frame in (0, 1, 2) for step in (0, 1)}) == 1
    assert view.show(0, 0, channel=2).scale != view.show(0, 0, channel=ALL).scale


def test_explore_follows_its_sliders_and_choosers(trace):
    widget = wb.explore(trace)
    assert [panel.tap.value for panel in widget.panels] == ["x0, decoded", "flow", "tpm.0.fused"]
    before = [panel.picture.value for panel in widget.panels]
    widget.step.value = 0
    stepped = [panel.picture.value for panel in widget.panels]
    assert [a != b for a, b in zip(before, stepped, strict=True)] == [True, False, False]
    widget.frame.value = 1
    assert all(panel.picture.value != value for panel, value in zip(widget.panels, stepped, strict=True))
    widget.frame.value = 0
    assert widget.panels[1].picture.layout.visibility == "hidden"
    assert "not recorded in frame 0: it fires once a frame, from the second on" in widget.panels[1].caption.value
    widget.panels[1].tap.value = "latent"
    assert widget.panels[1].picture.layout.visibility == "visible"
    strong = widget.panels[1].picture.value
    widget.panels[1].channel.value = 3
    assert widget.panels[1].picture.value != strong
    assert "[3]" in widget.panels[1].caption.value
    widget.panels[1].tap.value = "frame"
    assert widget.panels[1].channel.value == ALL


def test_explore_begins_with_what_it_is_told_and_says_what_there_is(trace):
    assert [panel.tap.value for panel in wb.explore(trace, "warped", "latent").panels] == ["warped", "latent"]
    with pytest.raises(TraceError, match="'fram' cannot be shown; this trace can show: lr, "):
        wb.explore(trace, "fram")
    with pytest.raises(TraceError, match="nothing that can be seen"):
        wb.explore(Trace())


def test_a_form_has_a_control_for_every_setting_and_says_back_what_it_was_told():
    changed = Settings(
        steps=7, seed=3, artg=0.5, tpm=False, flow="dis", flow_size="input", attention_slicing=True, vae_slicing=True
    )
    for settings in (Settings(), changed, Settings(steps=200, artg=0)):
        form = SettingsForm(settings, lambda: None)
        assert list(form.controls) == [known.name for known in fields(Settings)]
        assert form.settings == settings
        assert all(control.tooltip for name, control in form.controls.items() if name != "artg")
    steps = SettingsForm(Settings(), lambda: None).controls["steps"]
    assert (steps.min, steps.max) == (1, MOST_STEPS)


def test_artg_can_be_switched_off_and_on_again_at_its_scale():
    seen = []
    form = SettingsForm(Settings(artg=1.5), lambda: seen.append(form.settings.artg))
    artg = form.controls["artg"]
    artg.switch.value = False
    artg.switch.value = True
    artg.scale.value = 0.25
    assert seen == [0.0, 1.5, 0.25]


@pytest.fixture(scope="module")
def ablation(tiny_pipe, moving_frames):
    widget = wb.ablate(tiny_pipe, np.stack(moving_frames), TWO, frames=3, metrics=["flicker"])
    assert widget.wait(LONG)
    return widget


def test_the_base_run_is_shown_beside_itself_first(ablation):
    assert "done: the base settings" in ablation.status.value
    base, changed, apart = (picture.image.value for picture in ablation.pictures)
    assert base == changed
    assert pixels(apart).std(axis=(0, 1)).max() == 0


def test_a_change_runs_the_window_again_and_shows_what_changed(ablation, tiny_pipe, moving_frames):
    ablation.form.controls["tpm"].value = False
    assert ablation.wait(LONG)
    assert "done: tpm=off" in ablation.status.value
    *_, base = tiny_pipe.stream(moving_frames[:3], TWO)
    *_, changed = tiny_pipe.stream(moving_frames[:3], TWO.but(tpm=False))
    for picture, out in zip(ablation.pictures[:2], (base, changed), strict=True):
        assert np.array_equal(pixels(picture.image.value)[::4, ::4], out.image)
    assert pixels(ablation.pictures[2].image.value).std() > 0
    assert "Flicker" in ablation.table.value
    assert "seconds per frame" in ablation.table.value
    ablation.frame.value = 0
    assert ablation.pictures[0].image.value == ablation.pictures[1].image.value, "the first frame has no TPM"
    ablation.frame.value = 2


def test_a_run_that_was_made_before_comes_back_as_it_was(ablation):
    ablation.form.controls["tpm"].value = True
    assert ablation.wait(LONG)
    made = dict(ablation.results)
    ablation.form.controls["tpm"].value = False
    assert ablation.wait(LONG)
    assert ablation.results == made
    assert "tpm=off" in ablation.status.value


def test_what_goes_wrong_is_said_and_the_last_result_stays(ablation, monkeypatch):
    before = ablation.pictures[1].image.value

    def broken(*args, **more):
        raise wb.WorkbenchError("the estimator <cannot> be had")

    monkeypatch.setattr(ablation.pipe, "stream", broken)
    ablation.form.controls["seed"].value = 99
    assert ablation.wait(LONG)
    assert "the estimator &lt;cannot&gt; be had" in ablation.status.value
    assert ablation.pictures[1].image.value == before


def test_stop_ends_a_run_after_the_frame_in_hand(tiny_pipe, moving_frames):
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        """A pipeline whose second frame waits until it is told to go on."""

        models, device, motion = tiny_pipe.models, tiny_pipe.device, tiny_pipe.motion
        engine_at = tiny_pipe.engine_at
        made = 0

        def stream(self, frames, settings, **more):
            for out in tiny_pipe.stream(frames, settings, **more):
                self.made += 1
                if self.made == 2:
                    begun.set()
                    assert go_on.wait(LONG)
                yield out

    pipe = Slow()
    widget = wb.ablate(pipe, np.stack(moving_frames), TWO, frames=6, metrics=["flicker"])  # type: ignore[arg-type]
    assert begun.wait(LONG)
    assert not widget.halt.disabled
    widget.halt.click()
    assert widget.halt.disabled
    go_on.set()
    assert widget.wait(LONG)
    assert "stopped" in widget.status.value
    assert pipe.made == 2
    assert not widget.results
    widget.again.click()
    assert widget.wait(LONG)
    assert "done" in widget.status.value


def test_only_the_newest_request_counts():
    done, first, go_on = [], threading.Event(), threading.Event()

    def work(request, stop):
        first.set()
        go_on.wait(LONG)
        done.append((request, stop.is_set()))

    latest = Latest(work)
    latest.ask("a")
    assert first.wait(LONG)
    latest.ask("b")
    latest.ask("c")
    go_on.set()
    assert latest.wait(LONG)
    assert done == [("a", True), ("c", False)]


def test_the_package_and_the_page_of_plots_need_no_ipywidgets():
    code = "import sys, workbench, workbench.views.plots; raise SystemExit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
