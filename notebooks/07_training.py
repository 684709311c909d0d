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
# # 7 · Training: what each stage teaches
#
# A generative model is not trained in one go. Its recipe (`workbench/train/configs/embedded.toml`) has stages, each of which
# learns one thing that the next one needs:
#
# 1. **decoder**: the picture that follows from the LR frame alone, a regression (later once more, when that picture is
#    corrected by the LR frame);
# 2. **code**: what that picture lacks, as a few channels of detail beside the LR frame's colours: the latent;
# 3. **embedding**: what of that code a *true* past shows;
# 4. **diffusion**: the code out of noise, some of the samples guided by a true past;
# 5. **rollouts**: frame after frame on the model's *own* past, as it will be run;
# 6. **memory**: TPM alone, on such frames.
#
# Why rollouts? A model that has only seen true pasts trusts them. Its own frames have errors, which it then takes for
# detail and adds to. The questions: what does each stage bring, how large is that trust, and does a model drift?

# %% [markdown]
# ## Set-up

# %%
import json
import tempfile
import textwrap
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import workbench as wb
from workbench.models.hub import EMBEDDED
from workbench.pixels import image_to_unit
from workbench.train.recipe import load_recipe, shipped
from workbench.train.run import train
from workbench.views.plots.style import COLOURS, new_figure, styled

# %% [markdown]
# ## The whole recipe, small
#
# Some seconds on a CPU: the same stages with a few iterations, small patches, and no damage to the input. It learns
# little; but every stage runs, and the run can be cut at any iteration and goes on from its checkpoint.

# %%
recipe = load_recipe(shipped("embedded"))
ITERATIONS = {"decoder": 40, "code": 40, "embedding": 20, "diffusion": 20, "samples": 1, "memory": 1}
stages = [
    replace(s, iterations=ITERATIONS[s.trains], batch=2, patch=16, frames=min(s.frames, 3), scenes=0.0)
    for s in recipe.stages
]
small = replace(recipe, stages=tuple(stages), warmup=10, evaluate_every=1000)
run = tempfile.mkdtemp()
folder = train(small, [SAMPLES / "scenes"], run, device="cpu")

for stage, own in zip(recipe.stages, stages, strict=True):
    print(f"{stage.name:50}{own.iterations:4} of {stage.iterations:5} iterations, {own.batch} of {stage.batch:3} clips")
print("what it learns is a model folder, as any other:", wb.load_pipeline(folder).networks.keys())

# %% [markdown]
# ## The run that made the shipped model
#
# Its log lies beside the model. The losses of different stages are different things (errors of pictures, of codes, of
# rollouts): compare within a stage only.

# %%
record = json.loads((EMBEDDED / "training.json").read_text())


