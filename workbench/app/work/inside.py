"""A few frames with everything recorded: the notebooks' plots as pictures, and the trace to take along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from workbench.app.kinds import KINDS
from workbench.app.work.task import Stopped, Task, write_png
from workbench.app.work.upscale import bicubic
from workbench.pipeline.output import Output
from workbench.pixels import unit_to_image
from workbench.trace import Trace
from workbench.views import plots
from workbench.views.plots.latent import latent

TRACE = "trace.safetensors"
INSIDE = KINDS["inside"]  # its memory is the trace's budget: beyond it, maps are averaged over 2x2 pixels
NAMES = (
    "lr", "noise", "flow", "occlusion", "warped", "base", "artg.down.*", "artg.mid", "latent", "x0", "x0.picture",
    "tpm.*.alpha", "tpm.*.contribution", "decoder.*", "decoded", "blended", "frame",
)  # fmt: skip
PER_FRAME: dict[str, Callable[[Trace, int], Figure]] = {
    "flow": plots.flow,
    "residual": plots.residual,
    "artg": plots.artg,
    "blend": plots.blend,
    "tpm": plots.tpm,
}
NEEDED = {
    "flow": "flow",
    "residual": "base",
    "artg": "artg.mid",
    "blend": "blended",
    "tpm": "tpm.0.contribution",
}
TITLES = {
    "x0": "The picture that this step's prediction stands for",
    "latent": "The latent after this step, channel by channel",
    "warped": "The previous output, warped to where things are now",
    "flow": "Flow from the frame before, and that frame's output warped along it",
    "residual": "What ARTG and TPM read: the warped output beyond what this frame alone gives",
    "artg": "What ARTG adds to the UNet, by level and step",
    "blend": "What ARTG adds to the picture itself, where past and present agree",
    "tpm": "What TPM takes from the frame before while decoding",
}


def look_inside(task: Task) -> None:
    """Leaves what ``work/__init__`` lists; each frame's figures can be seen as soon as it is made."""
    settings = task.request.settings
    clip = task.clip()[: INSIDE.most_frames]
    pipe = task.pipeline()
    trace = Trace(*NAMES, budget=INSIDE.memory, when_full="downsample", dtype="float16")
    task.begin(len(clip), "recording and drawing")
    task.say(result={"steps": settings.steps, "titles": TITLES})
    seconds = []
    for frame, out in zip(clip, pipe.stream(clip, settings, trace=trace), strict=False):
        seconds.append(sum(out.seconds.values()))
        figures = draw(trace, out, task.public)
        shown = task.show(out.image, bicubic(frame.image), last=out.index + 1 == len(clip))
        first = dict.fromkeys(figures, out.index) | task.status.result.get("first", {})
        task.advance(
            out.index + 1,
            result={
                "frames": out.index + 1,
                "figures": figures | task.status.result.get("figures", {}),
                "first": first,
            },
            **({"live": out.index} if shown else {}),
        )
        if task.ending(out.index + 1):
            break
    task.learn(pipe, settings, seconds, (clip.height, clip.width))
    task.say(message="saving the trace")
    trace.save(task.public / TRACE)
    task.say(message="", seconds_left=0.0, files={"trace": TRACE}, downloads={TRACE: task.download("trace", TRACE)})
    if task.status.done < len(clip):
        raise Stopped


def draw(trace: Trace, out: Output, folder: Path) -> dict[str, str]:
    """All figures of a frame; name -> the pattern of its files."""
    frame, drawn = out.index, {}
    for step in range(len(trace["latent", frame])):
        write_png(folder / f"x0-{frame}-{step}.png", _pixels(trace, frame, step))
        latent(trace, frame, step).savefig(folder / f"latent-{frame}-{step}.png")
    drawn |= {"x0": "x0-{frame}-{step}.png", "latent": "latent-{frame}-{step}.png"}
    if ("warped", frame) in trace:
        write_png(folder / f"warped-{frame}.png", unit_to_image(trace.image("warped", frame)))
        drawn["warped"] = "warped-{frame}.png"
    for name, plot in PER_FRAME.items():
        if _has(trace, name, frame):
            plot(trace, frame).savefig(folder / f"{name}-{frame}.png")
            drawn[name] = f"{name}-{{frame}}.png"
    return drawn


def _pixels(trace: Trace, frame: int, step: int) -> np.ndarray:
    """(H, W, 3) uint8: the step's x0 as a picture, exact."""
    return unit_to_image(trace.image("x0", frame, step))


def _has(trace: Trace, name: str, frame: int) -> bool:
    """The first frame has no flow, ARTG or TPM; with both switched off, none has. Few models have a blend or a base."""
    return (NEEDED[name], frame) in trace
