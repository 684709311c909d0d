"""What the loop promises: causal, lazy, resumable, isolated, reproducible, of constant memory."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiny import SCHEDULER, generative_models, tiny_models
from workbench.errors import FlowError, InputError, NotFinite
from workbench.models.hub import EMBEDDED
from workbench.pipeline.frames import draw_noise
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.state import State
from workbench.pipeline.stream import predict, predict_reusing, residuals
from workbench.trace import Trace
from workbench.types import Frame

TWO = Settings(steps=2)
ROOT = Path(__file__).parents[2]
NOISE_0_0 = [0.9956191182136536, 0.2642376720905304]


def upscaled(pipe: Pipeline, frames, chosen: Settings = TWO, **more) -> list[torch.Tensor]:
    return [out.frame for out in pipe.stream(frames, chosen, **more)]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@given(changed=st.integers(0, 4), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changing_a_frame_changes_no_output_before_it(tiny_pipe, moving_frames, changed, seed):
    frames = [frame[:16, :16] for frame in moving_frames[:5]]
    before = upscaled(tiny_pipe, frames)
    frames[changed] = np.random.default_rng(seed).integers(0, 256, frames[changed].shape, dtype=np.uint8)
    after = upscaled(tiny_pipe, frames)
    assert same(before[:changed], after[:changed])
    assert not any(torch.equal(x, y) for x, y in zip(before[changed:], after[changed:], strict=True))


def test_the_source_is_never_read_ahead(tiny_pipe, moving_frames):
    taken = []

    def source() -> Iterator[np.ndarray]:
        for i, frame in enumerate(moving_frames):
            taken.append(i)
            yield frame

    for out in tiny_pipe.stream(source(), TWO):
        assert taken == list(range(out.index + 1))


def test_every_part_of_the_method_reaches_the_output(tiny_pipe, moving_frames):
    frames = moving_frames[:2]
    full = upscaled(tiny_pipe, frames)
    for change in ({"artg": False}, {"tpm": False}, {"steps": 3}, {"seed": 1}, {"artg": 0.5}, {"flow": "none"}):
        other = upscaled(tiny_pipe, frames, TWO.but(**change))
        assert (full[1] - other[1]).abs().max() > 1e-4, change


def test_temporal_parts_do_nothing_on_the_first_frame(tiny_pipe, moving_frames):
    off = upscaled(tiny_pipe, moving_frames[:1], TWO.but(artg=False, tpm=False))
    assert same(off, upscaled(tiny_pipe, moving_frames[:1]))


def test_slicing_changes_nothing_visible(tiny_pipe, moving_frames):
    whole = upscaled(tiny_pipe, moving_frames[:3])
    for change in ({"vae_slicing": True}, {"attention_slicing": True}):
        sliced = upscaled(tiny_pipe, moving_frames[:3], TWO.but(**change))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, sliced, strict=True))
    assert same(whole, upscaled(tiny_pipe, moving_frames[:3])), "slicing must leave no trace on the pipeline"


REUSES = ({"reuse_residuals": True}, {"reuse_deep_features": True})


@pytest.mark.parametrize("change", REUSES)
def test_a_step_that_reuses_is_every_second_one_of_the_same_frame(tiny_pipe, moving_frames, change):
    frames = moving_frames[:3]
    assert same(
        upscaled(tiny_pipe, frames, Settings(steps=1)), upscaled(tiny_pipe, frames, Settings(steps=1, **change))
    )
    reused = upscaled(tiny_pipe, frames, TWO.but(**change))
    assert 1e-5 < (upscaled(tiny_pipe, frames)[1] - reused[1]).abs().max() < 0.1
    *_, last = tiny_pipe.stream(frames[:2], TWO.but(**change))
    assert same(reused[2:], upscaled(tiny_pipe, frames[2:], TWO.but(**change), state=last.state))


def test_reused_residuals_are_tapped_and_edited_at_every_step(tiny_pipe, moving_frames):
    trace = Trace("artg.*")
    trace.edit("artg.mid", lambda value, frame, step: ((step or 0) + 1) * value)
    upscaled(tiny_pipe, moving_frames[:2], Settings(steps=4, reuse_residuals=True), trace=trace)
    mid, down = trace["artg.mid", 1], trace["artg.down.0", 1]
    assert torch.allclose(mid[1], 2 * mid[0])
    assert torch.equal(down[1], down[0])
    assert torch.equal(down[3], down[2])
    assert not torch.equal(down[2], down[1])


def test_the_first_level_gives_the_whole_networks_prediction_from_its_own_deep_features():
    for models in (tiny_models(), generative_models()):
        unet, prompt, t = models.unet, models.prompt, torch.tensor(500)
        sample = torch.randn(1, unet.config["in_channels"], 24, 32)
        *down, mid = residuals(models, sample, t, prompt, models.embed(torch.randn(1, 3, 96, 128)), 1.0)
        wanted = predict(models, sample, t, prompt, down, mid)
        whole, deep = predict_reusing(models, sample, t, prompt, down, mid)
        part, _ = predict_reusing(models, sample, t, prompt, down, mid, deep)
        assert deep.shape[1] == unet.deep_shape[1]
        assert torch.equal(whole, wanted)
        assert torch.equal(part, wanted)
        alone, deep = predict_reusing(models, sample, t, prompt)
        assert torch.equal(alone, predict_reusing(models, sample, t, prompt, deep=deep)[0])


RESUME = """
import sys, torch, numpy as np
torch.set_num_threads(1)
from tests.tiny import tiny_models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.state import State
frames = np.load(sys.argv[1])
state = State.load(sys.argv[2])
outs = list(Pipeline(tiny_models()).stream(frames[state.index:], state.settings, state=state))
np.save(sys.argv[3], torch.stack([out.frame for out in outs]).numpy())
"""


@pytest.mark.parametrize("cut", [1, 3])
def test_a_run_resumed_in_a_fresh_process_is_bit_identical(tiny_pipe, moving_frames, tmp_path, cut):
    whole = upscaled(tiny_pipe, moving_frames)
    *_, last = tiny_pipe.stream(moving_frames[:cut], TWO)
    last.state.save(tmp_path / "state.safetensors")
    np.save(tmp_path / "frames.npy", np.stack(moving_frames))
    arguments = [tmp_path / "frames.npy", tmp_path / "state.safetensors", tmp_path / "rest.npy"]
    subprocess.run([sys.executable, "-c", RESUME, *map(str, arguments)], check=True, timeout=120, cwd=ROOT)
    assert np.array_equal(np.load(tmp_path / "rest.npy"), torch.stack(whole[cut:]).numpy())


def test_interleaved_streams_do_not_touch_each_other(tiny_pipe, moving_frames):
    others = moving_frames[::-1]
    three = Settings(steps=3, seed=7, attention_slicing=True)
    alone = upscaled(tiny_pipe, moving_frames), upscaled(tiny_pipe, others, three)
    mixed = [], []
    for a, b in zip(tiny_pipe.stream(moving_frames, TWO), tiny_pipe.stream(others, three), strict=True):
        mixed[0].append(a.frame)
        mixed[1].append(b.frame)
    assert same(alone[0], mixed[0])
    assert same(alone[1], mixed[1])


def test_any_frame_can_be_made_again_alone_from_its_state(tiny_pipe, moving_frames):
    outs = list(tiny_pipe.stream(moving_frames, TWO))
    again, _ = tiny_pipe.step(moving_frames[4], outs[3].state, TWO)
    assert torch.equal(again.frame, outs[4].frame)
    assert again.index == 4


def test_noise_is_a_function_of_seed_and_frame():
    assert torch.equal(draw_noise(3, 5, (4, 6, 8)), draw_noise(3, 5, (4, 6, 8)))
    seen = [draw_noise(seed, index, (4, 6, 8)) for seed in (0, 1, 2) for index in (0, 1, 2)]
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    assert seen[0].device.type == "cpu"
    # the value itself is a promise: runs must repeat across versions and machines
    assert draw_noise(0, 0, (1, 1, 2)).flatten().tolist() == pytest.approx(NOISE_0_0, abs=1e-6)


def test_the_noise_reaches_the_loop_and_can_be_given(tiny_pipe, moving_frames):
    asked = []

    def noise(index: int) -> torch.Tensor:
        asked.append(index)
        return draw_noise(TWO.seed, index, (4, 24, 32))[0]

    assert same(upscaled(tiny_pipe, moving_frames[:3]), upscaled(tiny_pipe, moving_frames[:3], noise=noise))
    assert asked == [0, 1, 2]


def test_a_given_flow_is_used_on_the_output_grid(tiny_pipe, moving_frames):
    seen = []

    def flow(current: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        seen.append((current, previous))
        return torch.zeros(2, 4 * 22, 4 * 30)

    frames = [frame[:22, :30] for frame in moving_frames[:2]]
    given = upscaled(tiny_pipe, frames, flow=flow)
    assert same(given, upscaled(tiny_pipe, frames, TWO.but(flow="none")))
    for shown, frame in zip(seen[0], (frames[1], frames[0]), strict=True):
        assert torch.allclose(shown, torch.from_numpy(frame).permute(2, 0, 1) / 255, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (33, 47), (24, 32)])
def test_any_size_becomes_exactly_four_times_as_large(tiny_pipe, size):
    h, w = size
    frames = np.random.default_rng(0).integers(0, 256, (2, h, w, 3), dtype=np.uint8)
    for out in tiny_pipe.stream(frames, TWO):
        assert out.frame.shape == (3, 4 * h, 4 * w)
        assert out.frame.dtype == torch.float32
        assert 0 <= out.frame.min() <= out.frame.max() <= 1
        assert out.image.shape == (4 * h, 4 * w, 3)


def test_deeper_frames_keep_their_precision(tiny_pipe, moving_frames):
    eight = moving_frames[0]
    sixteen = eight.astype(np.uint16) * 257
    unit = eight.astype(np.float32) / 255
    base = upscaled(tiny_pipe, [eight])
    for other in (sixteen, unit):
        assert torch.allclose(upscaled(tiny_pipe, [other])[0], base[0], atol=1e-5)


def test_frames_carry_their_time_through(tiny_pipe, moving_frames):
    frame = Frame(moving_frames[0], index=0, time=1.5, duration=0.25)
    out = next(tiny_pipe.stream([frame], TWO))
    assert (out.time, out.duration) == (1.5, 0.25)
    assert out.metadata == {"engine": "torch", "flow": "dis", "flow_size": "input"}
    assert {"unet", "decode"} <= out.seconds.keys()


BAD_FRAMES = {
    "too small": (np.zeros((8, 8, 3), np.uint8), "at least 16x16"),
    "grey": (np.zeros((32, 32), np.uint8), "shape"),
    "four channels": (np.zeros((32, 32, 4), np.uint8), "shape"),
    "nan": (np.full((32, 32, 3), np.nan, np.float32), "NaN"),
    "0..255 floats": (np.full((32, 32, 3), 200.0, np.float32), r"\[0, 1\]"),
    "dtype": (np.zeros((32, 32, 3), np.int64), "int64"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_is_one_clear_error(tiny_pipe, name):
    frame, message = BAD_FRAMES[name]
    with pytest.raises(InputError, match=message):
        list(tiny_pipe.stream([frame], TWO))


def test_a_frame_that_is_not_finite_ends_the_run(tiny_pipe, moving_frames):
    made = []
    trace = Trace()
    trace.edit("latent", lambda latent, frame, step: latent / 0 if frame == 1 else latent)
    with pytest.raises(NotFinite, match=r"frame 1 came out with NaN or infinite values on cpu \(steps=2\)"):
        for out in tiny_pipe.stream(moving_frames[:3], TWO, trace=trace):
            made.append(out.index)
    assert made == [0]


EMBEDDED_SCHEDULER = json.loads((EMBEDDED / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", [SCHEDULER, EMBEDDED_SCHEDULER], ids=["published", "embedded"])
def test_every_number_of_steps_leads_to_a_finite_latent(config):
    clean, start = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    models = replace(tiny_models(), scheduler_config=config | {"prediction_type": "sample"})
    for steps in (1, 4, 222, 223, 224, 250, 300, 400, 499, 500, 999, 1000):
        schedule, latent = models.schedule(steps), start
        assert len(schedule.timesteps) == steps
        assert schedule.timesteps.min() >= 0
        for t in schedule.timesteps:
            latent = schedule.step(clean, int(t), latent, eta=0.0, return_dict=False)[0]
        # diffusers' own steps leave some noise where 1000 is no multiple
        assert torch.allclose(latent, clean, atol=0.2)


def test_a_frame_of_another_size_ends_the_stream_after_what_was_made(tiny_pipe, moving_frames):
    made = []
    with pytest.raises(InputError, match="frame 2 is 20x24, the frames before it are 32x24"):
        for out in tiny_pipe.stream([*moving_frames[:2], moving_frames[2][:, :20]], TWO):
            made.append(out.index)
    assert made == [0, 1]


def test_wrong_noise_and_flow_are_clear_errors(tiny_pipe, moving_frames):
    with pytest.raises(InputError, match="noise"):
        upscaled(tiny_pipe, moving_frames[:1], noise=lambda k: torch.zeros(4, 3, 3))
    with pytest.raises(FlowError, match="output pixels"):
        upscaled(tiny_pipe, moving_frames[:2], flow=lambda a, b: torch.zeros(2, 24, 32))


def test_a_state_file_that_is_none_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="no saved state"):
        State.load(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a readable state"):
        State.load(tmp_path / "text.safetensors")


def test_back_projection_brings_the_output_closer_to_its_lr_frame(moving_frames):
    from workbench.pixels import downscale

    def miss(strength: float) -> float:
        pipe = Pipeline(tiny_models(back_projection=strength))
        out = next(pipe.stream(moving_frames[:1], TWO))
        lr = torch.from_numpy(moving_frames[0]).permute(2, 0, 1)[None] / 255
        raw = out.state.previous_output / 2 + 0.5
        return float((downscale(raw) - lr).abs().mean())

    assert miss(1.0) < 0.5 * miss(0.0)


def means(picture):
    return torch.nn.functional.avg_pool2d(picture, 4)


def test_a_warped_frame_keeps_what_fits_and_loses_what_the_lr_frame_contradicts():
    from workbench.pipeline.stream import fit
    from workbench.pixels import downscale, upscale

    truth = upscale(torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) - 0.5)
    lr = downscale(truth)
    wrong = truth.clone()
    wrong[..., 48:] += 0.8  # the right half shows something else
    fitted = fit(wrong, lr, 0.01)
    left, right = (..., slice(0, 8)), (..., slice(16, 24))
    assert (means(fitted) - (lr - (lr - downscale(wrong))))[left].abs().max() < 1e-4
    assert (means(fitted) - lr)[right].abs().max() < 1e-4


def test_noise_everywhere_is_no_contradiction_but_a_cut_is():
    from workbench.pipeline.stream import fit
    from workbench.pixels import downscale

    random = torch.Generator().manual_seed(0)
    truth = torch.zeros(1, 3, 96, 96)
    lr = 0.02 * torch.randn(1, 3, 24, 24, generator=random)
    moved = (means(fit(truth, lr, 0.01)) - lr).abs().mean() / lr.abs().mean()
    assert moved > 0.2  # the past's clean means are still there, in part
    cut = lr + 0.5
    assert (means(fit(truth, cut, 0.01)) - cut).abs().max() < 1e-4
    assert downscale(truth).abs().max() == 0


def test_a_blend_averages_what_agrees_and_leaves_the_rest_alone():
    from workbench.pipeline.stream import blend
    from workbench.pixels import upscale

    random = torch.Generator().manual_seed(0)
    picture = upscale(torch.rand(1, 3, 24, 24, generator=random) - 0.5)
    past = picture + 0.01 * torch.randn(picture.shape, generator=random)
    past[..., 48:] += 0.8  # the right half shows something else
    blended = blend(picture, past, 0.6, 0.01)
    left, right = (..., slice(0, 36)), (..., slice(60, 96))
    assert torch.allclose(blended[left], (0.4 * picture + 0.6 * past)[left], atol=0.01)
    assert (blended - picture)[left].abs().mean() > 0.4 * (past - picture)[left].abs().mean()
    assert torch.allclose(blended[right], picture[right], atol=1e-4)


def test_a_blended_model_is_steadier_on_noise_and_only_with_artg(moving_frames):
    noise = np.random.default_rng(0).integers(0, 8, (4, 24, 32, 3), np.uint8)

    def unrest(**changes) -> float:
        pipe = Pipeline(tiny_models(fit=0.05, blend=changes.pop("blend", 0.0)))
        frames = [out.frame for out in pipe.stream(128 + noise, TWO.but(flow="none", **changes))]
        return float(torch.stack([(b - a).abs().mean() for a, b in itertools.pairwise(frames)]).mean())

    assert unrest(blend=0.7) < 0.8 * unrest()
    assert unrest(blend=0.7, artg=0) == unrest(artg=0)


def test_a_warp_repeated_stays_sharper_with_the_cubic_convention():
    from workbench.flow.warp import warp

    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    there, back = torch.full((1, 2, 64, 64), 0.4), torch.full((1, 2, 64, 64), -0.4)
    assert torch.allclose(warp(picture, torch.zeros(1, 2, 64, 64), "cubic"), picture, atol=1e-4)
    errors = {
        name: (warp(warp(picture, there, name), back, name) - picture).abs().mean() for name in ("exact", "cubic")
    }
    assert errors["cubic"] < 0.8 * errors["exact"]


MEMORY = """
import sys, numpy as np, torch
from workbench.devices import peak_memory
torch.set_num_threads(1)
from tests.tiny import tiny_models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
rng = np.random.default_rng(0)
frames = (rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(int(sys.argv[1])))
for out in Pipeline(tiny_models()).stream(frames, Settings(steps=1)):
    pass