@styled
def losses(record) -> Figure:
    """The loss of each stage over its iterations."""
    logged = sorted({point["stage"] for point in record["losses"]})
    rows = -(-len(logged) // 4)
    figure = new_figure(
        2.1 * rows, "The loss within each stage. Look which stages had still far to go when their time was up."
    )
    panels = np.ravel(figure.subplots(rows, 4))
    for panel in panels[len(logged) :]:
        panel.set_visible(False)
    for panel, stage in zip(panels, logged, strict=False):
        points = [point for point in record["losses"] if point["stage"] == stage]
        panel.plot([p["iteration"] for p in points], [p["loss"] for p in points], "o-", ms=2, color=COLOURS[0])
        panel.set(title=textwrap.fill(record["stages"][stage]["name"], 19), xlabel="iteration", ylim=(0, None))
    return figure


losses(record)

# %% [markdown]
# ## What the stages brought
#
# The model as it was after each stage, on two clips of 100 frames that no stage saw (`samples/make_training.py` measures
# them). "ARTG off" is the same model without its past.

# %%
for clip, rows in record["after"].items():
    print(f"{clip:49}{'PSNR-Y':>8}{'HaarPSI':>9}{'flicker':>9}")
    for name, of in rows.items():
        print(f"  {name:47}{of['psnr']:8.2f}{of['haarpsi']:9.4f}{of['flicker']:9.2f}")

# %% [markdown]
# Diffusion makes detail out of noise and pays for it, pixel by pixel: flicker doubles. And as long as the model has only seen
# true pasts, its own ones do it harm, by some decibels: with ARTG off it is *nearer* to the original. Rollouts turn that round.
# Where a camera pans over a still, the past holds what this frame has lost, and the finished model with ARTG is the best of all
# rows. Where a hand turns a cup, it is a little nearer without: there ARTG is for steadiness. The correction by the LR frame
# brings likeness to both clips.

# %% [markdown]
# ## A hundred frames
#
# Errors can only add up where a frame is made from the one before. Does the curve fall?


# %%
@styled
def drift(record) -> Figure:
    """PSNR-Y over bicubic, frame after frame, for the model after each stage."""
    figure = new_figure(
        2.8 * len(record["after"]),
        "PSNR-Y over bicubic, frame after frame (mean of five). Dashed: without ARTG, where nothing can drift. Look whether "
        "the distance between a line and its dashed one grows.",
    )
    for panel, (clip, rows) in zip(
        np.ravel(figure.subplots(len(record["after"]))), record["after"].items(), strict=True
    ):
        below = np.array(rows["bicubic"]["psnr of each frame"])
        names = [name for name in rows if name != "bicubic"]
        stages = [name.removesuffix(", ARTG off") for name in names]
        for name, stage in zip(names, stages, strict=True):
            gain = np.array(rows[name]["psnr of each frame"]) - below
            look = {"ls": "--", "lw": 0.7} if name != stage else {"lw": 1.2, "label": stage}
            colour = COLOURS[list(dict.fromkeys(stages)).index(stage)]
            panel.plot(np.convolve(gain, np.ones(5) / 5, "valid"), color=colour, **look)
        panel.set(title=clip, xlabel="frame", ylabel="dB over bicubic")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return figure


drift(record)

# %% [markdown]
# The model of true pasts falls from the first frames on, far below its own dashed line. After rollouts a line and its dashed one
# stay together for the whole of the hundred frames, after rollouts of three frames already; on the pan ARTG stays ahead. That
# the lines of a clip rise and fall together is the clip: bicubic has more and less to lose in it.

# %% [markdown]
# ## A true past against a generated one
#
# The difference between the two is what is called *exposure bias*. It can be measured on the model itself: an edit puts the
# original in the place of the previous output, and everything else runs as ever.


# %%
def window(path, scale, frames, top=108, left=144, height=64, width=96):
    """A part of the picture, given in low-resolution pixels."""
    rows, columns = (slice(scale * first, scale * (first + n)) for first, n in ((top, height), (left, width)))
    clip = wb.open_clip(path)
    return wb.open_clip(np.stack([frame.image[rows, columns] for frame in clip[:frames]]), fps=clip.fps)


clip = window(SAMPLES / "forest-320x180.mp4", 1, frames=8)
truth = window(SAMPLES / "forest-1280x720.mp4", 4, frames=8)
originals = [image_to_unit(frame.image) for frame in truth]
pipe = wb.load_pipeline(MODEL)


def psnr(trace=None, **settings):
    """PSNR of luma, frame after frame."""
    outputs = pipe.stream(clip, wb.Settings(**settings), trace=trace)
    pairs = ((image_to_unit(out.image), original) for out, original in zip(outputs, originals, strict=True))
    return [float(wb.metrics.psnr(picture, original, colour="y", border=4)) for picture, original in pairs]


told = wb.Trace()
told.edit("previous", lambda value, frame, step: (2 * originals[frame - 1] - 1).expand_as(value))
results = {"no past": psnr(artg=0, tpm=False), "its own past": psnr(), "the true past": psnr(told)}
print(f"{'PSNR-Y, frame':16}", *(f"{k:7}" for k in range(len(clip))), "   mean of those with a past")
for name, values in results.items():
    print(f"{name:16}", *(f"{value:7.2f}" for value in values), f"{np.mean(values[1:]):10.2f}")

# %% [markdown]
# What the true past adds to the row of its own past is the most that a better past could bring this model. What "no past" and
# "its own past" differ by is what it has. Here the one is far larger than the other: the model can read a past, and has not
# learnt to make one of this clip that is worth reading, as it does of the pan above. That is what more rollouts are for.

# %% [markdown]
# ## Try
#
# - Blur the past instead: `told.edit("previous", ...)` with `torch.nn.functional.avg_pool2d(value, 3, 1, 1)`. How much of its
#   use is fine detail?
# - `ITERATIONS` ten times as large, and `wb.compare(wb.load_pipeline(folder), clip, reference=truth)`: when does the small run
#   pass bicubic?
# - `workbench train embedded --help`: the real thing, on a GPU, and on a CPU for a night.
