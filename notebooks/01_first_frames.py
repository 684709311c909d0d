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
# # 1 · First frames
#
# **Stream-DiffVSR** (arXiv:2512.23709) upscales video by four, one frame at a time. Frame $t$ is made from what a live
# stream has at that moment, and from nothing that comes later:
#
# $$\hat x_t = G\big(x^{LR}_t,\; x^{LR}_{t-1},\; \hat x_{t-1};\; \varepsilon_t\big), \qquad \varepsilon_t \sim \mathcal N(0, I).$$
#
# The state that passes from frame to frame is just the previous output $\hat x_{t-1}$ and the previous input. Memory does
# not grow with the clip, and the first frame comes after one frame's time. This notebook makes some frames in ten lines,
# and then says what happened in them. The others look at the parts.

# %% [markdown]
# ## Ten lines to a clip
#
# A small window of the sample keeps this quick on any machine: a small animal that turns, in front of grass that stands still.
# `wb.open_clip` takes any video; put yours in its place.

# %%
import numpy as np

import workbench as wb


def window(path, scale, frames, top=108, left=144, height=64, width=96):
    """A part of the picture, given in low-resolution pixels."""
    rows, columns = (slice(scale * first, scale * (first + n)) for first, n in ((top, height), (left, width)))
    clip = wb.open_clip(path)
    return wb.open_clip(np.stack([frame.image[rows, columns] for frame in clip[:frames]]), fps=clip.fps)


clip = window(SAMPLES / "forest-320x180.mp4", 1, frames=8)
pipe = wb.load_pipeline(MODEL)
settings = wb.Settings(steps=4, seed=0)
trace = wb.Trace("lr", "flow", "warped", "x0", "frame", "tpm.*", "artg.*", "decoder.*")
outputs = list(pipe.stream(clip, settings, trace=trace))
with wb.ClipWriter("first_frames.mp4", fps=clip.fps, overwrite=True) as writer:
    for out in outputs:
        writer.write(out)
wb.show(outputs[-1])

# %% [markdown]
# `stream` is a generator: it yields a frame as soon as it is made and reads no further than it has to. Each `Output`
# carries the picture, the seconds of each stage, what was in use, and the `state` from which the stream can go on.

# %%
print(pipe)
print(outputs[-1], outputs[-1].metadata, outputs[-1].state.index, sep="\n")

# %% [markdown]
# ## Before and after
#
# Bicubic interpolation knows only the pixels around. The window below each frame is where the two differ most.

# %%
wb.plots.frames(outputs)

# %% [markdown]
# A video is judged moving. `wb.compare` runs the same frames through bicubic too, and `wb.show` puts what it gives into the
# player that the app and the reports have: drag the line, enlarge with `+`, hold `B` for the other one, press `?` for
# all keys.

# %%
truth = window(SAMPLES / "forest-1280x720.mp4", 4, frames=8)
wb.show(wb.compare(pipe, clip, settings, reference=truth, metrics=["psnr"]))

# %% [markdown]
# ## What happened in a frame
#
# 1. **Flow and warp.** Optical flow $f_t$ between the two LR frames says where in the previous frame each pixel comes from;
#    the previous output is fetched along it: $\tilde x_{t}(p) = \hat x_{t-1}\big(p + f_t(p)\big)$. *(notebook 3)*
# 2. **Denoising.** A UNet starts from noise and sees the LR frame beside the latent $z$. In four DDIM steps it arrives
#    at the latent of this frame. *(notebook 2)*
# 3. **ARTG**, Auto-Regressive Temporal Guidance: at each of these steps a ControlNet reads $\tilde x_t$ and adds
#    residuals to the UNet's skip connections. So detail that was found once is found again. *(notebook 3)*
# 4. **Decoding with TPM.** The temporal-aware decoder turns the latent into the picture, and its Temporal Processor
#    Modules fuse features of $\tilde x_t$ into its own. *(notebook 4)*
#
# The first frame has no past, so it goes without 1, 3 and TPM. The clock shows all of it:

# %%
wb.plots.timeline(trace)

# %% [markdown]
# ## Everything has a name
#
# The trace kept what we asked it to keep, as copies on the CPU. The frames are bit-identical with and without it.
# All names are listed in `docs/taps.md`.

# %%
print(trace)

# %%
wb.explore(trace)

# %% [markdown]
# ## Try
#
# - Move the frame slider to 0: which views are empty, and why?
# - Choose `x0, decoded` and go through the steps. Then `artg.mid`: at which step is it strongest?
# - Put `wb.Settings(steps=1)` in the ten lines. Where can you see the difference, if at all?
# - Stop after four frames, save `out.state.save("state.safetensors")`, and go on in a new notebook with
#   `pipe.stream(clip[4:], settings, state=wb.State.load("state.safetensors"))`. The frames are the same, bit for bit.
