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
# # 2 · Denoising, step by step
#
# A latent diffusion model learns to undo noise. With $\bar\alpha_\tau$ the share of signal left at timestep $\tau$,
#
# $$z_\tau = \sqrt{\bar\alpha_\tau}\, z_0 + \sqrt{1 - \bar\alpha_\tau}\, \varepsilon .$$
#
# The UNet predicts from $[z_\tau, x^{LR}]$ what is needed to estimate the clean latent $\hat z_0$: the noise $\varepsilon$,
# the velocity $v = \sqrt{\bar\alpha_\tau}\,\varepsilon - \sqrt{1-\bar\alpha_\tau}\, z_0$, or $z_0$ itself, as the model's
# scheduler says. A DDIM step without fresh noise ($\eta = 0$) then mixes anew, with less noise:
#
# $$z_{\tau'} = \sqrt{\bar\alpha_{\tau'}}\, \hat z_0 + \sqrt{1 - \bar\alpha_{\tau'}}\, \hat\varepsilon .$$
#
# Ordinary diffusion takes dozens of such steps. Stream-DiffVSR's UNet was distilled for **four**, which is what makes it
# fast enough for a stream. This notebook watches them.

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
scheduler = pipe.models.schedule(4)
signal = [float(scheduler.alphas_cumprod[int(t)]) for t in scheduler.timesteps]
print(f"the UNet predicts: {scheduler.config.prediction_type}")
for i, (t, alpha) in enumerate(zip(scheduler.timesteps, signal, strict=True)):
    print(f"step {i + 1}: timestep {int(t)}, of the variance {alpha:.4f} is signal and {1 - alpha:.4f} is noise")

# %% [markdown]
# Read that list before the figures: it says how much the model *must* invent at each step. Where a schedule has almost
# no noise left after the first step, that step decides nearly everything, and the later ones refine. Where the signal
# grows by parts of a size, each step has its own to decide.

# %% [markdown]
# ## Latents
#
# We record the noise, the latent $z$ after every step and the estimate $\hat z_0$ (tap `x0`). Decoded with this frame's
# own temporal memory, $\hat z_0$ is a picture: what the model would hand out if it stopped here.
#
# In the embedded model the first three channels of $\hat z_0$ are the LR frame's colours, at every step. Its decoder makes
# a picture of these alone, the *base* (tap `base`). The other channels are the code of what the base lacks: detail. Only
# that is written out of noise.

# %%
trace = wb.Trace("noise", "latent", "x0", "base", "unet.input", "noise_pred")
outputs = list(pipe.stream(clip, wb.Settings(steps=4), trace=trace))
wb.plots.denoising(trace, 5)

# %% [markdown]
# ## The picture, forming

# %%
wb.plots.x0(trace, 5)

# %% [markdown]
# How far is each estimate from the last one, and is it any closer to the truth? PSNR against the original says, and that
# of the base, for comparison:

# %%
import torch

reference = torch.from_numpy(truth[5].image).permute(2, 0, 1).float() / 255
for step in range(4):
    psnr = float(wb.metrics.psnr(trace.image("x0", 5, step), reference))
    moved = float((trace["x0", 5][step] - trace["x0", 5][-1]).square().mean().sqrt())
    print(f"step {step + 1}: PSNR {psnr:.2f} dB, distance of the latent to the last {moved:.4f}")
if ("base", 5) in trace:
    print(f"base:   PSNR {float(wb.metrics.psnr(trace.image('base', 5), reference)):.2f} dB, no diffusion")

# %% [markdown]
# How much happens after the first step depends on what the model was trained to be. A regressor, which is trained to be
# near the truth on average, answers at once, and the later steps polish. A generative model's first estimate is a mean of
# all details that would fit; the later steps choose among them, as the distance to the last one shows. PSNR need not rise
# with that: it rewards the mean. How far the embedded model goes is in its card; the published one invents more.

# %% [markdown]
# ## One, two, four, eight steps
#
# The number of steps is a setting, and time grows with it. Whether quality does is a question for numbers: the same
# clip, the same noise, each setting against the original.

# %%
chosen = [wb.Settings(steps=n) for n in (4, 1, 2, 8)]
metrics = ["psnr", "ssim", "haarpsi", "flicker"]
steps = wb.compare(pipe, clip, *chosen, reference=truth, metrics=metrics)
print(steps)

# %%
wb.plots.compare(steps, ["psnr", "flicker"])

# %% [markdown]
# Four was the number in training. With fewer steps the UNet is asked to jump further than it was taught to; with more it
# visits noise levels that the distillation never showed it. An asterisk marks differences that hold; "too
# few frames" below the table means that so few frames cannot tell.

# %% [markdown]
# ## What the noise decides
#
# The same frames, another seed. Where the two runs agree, the frame and its past leave no choice. Where they differ, the
# noise has chosen:

# %%
other = list(pipe.stream(clip, wb.Settings(seed=1)))
wb.plots.difference(outputs, other, names=("seed 0", "seed 1"), frames=[0, 1, 3, 5])

# %%
for one, two in zip(outputs, other, strict=True):
    apart = 255 * (one.frame - two.frame).abs()
    print(f"frame {one.index}: {float(apart.mean()):.2f} of 255 on average, {float(apart.max()):.0f} at most")

# %% [markdown]
# The choice is made anew for each frame, since each has its own noise. That is why a generative model flickers by itself,
# and what ARTG is for: it shows the UNet what was chosen a frame ago (notebook 3).

# %% [markdown]
# ## Try
#
# - Record `x0` of two seeds: which latent channels change, and which do not?
# - Start every frame from the *same* noise, by an edit:
#   `trace.edit("noise", lambda value, frame, step: fixed)` with `fixed` the noise of frame 0. Does flicker change?
# - Freeze the latent after the first step: `trace.edit("latent", lambda value, frame, step: first if step else value)`.
# - Add 50 steps to the comparison. Is there a number from which on nothing happens any more?
# - With the published weights in `MODEL`, whose UNet has attention: `trace.attention("mid_block")` before a run, and
#   `wb.plots.attention(trace, name, 5)` with a `name` of `trace.names` that begins with `attention.` shows where the UNet looks.
