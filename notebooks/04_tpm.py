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
# # 4 · TPM: a decoder with a memory
#
# The latent has the size of the LR frame; the **temporal-aware decoder** makes four times as many pixels each way, and with
# them the finest texture. ARTG cannot steady what is made after it. So each decoder block $k$ has a **Temporal Processor
# Module**: the encoder reads the warped previous output $\tilde x_t$, and its features $F^{prev}_k$ are fused with the block's
# own, $F^{cur}_k$. (In the embedded model the encoder reads what $\tilde x_t$ has beyond this frame's base picture, as ARTG
# does: notebook 3.) Both are pooled to $4\times4$ averages, laid out as sequences and joined to one:
#
# $$S = \big[\,P_4(F^{cur}_k),\; P_4(F^{prev}_k)\,\big], \qquad T = \mathrm{conv}_3\big(\sigma(\mathrm{conv}_3(S))\big),$$
#
# $$F_k \leftarrow F^{cur}_k + 0.1\; U\big(\alpha_k\, T_{first} + (1 - \alpha_k)\, T_{second}\big).$$
#
# $U$ enlarges bilinearly, and $\alpha_k$ is learned: near 1 the block listens to itself, near 0 to the past.

# %% [markdown]
# ## Set-up

# %%
import numpy as np

import workbench as wb


def window(path, scale, frames, top=108, left=144, height=64, width=96):
    """A part of the picture, given in low-resolution pixels."""
    rows, columns = (slice(scale * first, scale * (first + n)) for first, n in ((top, height), (left, width)))
    clip = wb.open_clip(path)
    return wb.open_clip(np.stack([frame.image[rows, columns] for frame in clip[:frames]]), fps=clip.fps)


clip = window(SAMPLES / "forest-320x180.mp4", 1, frames=6)
truth = window(SAMPLES / "forest-1280x720.mp4", 4, frames=6)
pipe = wb.load_pipeline(MODEL, engine="torch")  # the engine that shows what is inside, in every run below

# %%
trace = wb.Trace("lr", "warped", "frame", "tpm.*", "decoder.*")
outputs = list(pipe.stream(clip, trace=trace))
blocks = len([name for name in trace.names if name.endswith(".alpha")])
print(f"temporal modules in this decoder: {blocks}; in the published one: 7")
print({k: round(float(trace[f"tpm.{k}.alpha", 5]), 3) for k in range(blocks)}, "alpha by block")

# %% [markdown]
# ## Where the past comes in
#
# Each block's contribution $0.1\,U(\cdot)$, as a map; the balance $\alpha_k$; and how strong the addition is against the
# block's output.

# %%
wb.plots.tpm(trace, 5)

# %% [markdown]
# ## Features before and after fusion
#
# The current and the previous half as they go in, and what comes out, for the first block. Where the encoder reads the whole
# warped frame and the warp is right, the two halves show the same things; that agreement is what the module can use. Where it
# reads only what the past has beyond this frame, the previous half is strong in the places that the past can tell of.

# %%
wb.plots.features(trace, "tpm.0.current", "tpm.0.previous", "tpm.0.fused", frame=5)

# %% [markdown]
# How alike are the two halves, block by block? (Correlation over places, mean over channels; below 0 where one is strong, the
# other is negative.)

# %%
import torch


def correlation(a, b):
    """(C, y, x) twice -> mean correlation over the channels that vary."""
    a, b = (value.flatten(1) - value.flatten(1).mean(1, keepdim=True) for value in (a, b))
    norms = a.norm(dim=1) * b.norm(dim=1)
    return float(((a * b).sum(1) / norms)[norms > 1e-6].mean())


for k in range(blocks):
    alike = [correlation(trace[f"tpm.{k}.current", t], trace[f"tpm.{k}.previous", t]) for t in range(1, 6)]
    print(f"block {k}: {np.mean(alike):+.2f}")

# %% [markdown]
# ## Muting blocks
#
# `tpm.{k}.contribution` is what a block adds. Set it to zero and the block decodes from its own features alone, as in the
# first frame. One block at a time, then all of them (which is what `settings.tpm=False` does, so it is a check of both):


# %%
def muted(pattern):
    """The clip with some contributions set to zero: its trace."""
    run = wb.Trace("frame", "lr")
    if pattern:
        run.edit(pattern, lambda value, frame, step: torch.zeros_like(value))
    list(pipe.stream(clip, trace=run))
    return run


def judge(run):
    """Mean PSNR and flicker over the frames that have a past."""
    psnr, flicker = [], []
    for k in range(1, len(clip)):
        target = torch.from_numpy(truth[k].image).permute(2, 0, 1).float() / 255
        psnr.append(float(wb.metrics.psnr(run["frame", k], target)))
        motion = wb.metrics.estimate_motion(run.image("lr", k), run.image("lr", k - 1))
        flicker.append(float(wb.metrics.flicker(run["frame", k], run["frame", k - 1], motion)))
    return float(np.mean(psnr)), float(np.mean(flicker))


runs = {"none": muted(None)}
runs |= {f"block {k}": muted(f"tpm.{k}.contribution") for k in range(blocks)}
runs["all"] = muted("tpm.*.contribution")
switched_off = list(pipe.stream(clip, wb.Settings(tpm=False)))
assert all(torch.equal(runs["all"]["frame", k], switched_off[k].frame) for k in range(len(clip)))

whole = judge(runs["none"])
print(f"{'muted':10}{'PSNR (dB)':>16}{'flicker (/255)':>19}")
for name, run in runs.items():
    psnr, flicker = judge(run)
    print(f"{name:10}{psnr:9.3f} {psnr - whole[0]:+.3f}{flicker:11.3f} {flicker - whole[1]:+.4f}")

# %% [markdown]
# Two readings matter: flicker should rise when a useful block is muted, and PSNR should not rise. A block whose muting
# changes nothing has nothing to say on this clip: then the steadiness comes from ARTG, or is not there. (The size of the
# contributions above told as much: a module that adds less than a percent cannot do a lot.)

# %%
wb.plots.difference(runs["none"], runs["all"], names=("TPM", "all muted"), frames=[0, 1, 3, 5])

# %% [markdown]
# ## Try
#
# - Halve $\alpha$ everywhere: `trace.edit("tpm.*.alpha", lambda value, frame, step: value / 2)`. Is the past a better
#   adviser than it was given credit for?
# - Feed a stale memory: keep `tpm.0.previous` of frame 1 and return it for all later frames.
# - Lie about the motion as in notebook 3, with `wb.Settings(artg=0)`: how much of a ghost comes through TPM alone?
