"""Runs a golden folder: the recorded figures of another implementation, compared with what this one computes.

A golden folder holds ``model/``, a model folder, and beside it one or more ``golden*.npz``, each a recorded run: its
frames, noise and flows are fed in, and everything that was recorded of it is compared. What a file does not
hold is not compared; its latents, decoded frames and final bytes it must hold.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.devices import exact_float32
from workbench.errors import InputError
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.output import Output
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.trace import Trace

TOLERANCE = 5e-5  # of latents and decoded frames: four times the noise between library versions and thread counts
SHARE = 1e-3  # of the bytes that may be off by one
HALF = 2.0**-11  # relative rounding of figures that were recorded in float16
REQUIRED = ("frames_u8", "init_latents", "latents", "decoded", "out_u8")
TAPS = ("lr", "lr.upscaled", "warped", "artg.*", "noise_pred", "x0", "latent", "tpm.*.previous", "decoded")


@dataclass(frozen=True)
class Deviation:
    """The largest difference of one recorded value, over all frames and steps of one golden file."""

    golden: str
    value: str
    difference: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.difference <= self.tolerance


def verify(
    folder: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "fp32",
    engine: str = "torch",
) -> list[Deviation]:
    """Every value of every golden file of a folder, compared.

    Raises InputError for a folder or file that is no golden, ModelError for a model that does not load, EngineError for
    an engine that cannot run here.
    """
    folder = Path(folder).expanduser()
    files = sorted(folder.glob("golden*.npz"))
    if not files:
        raise InputError(f"{folder} is no golden folder: expected model/ and at least one golden*.npz in it.")
    pipe = load_pipeline(folder / "model", device=device, dtype=dtype, engine=engine)
    with exact_float32():
        return [row for file in files for row in compare_run(pipe, read_golden(file), file.name)]


def table(rows: Iterable[Deviation]) -> str:
    """Rows as text, one line each, and a last line with the verdict."""
    rows = list(rows)
    lines = [f"{'golden':<24} {'value':<24} {'difference':>12} {'tolerance':>12}"]
    lines += [
        f"{row.golden:<24} {row.value:<24} {row.difference:>12.3g} {row.tolerance:>12.3g}  {'ok' if row.ok else 'OUT'}"
        for row in rows
    ]
    out = sum(not row.ok for row in rows)
    verdict = f"{out} of {len(rows)} values are out of tolerance." if out else f"All {len(rows)} are within tolerance."
    return "\n".join([*lines, verdict])


def read_golden(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one golden file; flows that it lacks come from ``frames.npz`` beside it."""
    golden = _read(path)
    beside = path.with_name("frames.npz")
    if "flows" not in golden and beside.is_file():
        golden |= {"flows": _read(beside).get("flows", np.empty(0))}
    lacking = [key for key in REQUIRED if key not in golden]
    count = len(golden.get("frames_u8", ()))
    if count > 1 and len(golden.get("flows", ())) < count - 1:
        lacking.append(f"flows (of {count - 1} frames)")
    if lacking:
        raise InputError(f"{path} is no complete golden: it lacks {', '.join(lacking)}.")
    if odd := [key for key in (*REQUIRED, "pred_x0") if key in golden and len(golden[key]) != count]:
        raise InputError(f"{path}: {', '.join(odd)} must hold as many frames as frames_u8, which holds {count}.")
    return golden


def compare_run(pipe: Pipeline, golden: Mapping[str, np.ndarray], name: str) -> list[Deviation]:
    """Runs the frames of one golden and compares all that it holds."""
    settings = Settings(steps=golden["latents"].shape[1], flow="none")  # the flows are given
    worst: dict[str, Deviation] = {}

    def compare(key: str, found: np.ndarray, wanted: np.ndarray) -> None:
        row = Deviation(name, key, *_difference(key, found, wanted))
        held = worst.setdefault(key, row)
        if row.difference - row.tolerance > held.difference - held.tolerance:
            worst[key] = row

    if "timesteps" in golden:
        compare("timesteps", pipe.models.schedule(settings.steps).timesteps.numpy(), golden["timesteps"])
    if "prompt_embeds" in golden:
        compare("prompt_embeds", pipe.models.prompt.cpu().numpy(), golden["prompt_embeds"])
    images = []
    for out, trace in _run(pipe, golden, settings):
        images.append(out.image)
        for key, found, wanted in _recorded(out.index, trace, golden):
            compare(key, found, wanted)
    compare("out_u8", np.stack(images), golden["out_u8"])
    share = float((np.stack(images) != golden["out_u8"]).mean())
    return [*worst.values(), Deviation(name, "out_u8 share", share, SHARE)]


