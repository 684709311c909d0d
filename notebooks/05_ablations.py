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
# # 5 · Ablations: what each part is worth
#
# An ablation takes one part away and looks what is missing. To be fair it needs the same frames, the same noise and the
# same metrics for all; `wb.compare` sees to that. The questions:
#
# - **Steps**: is quality bought with time?
# - **ARTG, TPM**: what does the past buy, in likeness to the original and in steadiness?
# - **Flow**: and if nothing is warped?
# - **Slicing**: does it save memory, what does it cost, and is the picture the same?
#
# Flicker rewards blur, which cannot flicker; so it is read beside PSNR and HaarPSI, never alone.

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


clip = window(SAMPLES / "forest-320x180.mp4", 1, frames=5)
truth = window(SAMPLES / "forest-1280x720.mp4", 4, frames=5)
pipe = wb.load_pipeline(MODEL, engine="torch")  # the engine that shows what is inside, in every run below

# %% [markdown]
# ## One table

# %%
from dataclasses import replace

base = wb.Settings(steps=4)
variants = [
    base,
    base.but(steps=1),
    base.but(steps=2),
    base.but(steps=8),
    base.but(artg=0),
    base.but(tpm=False),
    base.but(artg=0, tpm=False),
    base.but(flow="none"),
    base.but(attention_slicing=True),
    base.but(vae_slicing=True),
]
metrics = ["psnr", "haarpsi", "flicker", "warping_error"]
result = wb.compare(pipe, clip, *variants, reference=truth, metrics=metrics, against=["bicubic", "lanczos"])

# rows are named by what they change
words = [", ".join(f"{name}={value[0]}" for name, value in s.diff(base).items()) or "base" for s in variants]
names = dict(zip(result.columns, [*words, "bicubic", "lanczos"], strict=True))
result = replace(
    result,
    values={names[column]: of for column, of in result.values.items()},
    seconds={names[column]: of for column, of in result.seconds.items()},
)
print(result)

# %% [markdown]
# In brackets stands the difference to the first row; an asterisk says that it holds (95 %, all tests of the table taken
# together) and is large enough to matter. Frames of one clip resemble each other, so five of them are worth less than five
# independent values, and the list below the table says "too few frames" rather than guess: differences here are what these
# frames show, no more. Note "no flow" beside the base row: if it is as good, flow does not earn its cost on this window.
# For an answer take more frames (`workbench compare CLIP --reference HR --vary steps=1,2,4,8 --vary tpm=on,off`), and for
# one about other clips several clips (`workbench eval FOLDER`, or `docs/ablation.md`).

# %% [markdown]
# And what the table cannot say, the eye can: choose two rows under "Left" and "Right", then "Difference" or "Change".

# %%
wb.show(result)

# %% [markdown]
# ## Time and peak memory
#
# Times are those of the frames just made. Peak memory is computed from the shapes that the loop itself goes through, for
# the whole 320x180 frame, and for one of them it is checked here against a process that does nothing else.

# %%
from workbench.bench.measure import measure_memory
from workbench.pipeline.memory import estimate_memory

memory = {}
print(f"{'':24}{'s/frame':>10}{'peak memory at 320x180':>26}  in")
for column, settings in zip(result.columns, variants, strict=False):
    estimate = estimate_memory(pipe, (180, 320), settings)
    memory[column] = estimate.working / 2**20
    print(f"{column:24}{result.seconds_per_frame(column):10.3f}{memory[column]:22.0f} MiB  {estimate.largest}")
measured = measure_memory(MODEL, (90, 160), base, device=str(pipe.device)).growth
expected = estimate_memory(pipe, (90, 160), base).working
print(f"\nchecked at 160x90, base settings: estimated {expected / 2**20:.0f}, measured {measured / 2**20:.0f} MiB")

# %% [markdown]
# ## One figure
#
# To the left is faster, up is closer to the original; the larger a mark, the more the result flickers.

# %%
from matplotlib.figure import Figure

from workbench.views.plots.style import COLOURS, new_figure, styled

MARKS = "os^DvP*X<>hd"


@styled
def trade_off(result) -> Figure:
    """Seconds per frame against PSNR, one mark a row of the table."""
    caption = "Likeness against time; the area of a mark grows with flicker. Look who is up and to the left, and small."
    figure = new_figure(3.4, caption)
    axes = figure.subplots()
    flicker = {column: result.summary(column, "flicker").mean for column in result.columns}
    low, high = min(flicker.values()), max(flicker.values())
    for k, column in enumerate(result.columns):
        seconds, psnr = result.seconds_per_frame(column), result.summary(column, "psnr").mean
        area = 20 + 80 * (flicker[column] - low) / ((high - low) or 1)
        look = {"color": COLOURS[k % len(COLOURS)], "marker": MARKS[k % len(MARKS)], "alpha": 0.8}
        axes.scatter(seconds, psnr, s=area, label=f"{column} (flicker {flicker[column]:.2f})", **look)
    axes.set(xscale="log", xlabel="seconds per frame (log scale)", ylabel="PSNR (dB)")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


trade_off(result)

# %%
wb.plots.compare(result, ["psnr", "flicker"])

# %% [markdown]
# ## Slicing: the same picture?
#
# VAE slicing decodes in horizontal strips with enough overlap that the picture is the same. Attention slicing computes the
# attention in pieces. What is the largest difference of any pixel? (The embedded model has nothing to slice: it has no
# attention, and its decoder works at the LR frame's size. Both are for models such as the published one.)


# %%
def frames_of(settings):
    """(n, H, W, 3) in 8-bit levels."""
    return np.stack([out.image.astype(int) for out in pipe.stream(clip[:3], settings)])


whole = frames_of(base)
for change in ({"attention_slicing": True}, {"vae_slicing": True}, {"tpm": False}):
    print(change, np.abs(frames_of(base.but(**change)) - whole).max(), "of 255 levels")

# %% [markdown]
# ## By hand
#
# Every setting under a control; a change runs the window again, and the result stands beside the base run.

# %%
tried = wb.ablate(pipe, clip, base, frames=3, reference=truth, metrics=["psnr", "haarpsi", "flicker"])
tried.wait()
tried

# %% [markdown]
# ## Try
#
# - Switch TPM off above and look at the difference map: edges, texture, or what moves?
# - Find the smallest number of steps whose PSNR you cannot tell from that of four.
# - Add your own clip: `clip = wb.open_clip("mine.mp4")[:8]` without `reference`. Which metrics are left, and do they agree
#   with your eyes?
