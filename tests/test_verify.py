"""Golden runs: the published figures are met, every deviation is seen, and goldens of other kinds are read too."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from tests.model_folders import CPU, GOLDEN, MODEL, use_hf_home
from tests.tiny import SCHEDULER, tiny_models
from workbench.errors import InputError, ModelError
from workbench.flow.warp import warp
from workbench.models.load import load_models
from workbench.models.models import Models
from workbench.models.save import save_models
from workbench.pipeline.frames import to_network_range
from workbench.pipeline.pipeline import Pipeline
from workbench.verify import Deviation, compare_run, read_golden, table, verify


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path_factory):
    use_hf_home(monkeypatch, tmp_path_factory.getbasetemp() / "hf")


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> list[Deviation]:
    with pytest.MonkeyPatch.context() as patch:
        use_hf_home(patch, tmp_path_factory.mktemp("hf"))
        return verify(GOLDEN)


def two_frames() -> dict[str, np.ndarray]:
    """The smaller golden with every extra key of the larger one that belongs to its first two frames."""
    golden, whole = read_golden(GOLDEN / "golden_raft_small.npz"), read_golden(GOLDEN / "golden.npz")
    for key, value in whole.items():
        length = {4: 2, 3: 1}.get(len(value)) if value.ndim and key != "timesteps" else None
        golden[key] = value if length is None or "f1" in key or key == "up_f0" else value[:length]
    return golden


def plain_run(models: Models, frames: np.ndarray, noise: Tensor, flows: Tensor, steps: int) -> dict[str, np.ndarray]:
    """The method once more, straight from the modules: what a golden of this model would hold."""
    scheduler = DDIMScheduler.from_config(models.scheduler_config)
    assert isinstance(scheduler, DDIMScheduler)
    scheduler.set_timesteps(steps)
    kept: dict[str, list[Tensor]] = {"latents": [], "pred_x0": [], "decoded": []}
    previous = memory = embedding = None
    for k, image in enumerate(frames):
        lr, latent = to_network_range(image), noise[k : k + 1]
        if previous is not None:
            warped = warp(previous, flows[k - 1 : k], "published")
            memory, embedding = models.vae.temporal_memory(warped), models.conditioning(warped)
        history = []
        for t in scheduler.timesteps:
            seen, down, mid = torch.cat([latent, lr], dim=1), None, None
            if embedding is not None:
                down, mid = models.controlnet(seen, t, models.prompt, embedding, return_dict=False)
            predicted = models.unet(
                seen,
                t,
                models.prompt,
                down_block_additional_residuals=down,
                mid_block_additional_residual=mid,
            ).sample
            latent, x0 = scheduler.step(predicted, t, latent, return_dict=False)  # type: ignore[arg-type]
            history.append((latent[0], x0[0]))
        previous = models.vae.decode(latent, memory)
        kept["latents"].append(torch.stack([latent for latent, _ in history]))
        kept["pred_x0"].append(torch.stack([x0 for _, x0 in history]))
        kept["decoded"].append(previous[0])
    values = {key: torch.stack(tensors) for key, tensors in kept.items()}
    bytes_out = ((values["decoded"] / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    arrays = {key: value.numpy() for key, value in values.items()}
    inputs = {"frames_u8": frames, "init_latents": noise.numpy(), "flows": flows.numpy()}
    return arrays | inputs | {"out_u8": bytes_out.numpy(), "timesteps": scheduler.timesteps.numpy()}


@torch.no_grad()
def other_golden(folder: Path, *, height: int, width: int, steps: int, **scheduler: object) -> dict[str, np.ndarray]:
    """A golden folder of another width, size, number of steps and scheduler."""
    models = replace(tiny_models(warp="published"), scheduler_config=SCHEDULER | scheduler)
    save_models(models, folder / "model")
    models = load_models(folder / "model", device=CPU)
    generator = torch.Generator().manual_seed(3)
    frames = torch.randint(0, 256, (3, height, width, 3), dtype=torch.uint8, generator=generator).numpy()
    noise = torch.randn(3, 4, height, width, generator=generator)
    flows = 3 * torch.randn(2, 2, 4 * height, 4 * width, generator=generator)
    golden = plain_run(models, frames, noise, flows, steps)
    np.savez(folder / "golden_other.npz", **golden)  # type: ignore[arg-type]
    return golden


def test_the_published_figures_are_met(rows):
    assert {row.golden for row in rows} == {"golden.npz", "golden_raft_small.npz"}
    assert all(row.ok for row in rows), table(rows)
    limits = {row.value: row.tolerance for row in rows}
    assert limits["latents"] == limits["decoded"] == 5e-5
    assert (limits["out_u8"], limits["out_u8 share"]) == (1, 1e-3)


def test_everything_a_golden_holds_is_compared(rows):
    inputs = {"frames_u8", "init_latents", "flows", "meta"}
    held = {re.sub(r"(cn_f1_s|tpm_prev_pool4_f1_).*", r"\1", key) for key in np.load(GOLDEN / "golden.npz").files}
    compared = {re.sub(r"\*.*", "", row.value) for row in rows if row.golden == "golden.npz"}
    assert compared - {"out_u8 share"} == held - inputs


def test_every_recorded_value_counts():
    """Each value moved by a little more than it may be: every row must say so."""
    golden = two_frames()
    for key in golden.keys() - {"frames_u8", "init_latents", "flows", "meta"}:
        relative = 4e-3 if golden[key].dtype == np.float16 else 1e-4
        shift = 2 if golden[key].dtype.kind in "iu" else relative * max(1.0, float(np.abs(golden[key]).max()))
        moved = golden[key].copy()
        moved.flat[0] = moved.flat[0] - shift if moved.flat[0] > 100 else moved.flat[0] + shift
        if key == "out_u8":
            moved[-1] ^= 1  # and, in the last frame, by one
        golden[key] = moved
    rows = compare_run(Pipeline(load_models(MODEL, device=CPU)), golden, "moved")
    assert not [row.value for row in rows if row.ok]


def test_what_is_no_number_is_out_of_tolerance():
    golden = two_frames()
    golden["decoded"] = golden["decoded"].copy()
    golden["decoded"][0, 1, 5, 5] = np.nan
    rows = {row.value: row for row in compare_run(Pipeline(load_models(MODEL, device=CPU)), golden, "nan")}
    assert not rows["decoded"].ok
    assert rows["latents"].ok


@pytest.mark.parametrize(
    ("height", "width", "steps", "scheduler"),
    [
        (44, 60, 3, {"prediction_type": "epsilon", "timestep_spacing": "leading", "beta_schedule": "linear"}),
        (16, 28, 7, {"prediction_type": "sample", "set_alpha_to_one": True, "rescale_betas_zero_snr": True}),
        (20, 16, 1, {"clip_sample": True}),
    ],
)
def test_other_sizes_steps_and_schedulers_agree_with_a_plain_loop(tmp_path, height, width, steps, scheduler):
    other_golden(tmp_path, height=height, width=width, steps=steps, **scheduler)
    rows = verify(tmp_path)
    assert {row.value for row in rows} >= {"latents", "pred_x0", "decoded", "out_u8", "timesteps"}
    assert all(row.difference == 0 for row in rows), table(rows)


def test_flows_may_lie_beside_the_golden(tmp_path):
    golden = other_golden(tmp_path, height=16, width=16, steps=1)
    np.savez(tmp_path / "frames.npz", frames=golden["frames_u8"], flows=golden.pop("flows"))
    np.savez(tmp_path / "golden_other.npz", **golden)  # type: ignore[arg-type]
    assert all(row.ok for row in verify(tmp_path))
    (tmp_path / "frames.npz").unlink()
    with pytest.raises(InputError, match="flows"):
        verify(tmp_path)


def test_what_is_absent_is_not_compared_but_for_the_essential(tmp_path):
    golden = other_golden(tmp_path, height=16, width=16, steps=1)
    essential = {"frames_u8", "init_latents", "latents", "decoded", "out_u8", "flows"}
    np.savez(tmp_path / "golden_other.npz", **{key: golden[key] for key in essential})  # type: ignore[arg-type]
    assert {row.value for row in verify(tmp_path)} == {"latents", "decoded", "out_u8", "out_u8 share"}
    for key in sorted(essential):
        np.savez(tmp_path / "golden_other.npz", **{k: golden[k] for k in essential - {key}})  # type: ignore[arg-type]
        with pytest.raises(InputError, match=rf"golden_other.npz is no complete golden: it lacks {key}"):
            verify(tmp_path)
    np.savez(tmp_path / "golden_other.npz", **golden | {"latents": golden["latents"][:1]})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="latents must hold as many frames"):
        verify(tmp_path)


def test_folders_and_files_that_are_no_golden_are_named(tmp_path):
    with pytest.raises(InputError, match="no golden folder"):
        verify(tmp_path)
    (tmp_path / "golden.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ModelError, match="model"):
        verify(tmp_path)
    save_models(tiny_models(), tmp_path / "model")
    with pytest.raises(InputError, match=r"golden\.npz is not a readable npz"):
        verify(tmp_path)


def test_another_shape_is_named():
    golden = two_frames() | {"prompt_embeds": np.zeros((1, 5, 32), np.float32)}
    with pytest.raises(InputError, match=r"prompt_embeds: the golden holds shape \(1, 5, 32\)"):
        compare_run(Pipeline(load_models(MODEL, device=CPU)), golden, "shape")


def test_the_table_names_what_is_out():
    good, bad = Deviation("golden.npz", "latents", 1e-6, 5e-5), Deviation("golden.npz", "decoded", 0.02, 5e-5)
    assert table([good]).endswith("All 1 are within tolerance.")
    lines = table([good, bad]).splitlines()
    assert lines[-1] == "1 of 2 values are out of tolerance."
    assert [line.split()[-1] for line in lines[1:-1]] == ["ok", "OUT"]