def _run(pipe: Pipeline, golden: Mapping[str, np.ndarray], settings: Settings) -> Iterator[tuple[Output, Trace]]:
    """One frame at a time with a trace of its own, so that memory does not grow with the golden's length."""
    state = None
    for index, frame in enumerate(golden["frames_u8"]):
        trace = Trace(*TAPS, budget="64GB")
        out, state = pipe.step(
            frame,
            state,
            settings,
            trace=trace,
            noise=lambda k: torch.from_numpy(golden["init_latents"][k]),
            flow=lambda current, previous, k=index: torch.from_numpy(golden["flows"][k - 1]),
        )
        yield out, trace


def _recorded(k: int, trace: Trace, golden: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(key, computed, recorded) for all that the golden holds of frame ``k``."""
    every = {
        "latents": lambda: trace["latent", k],
        "pred_x0": lambda: trace["x0", k],
        "decoded": lambda: trace["decoded", k],
        "model_out_stats": lambda: _each(trace["noise_pred", k]),
        "up_stats": lambda: _stats(trace["lr.upscaled", k]),
        "decoded_stats": lambda: _stats(trace["decoded", k]),
    }
    guided = {
        "warped_stats": lambda: _stats(trace["warped", k]),
        "cn_stats": lambda: torch.stack([_each(residual) for residual in _residuals(trace, k)], dim=1),
        "cn_cond_stats": lambda: _stats(trace["artg.embedding", k]).expand(len(trace["latent", k]), -1),
        "tpm_prev_stats": lambda: torch.stack([_stats(trace[name, k]) for name in _memory(trace)])[:, :2],
    }
    for key, found in every.items():
        if key in golden:
            yield key, _array(found()), golden[key][k]
    for key, found in guided.items():
        if key in golden and k > 0:
            wanted = golden[key][k - 1]
            # recorded before pooling, which keeps means only
            yield key, _array(found()), wanted[:, :2] if key == "tpm_prev_stats" else wanted
    if k == 0 and "up_f0" in golden:
        yield "up_f0", _array(trace["lr.upscaled", k]), golden["up_f0"]
    if k == 1:
        yield from _second_frame(trace, golden)


def _second_frame(trace: Trace, golden: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The maps that goldens hold of frame 1 only."""
    for key, wanted in golden.items():
        if key == "warped_f1":
            yield key, _array(trace["warped", 1]), wanted.reshape(wanted.shape[-3:])
        elif match := re.fullmatch(r"cn_f1_s(\d+)_(\d+)", key):
            step, block = map(int, match.groups())
            yield "cn_f1_s*_*", _array(_residuals(trace, 1)[block][step]), wanted
        elif match := re.fullmatch(r"tpm_prev_pool4_f1_(\d+)", key):
            yield "tpm_prev_pool4_f1_*", _array(trace[f"tpm.{match[1]}.previous", 1]), wanted


def _array(value: Tensor) -> np.ndarray:
    """NumPy has no bfloat16, and a difference of float16 figures would be rounded once more."""
    return (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).numpy()


def _residuals(trace: Trace, frame: int) -> list[Tensor]:
    """The ControlNet's residuals, (steps, C, y, x) each: down blocks in order, then the middle."""
    down = sum(name.startswith("artg.down.") for name in trace.names)
    return [*(trace[f"artg.down.{k}", frame] for k in range(down)), trace["artg.mid", frame]]


def _memory(trace: Trace) -> list[str]:
    return [f"tpm.{k}.previous" for k in range(sum(name.endswith(".previous") for name in trace.names))]


def _difference(key: str, found: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """The largest difference, beyond the rounding of what was recorded in float16, and what is allowed."""
    if found.shape != wanted.shape:
        raise InputError(f"{key}: the golden holds shape {wanted.shape}, this run gives {found.shape}.")
    wide = wanted.astype(np.float64)
    difference = np.abs(found - wide) - (HALF * np.abs(wide) if wanted.dtype == np.float16 else 0)
    largest = float(np.nan_to_num(difference, nan=np.inf).max(initial=0))
    exact = {"timesteps": 0.0, "out_u8": 1.0, "latents": TOLERANCE, "decoded": TOLERANCE}
    # Other values can be of any size, so their tolerance is relative.
    return largest, exact.get(key, TOLERANCE * max(1.0, float(np.abs(wide).max(initial=0))))


def _stats(value: Tensor) -> Tensor:
    """Mean, mean absolute and standard deviation, (3,) float64."""
    value = value.double()
    return torch.stack([value.mean(), value.abs().mean(), value.std()])


def _each(values: Tensor) -> Tensor:
    """(steps, ...) -> (steps, 3)."""
    return torch.stack([_stats(value) for value in values])


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a readable npz file ({error}); copy it again.") from error
