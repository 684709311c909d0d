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
# # 3 · ARTG: guidance along the flow
#
# Every frame starts from new noise. Left alone, each would get its own invented detail, and the video would flicker.
# **Auto-Regressive Temporal Guidance** shows the denoiser what it said one frame ago, moved to where things are now:
#
# $$\tilde x_t(p) = \hat x_{t-1}\big(p + f_t(p)\big), \qquad f_t = \mathrm{Flow}\big(x^{LR}_t, x^{LR}_{t-1}\big).$$
#
# A ControlNet, a copy of the UNet's first half, reads $\tilde x_t$ beside the noisy latent and adds residuals $r_k$ to each of
# the UNet's skip connections, at every step: $h_k \leftarrow h_k + s\, r_k(z_\tau, x^{LR}_t, \tilde x_t, \tau)$. The scale $s$ is
# `settings.artg`: 1 is on, 0 is off.
#
# It can only be as good as the flow. So: is the flow right, what does the ControlNet add, and what happens when the flow
# is wrong?

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

# %% [markdown]
# ## The flow, and what warping gets wrong

# %%
trace = wb.Trace("lr", "flow", "flow.round_trip", "occlusion", "warped", "base", "frame", "artg.*")
outputs = list(pipe.stream(clip, trace=trace))
wb.plots.flow(trace, 4)

# %% [markdown]
# A pixel that goes to the previous frame along $f_t$ and back along the backward flow $b_t$ should come home:
# $|f_t(p) + b_t(p + f_t(p))| \approx 0$. Where it does not, something was uncovered, or the flow is wrong. There is
# nothing to fetch there, and the model is on its own. (The outlined parts above; tap `flow.round_trip` has the distance.)

# %%
for frame in range(1, 6):
    distance, hidden = trace["flow.round_trip", frame], trace["occlusion", frame]
    error = (trace.image("warped", frame) - trace["frame", frame]).abs().mean(0)
    seen = error[hidden[0, : error.shape[0], : error.shape[1]] == 0].mean()
    print(
        f"frame {frame}: motion {float(trace['flow', frame].norm(dim=0).mean()):.2f} px, comes back within "
        f"{float(distance.median()):.2f} px (median), occluded {float(hidden.mean()):.1%}, "
        f"warping error where seen {255 * float(seen):.1f}/255"
    )

# %% [markdown]
# ## What the past has beyond this frame
#
# Most of the warped frame is no news: this LR frame tells it by itself. So the embedded model shows ARTG (and TPM) not the
# warped frame but what it has beyond the picture that the decoder makes of this frame alone, the *base* (tap `residual`,
# model property `past = "residual"`). The published model is shown the warped frame as it is.

# %%
wb.plots.residual(trace, 4) if ("base", 4) in trace else "this model is shown the warped frame as it is"

# %% [markdown]
# ## What the ControlNet adds, per level and step

# %%
wb.plots.artg(trace, 4)

# %% [markdown]
# The left table says *when and at which level* the past speaks: fine levels steer texture, the middle steers layout. The
# maps say *where*. One might expect a guide to have less left to decide as the latent gets cleaner from step to step. Does
# it here? How loudly it speaks at the last step, as a share of the first:

# %%
for name in (name for name in trace.names if name.startswith(("artg.down.", "artg.mid"))):
    loud = trace[name, 4].square().mean((1, 2, 3)).sqrt()
    print(f"{name:16}{float(loud[-1] / loud[0]):6.2f}")

# %% [markdown]
# Near 1 it speaks as loudly at the last step as at the first. Well below 1 the first steps have settled most, and the past
# has little to add; above 1 it speaks up as detail comes out of the noise.

# %% [markdown]
# ## Zero flow, wrong flow
#
# Edits replace a value while it flows on; nothing else changes. Three lies about the motion:
# everything stands still; everything moves the other way; everything is shifted by 16 output pixels.

# %%
import torch

