"""Writes the page of taps: ``python -m workbench.trace.page > docs/taps.md``."""

from __future__ import annotations

import sys

from workbench.trace.taps import TABLE, TapRow

HEAD = """# Taps: look inside a run, and change it

*This page is made from the code: `python -m workbench.trace.page > docs/taps.md`.*

Every value that passes through the loop has a name. A `Trace` records the names it is given, while the frames
are made:

```python
import workbench as wb

clip = wb.open_clip("clip.mp4")[:6]
pipe = wb.load_pipeline()
trace = wb.Trace("flow", "x0", "tpm.*")          # names, or globs; unknown names raise, with the near ones
for out in pipe.stream(clip, wb.Settings(), trace=trace):
    wb.show(out)

print(trace)                                     # what was recorded: names, shapes, frames
trace["flow", 3]                                 # (2, H, W): the flow of frame 3, a tensor on the CPU
trace["x0", 5]                                   # (steps, L, h, w): every step of frame 5
trace["tpm.2.fused", 4]                          # (C, y / 4, x / 4)
trace.image("x0", 5, 0)                          # (3, H, W) in [0, 1]: what x0 stands for after the first step
trace.seconds[5]                                 # {"flow": ..., "unet": ..., "decode": ...} of frame 5
trace.peak_memory                                # bytes
wb.explore(trace)                                # in a notebook: sliders over frames and steps, any tap beside another
```

Outputs are bit-identical with and without a trace. One trace holds one run; frames count from 0, so `clip[:6]`
has frames 0 to 5.

## Four worked examples

They use `clip` and `pipe` from above. **The flow of frame 3, as an array:**

```python
trace = wb.Trace("flow")
for out in pipe.stream(clip, trace=trace):
    pass
field = trace["flow", 3].numpy()                 # (2, H, W) float32, output pixels: field[0] is x, field[1] is y
```

**The pictures that x0 stands for, at all steps of frame 5:**

```python
trace = wb.Trace("x0")                           # brings along what decoding needs
for out in pipe.stream(clip, wb.Settings(steps=4), trace=trace):
    pass
pictures = [trace.image("x0", 5, step) for step in range(4)]   # four of (3, H, W), in [0, 1]
wb.show(pictures[0])
figure = wb.plots.x0(trace, 5)                   # the same as a figure
```

**ARTG's residuals halved from frame 4 on** (the frames before it stay as they were, bit for bit):

```python
trace = wb.Trace()
halved = lambda value, frame, step: value * 0.5 if frame >= 4 else value
trace.edit("artg.down.*", halved)                # the residuals of the UNet's skip connections ...
trace.edit("artg.mid", halved)                   # ... and of its middle
artg_halved = list(pipe.stream(clip, trace=trace))
```

**TPM block 2 muted:**

```python
import torch

trace = wb.Trace("tpm.2.contribution")           # recorded too, to see that it is zero
trace.edit("tpm.2.contribution", lambda value, frame, step: torch.zeros_like(value))
block_2_muted = list(pipe.stream(clip, trace=trace))
block_2_muted[5].metadata["edits"]               # {"tpm.2.contribution": 5}: edited runs say so
```

## Shapes

`h, w` are the low-resolution frame's height and width, padded to multiples of 4 by repeating its lower and
right borders; `H, W` are 4 times that; `y, x` are a decoder block's own size, between the two; `L` counts the
latent's channels, 4 in the published model. Only `frame`, `x0.picture`, `latent.picture` and what `trace.image`
returns are cropped to the frame's true size. There is no batch dimension. What happens at every step has the
steps as its first dimension. Network range is [-1, 1]: `trace.image("warped", 3)` shows such values in [0, 1].

## The taps
"""