print(peak_memory(torch.device("cpu")))
"""


def test_peak_memory_does_not_depend_on_the_number_of_frames():
    def peak(count: int) -> int:
        run = [sys.executable, "-c", MEMORY, str(count)]
        return int(subprocess.run(run, check=True, capture_output=True, text=True, timeout=200, cwd=ROOT).stdout)

    assert peak(64) <= 1.05 * peak(8)


LAZY = """
import sys, time
start = time.perf_counter()
import workbench
seconds = time.perf_counter() - start
heavy = {"torch", "gradio", "matplotlib", "ipywidgets", "jupyterlab", "diffusers", "numpy"} & set(sys.modules)
print(seconds, sorted(heavy))
assert not heavy, heavy
assert seconds < 0.2, seconds
assert workbench.Settings(steps=2).steps == 2
assert "torch" not in sys.modules
"""


def test_importing_the_package_loads_nothing_heavy():
    subprocess.run([sys.executable, "-c", LAZY], check=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("halved", [["unet"], ["controlnet", "conditioning"], ["vae"]])
def test_components_may_differ_in_precision(moving_frames, halved):
    models = tiny_models()
    full = upscaled(Pipeline(models), moving_frames[:2])
    for name in halved:
        models.networks[name].to(torch.bfloat16)
    low = upscaled(Pipeline(models), moving_frames[:2])
    assert low[1].dtype == torch.float32
    assert 0 < (full[1] - low[1]).abs().max() < 0.1