lies = {
    "true flow": lambda value, frame, step: value,
    "zero flow": lambda value, frame, step: torch.zeros_like(value),
    "reversed flow": lambda value, frame, step: -value,
    "shifted by 16": lambda value, frame, step: value + 16,
}
runs = {}
for name, lie in lies.items():
    edited = wb.Trace("frame", "lr")
    edited.edit("flow", lie)
    list(pipe.stream(clip, trace=edited))
    runs[name] = edited
alone = wb.Trace("frame", "lr")
list(pipe.stream(clip, wb.Settings(artg=0), trace=alone))
runs["no ARTG"] = alone


# %%
def judge(run):
    """PSNR against the original, and flicker along the input's own motion, frame by frame."""
    values = {"PSNR (dB)": [], "flicker (/255)": []}
    for k in range(len(clip)):
        target = torch.from_numpy(truth[k].image).permute(2, 0, 1).float() / 255
        values["PSNR (dB)"].append(float(wb.metrics.psnr(run["frame", k], target)))
        moved = wb.metrics.estimate_motion(run.image("lr", k), run.image("lr", k - 1)) if k else None
        flicker = wb.metrics.flicker(run["frame", k], run["frame", k - 1], moved) if k else float("nan")
        values["flicker (/255)"].append(float(flicker))
    return values


judged = {name: judge(run) for name, run in runs.items()}
wb.plots.curves(
    {metric: {name: of[metric] for name, of in judged.items()} for metric in ("PSNR (dB)", "flicker (/255)")}
)

# %% [markdown]
# The first frame is the same in all runs: it has no past to be lied to about. From then on a robust model
# should lose little under a small lie and ignore a gross one. What it *believes* shows as a ghost: detail of the wrong
# place that it carried over. And look at "no ARTG": guidance is there for steadiness, so its flicker is the line to
# compare. If likeness to the original is no better with it, it is steadiness that is being bought, and that is its price.
#
# And do not take "true flow" to be the best because of its name: it is an *estimate* from small frames. The means below
# say whether it beats "zero flow" on this clip.

# %%
for name, of in judged.items():
    psnr, flicker = (np.nanmean(of[metric]) for metric in ("PSNR (dB)", "flicker (/255)"))
    print(f"{name:16}{psnr:8.2f} dB{flicker:8.3f} /255")

# %% [markdown]
# Where zero flow is as good or better, what moves is little or moves by less than the estimate errs, and the flow does not
# earn its cost here. A few frames of one clip settle nothing: `docs/ablation.md` has the row "no flow" over several scenes.

# %%
wb.plots.difference(runs["true flow"], runs["shifted by 16"], names=("true flow", "shifted by 16"), frames=[0, 1, 3, 5])

# %% [markdown]
# Ghosts are seen best in motion. What each run gave, as if others had recorded it:

# %%
from workbench.comparison import Recorded


def recorded(name):
    frames = [runs[name]["frame", k] for k in range(len(clip))]
    return Recorded(np.stack([(frame * 255).round().byte().permute(1, 2, 0) for frame in frames]), name)


wb.show(wb.compare(None, clip, against=[recorded(name) for name in runs], reference=truth, metrics=["psnr"]))

# %% [markdown]
# ## Try
#
# - `wb.Settings(artg=0.5)` and `artg=1.5`: is more guidance steadier? Is it still right?
# - Lie about one half of the picture only: `value[:, :, : value.shape[2] // 2] *= -1` in an edit.
# - Let ARTG act at the first step alone: `trace.edit("artg.*", lambda value, frame, step: value if step in (None, 0) else 0 * value)`.
# - `wb.Settings(flow="none")` skips the estimation as well. Which of the runs above must it equal?
# - A model that `workbench train regressor` makes guards itself otherwise: it takes back what the LR frame contradicts (`fit`),
#   and a share of the warped frame enters the picture where both agree (`blend`). Record `fitted`, `decoded` and `blended`,
#   and look at `wb.plots.fit(trace, 4)` and `wb.plots.blend(trace, 4)`.