TAIL = """
`{k}` counts from 0: decoder blocks in the order they run (coarse to fine; the published model has 7), ARTG
residuals in the order of the UNet's skip connections. A number that the model does not have is an error when
the run begins.

## Edits

```python
still = wb.Trace("warped")
still.edit("flow", lambda value, frame, step: torch.zeros_like(value))    # no motion: nothing is warped
with still.edit("noise", lambda value, frame, step: value * 0):           # this edit ends with the block
    outputs = list(pipe.stream(clip[:3], trace=still))
outputs[-1].metadata["edits"]                    # {"flow": 2, "noise": 3}: how often each was applied so far
```

The function gets the value as in the table, on its device (and None as the step, where there is none), and
returns one of the same shape and dtype, which flows on. A trace records the edited value. In a `with`
statement (`with trace.edit(...):`) the edit ends with it. Taps marked "no" can only be observed; trying to
edit one says what to edit instead. An edit acts on this run only: it changes no weights, and what the next
frame starts from is what the edited frame gave (except for `lr`: the next flow is estimated from the frame as
it came).

## Parts of the networks, and attention

```python
parts = wb.Trace()
parts.modules("unet", "down_blocks.*", "mid_block")   # also controlnet, conditioning (of the ControlNet), vae
parts.attention("mid_block")                          # every attention of the UNet at or under this path
for out in pipe.stream(clip[:2], trace=parts):
    pass
parts["unet.down_blocks.0", 1]                        # (steps, C, y, x): its output at every step
parts["attention.mid_block.attentions.0.transformer_blocks.0.attn1", 1]   # (steps, heads, queries, keys)
```

In these paths `*` is one level and `**` any depth. Of a module with several outputs the first is recorded; a
module that runs again within a step is recorded as `name#2`. In Stable-Diffusion-like UNets `attn1` is
self-attention and `attn2` attends to the prompt, unless the model's config sets `only_cross_attention`: then
both attend to the prompt. Queries run row by row over the level's own grid. Attention maps are computed
beside the real attention, which is not touched.

Hooks are there only while a frame is made, and only for the run that owns the trace. Inside a block that
`torch.compile` compiled as one piece they could never fire: asking for that is an error. The compiled block
itself can be recorded, and so can everything outside of it. The taps of the table are emitted by the loop and
fire either way.

## Memory, and files

```python
small = wb.Trace("x0", budget="500MB", when_full="thin", every=2, dtype="float16")
for out in pipe.stream(clip, trace=small):
    pass
small.save("run.safetensors")
again = wb.Trace.load("run.safetensors")         # needs no model
again["x0", 4]
```

Values are copies on the CPU. When the budget (default 2 GB) is reached, `when_full` decides: `"error"`
(default) stops the run with an error; what earlier frames left stays. `"thin"` keeps every second of the
recorded frames, and goes on so; again and again if it must. `"downsample"` averages all maps over 2x2, and
goes on so (flow stays in output pixels). `every=n` records every n-th frame from the first on.
`dtype="float16"` halves everything. A frame that fails leaves nothing in the trace.

`x0` and `latent` bring `lr` and `tpm.{k}.previous` along, because decoding them takes these.
`trace.image("x0", ...)` decodes with the pipeline of the run, or with `pipe=` after loading; to see the
pictures without any model, record `x0.picture`.

`trace.seconds` include the copying that the trace itself does. `trace.peak_memory` is what was allocated on a
CUDA device; on the CPU it is the highest resident memory of the whole process so far.
"""


def page() -> str:
    """The whole page as Markdown."""
    groups: dict[str, list[TapRow]] = {}
    for row in TABLE:
        groups.setdefault(row.group, []).append(row)
    return HEAD + "".join(_section(group, rows) for group, rows in groups.items()) + TAIL


def _section(group: str, rows: list[TapRow]) -> str:
    lines = [f"\n### {group}\n", "| tap | meaning | shape | range | unit | fires | editable |", "|" + " --- |" * 7]
    for row in rows:
        editable = "yes" if row.editable else "no"
        cells = [f"`{row.name}`", row.meaning, f"`{row.shape}`", row.range, row.unit, row.fires, editable]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
