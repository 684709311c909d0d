# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %%
# MODEL: None is the embedded model; or a folder; or "Jamichsu/Stream-DiffVSR", the published weights (for a GPU).
# REPOSITORY: needed only where the workbench is not installed yet (Colab, Kaggle): the git address of the project.
MODEL = None
REPOSITORY = ""

import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("workbench") is None:
    if not REPOSITORY:
        raise RuntimeError("the workbench is not installed here: put the project's git address into REPOSITORY")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, "stream-diffvsr-workbench"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "./stream-diffvsr-workbench"], check=True)

PLACES = [Path.cwd(), *Path.cwd().parents, Path("stream-diffvsr-workbench")]
SAMPLES = next((place / "samples" for place in PLACES if (place / "samples").is_dir()), Path("samples"))

# %% [markdown]
# # 6 · Devices: what a frame costs here
#
# The method promises a frame as soon as it is there. Whether it keeps up depends on the machine. This notebook measures
# every device that torch finds here (the CPU always; CUDA and Apple's MPS where they are), stage by stage, against the
# plain diffusers loop in the same run, and puts published figures beside it, **labelled as published**.

# %% [markdown]
# ## Set-up

# %%
import platform
from dataclasses import replace

import torch

import workbench as wb
from workbench.bench.bench import bench
from workbench.bench.engines import bench_engines, engine_table
from workbench.bench.measure import measure_memory
from workbench.bench.published import NOT_MEASURED, PUBLISHED, as_table
from workbench.devices import available_devices
from workbench.engines.choose import engines_here

SIZE = (90, 160) if available_devices() == ["cpu"] else (180, 320)  # low-resolution height and width
print(platform.processor() or platform.machine(), "|", torch.get_num_threads(), "threads | torch", torch.__version__)
print("devices:", ", ".join(available_devices()))

# %% [markdown]
# ## Stage by stage
#
# Each row is the median over repeats, with the fastest and the slowest. The device is waited for before the clock is read,
# or a GPU would seem to take no time at all. "ours / plain" is taken pair by pair in the same run: below 1 is faster. The
# memory of each stage is measured in a process of its own, because one that has worked before has memory to reuse.

# %%
PRECISIONS = {"cpu": ["fp32"], "mps": ["fp16", "fp32"], "cuda": ["fp16", "bf16", "fp32"]}
reports = []
for device in available_devices():
    for dtype in PRECISIONS[device.split(":")[0]]:
        pipe = wb.load_pipeline(MODEL, device=device, dtype=dtype)
        memory = measure_memory(MODEL, SIZE, wb.Settings(), device=device, dtype=dtype).stages
        reports.append(replace(bench(pipe, size=SIZE, repeats=3), memory=memory))
        print(reports[-1], "\n")

# %%
wb.plots.bench(reports)

# %% [markdown]
# **Precision.** On a GPU half precision halves the memory traffic and feeds the tensor cores, so it is the default there
# (`dtype="auto"`). On a CPU without half-precision arithmetic it is emulated: with convolutions of this kind we have
# measured it to be hundreds of times slower, which is why only fp32 is run here.

# %% [markdown]
# ## How time grows
#
# With pixels, and with steps. The encoder, the decoder and the flow run once a frame whatever the number of steps.

# %%
from workbench.bench.noise import moving_noise

pipe = wb.load_pipeline(MODEL)
for size in ((45, 80), (90, 160)):
    for steps in (1, 4):
        outputs = list(pipe.stream(moving_noise(size, 4), wb.Settings(steps=steps)))
        seconds = min(sum(out.seconds.values()) for out in outputs[1:])  # the first frame has no past
        print(f"{4 * size[1]}x{4 * size[0]}, {steps} steps: {seconds:.3f} s a frame (the fastest of three)")

# %% [markdown]
# ## Engines
#
# What runs the networks is a choice of its own: `wb.load_pipeline(engine=...)`, `--engine`, and in the app under "Device and
# model". `auto` takes what is done soonest (`docs/engines.md`). The first cell says what each engine lacks here; the second
# times some side by side, frames in turn. `onnxruntime` and `openvino` first export for some 12 s, `compile` and
# `compile-cudagraphs` compile for a minute or two: put their names in to see them.

# %%
for name, lacking in engines_here(pipe.device.type).items():
    print(f"{name:20}{lacking or 'is here'}")

# %%
NAMES = ["cudagraphs"]  # beside torch
rows = bench_engines(pipe.models, SIZE, names=NAMES, repeats=2)
for line in engine_table(rows):
    print(" | ".join(line))

# %% [markdown]
# ## Beside what was published
#
# These figures are **published, not measured here**: the paper's own for one card, and a table of expectations from a fork
# for Apple computers, which does not say how it was measured. They are of the full-width model at 720p.

# %%
for row in as_table():
    print(" | ".join(row))

# %%
name = "the embedded model" if MODEL is None else str(MODEL)
wb.plots.devices(reports, name)

# %% [markdown]
# ## Does it keep up?
#
# A stream at 24 frames a second leaves 0.042 s a frame. The number below is how many times faster this machine would have
# to be, at this size.

# %%
for report in reports:
    print(f"{report.device}, {report.dtype}: {report.frame.median * 24:.1f}")
fastest = PUBLISHED[0]
print(f"{fastest.device}: {fastest.seconds[1] * 24:.1f} at {fastest.output} ({NOT_MEASURED})")

# %% [markdown]
# ## Try
#
# - `torch.set_num_threads(1)`, then all cores: does the time halve with each doubling?
# - `wb.Settings(steps=1)` on your device: which stage is the largest now?
# - Run the cell of stages with `MODEL = "Jamichsu/Stream-DiffVSR"` on a GPU and compare it with the first row of the table.
