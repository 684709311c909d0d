"""Measures a model against the bars set for the embedded one.

    python -m workbench.train.bars HELDOUT_FOLDER [--model FOLDER] [--frames 12] [--side 384]

Each is a ``Bar``: what was measured, where, the value, the bar, and whether it was reached.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from workbench.models.load import load_models
from workbench.models.models import Models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pixels import rounded, signed_to_unit
from workbench.trace.trace import Trace
from workbench.train.evaluate import (
    BORDER,
    HeldOut,
    bicubic,
    damaged,
    frames_of,
    make_clip,
    measure,
    open_clips,
    pan,
    run,
    takes,
    to_range,
)
from workbench.train.pool import PICTURES

ON = Settings()
STABLE_FRAMES = 300


@dataclass(frozen=True)
class Bars:
    """What must be gained over bicubic: on average, and on each clip. None: stated, no limit."""

    average: float | None = None
    each: float | None = None
    average_haarpsi: float | None = None
    each_haarpsi: float | None = 0.0


REAL = {
    "h264 crf 18": Bars(1.1),
    "h264 crf 23": Bars(0.85),
    "h264 crf 28": Bars(0.60, 0.3, 0.015),
    "h264 crf 33": Bars(0.30, 0.1),
    "h265 crf 28": Bars(0.0),
    "vp9 crf 40": Bars(0.0),
    "noise 5": Bars(1.7, each_haarpsi=None),
}
"""By damage (``evaluate.DAMAGES``)."""


@dataclass(frozen=True)
class Bar:
    """One measurement. ``at_least``: whether ``bar`` is a lower limit; ``bar`` None: stated, no limit."""

    what: str
    where: str
    value: float
    bar: float | None = None
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        limit = "" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:g}"
        verdict = {True: "reached", False: "missed", None: ""}[self.reached]
        return f"| {self.what} | {self.where} | {self.value:.4g} | {limit} | {verdict} |"


class Measured:
    """What a model reaches on a clip under some settings; each is run once."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.known: dict[tuple[str, Settings], dict[str, float]] = {}

    def __call__(self, clip: HeldOut, settings: Settings = ON) -> dict[str, float]:
        key = (clip.name, settings)
        if key not in self.known:
            self.known[key] = measure(run(self.models, clip, settings), clip)
        return self.known[key]


def quality(ours: Measured, clips: Sequence[HeldOut]) -> Iterator[Bar]:
    """Bar 1: better than bicubic, and than bicubic with two back-projections."""
    gains: dict[str, list[float]] = {"psnr": [], "haarpsi": []}
    for clip in clips:
        plain, projected = measure(bicubic(clip), clip), measure(bicubic(clip, 2), clip)
        for name in gains:
            gains[name].append(ours(clip)[name] - plain[name])
        yield Bar("PSNR-Y, dB", clip.name, ours(clip)["psnr"])
        yield Bar("PSNR-Y over bicubic, dB", clip.name, gains["psnr"][-1], 1.0)
        yield Bar("PSNR-Y over 2 back-projections, dB", clip.name, ours(clip)["psnr"] - projected["psnr"], 0.5)
        yield Bar("HaarPSI over bicubic", clip.name, gains["haarpsi"][-1], 0.045)
        yield Bar("SSIM over bicubic", clip.name, ours(clip)["ssim"] - plain["ssim"], 0.007)
    yield Bar("PSNR-Y over bicubic, dB", "average", mean(gains["psnr"]), 1.7)
    yield Bar("HaarPSI over bicubic", "average", mean(gains["haarpsi"]), 0.065)


def real_input(ours: Measured, clips: Mapping[str, Sequence[HeldOut]]) -> Iterator[Bar]:
    """Bar 2: better than bicubic of the same damaged frames. ``clips``: by damage."""
    for damage, bars in REAL.items():
        gains: dict[str, list[float]] = {"psnr": [], "haarpsi": []}
        for clip in clips[damage]:
            plain = measure(bicubic(clip), clip)
            for name, found in gains.items():
                found.append(ours(clip)[name] - plain[name])
            yield Bar("PSNR-Y over bicubic, dB", clip.name, gains["psnr"][-1], bars.each)
            yield Bar("HaarPSI over bicubic", clip.name, gains["haarpsi"][-1], bars.each_haarpsi)
        yield Bar("PSNR-Y over bicubic, dB", f"average, {damage}", mean(gains["psnr"]), bars.average)
        yield Bar("HaarPSI over bicubic", f"average, {damage}", mean(gains["haarpsi"]), bars.average_haarpsi)


def steps(ours: Measured, clips: Sequence[HeldOut]) -> Iterator[Bar]:
    """Bar 3: what four steps add to one, and how much x0 changes from step to step."""
    for clip in clips:
        one, four = ours(clip, ON.but(steps=1)), ours(clip)
        yield Bar("PSNR-Y of 4 steps over 1, dB", clip.name, four["psnr"] - one["psnr"], -0.05)
        yield Bar("HaarPSI of 4 steps over 1", clip.name, four["haarpsi"] - one["haarpsi"], 0.0)
        trace = Trace("x0")
        for _ in Pipeline(ours.models).stream(frames_of(clip)[:2], ON, trace=trace):
            pass
        x0 = trace["x0", 1]
        change = (x0[1:] - x0[:-1]).abs().mean((1, 2, 3)) / x0.std()
        yield Bar("x0 changes from step to step, of its deviation", clip.name, float(change.mean()))


def guidance(
    ours: Measured, clips: Sequence[HeldOut], pans: Sequence[HeldOut], compressed: Sequence[HeldOut]
) -> Iterator[Bar]:
    """Bar 4: flicker and PSNR with ARTG against without."""
    bars = [*((clip, 0.75) for clip in pans), *((clip, 1.0) for clip in clips)]
    ratios = []
    for clip, bar in (*bars, *((clip, 1.0) for clip in compressed)):
        on, off = ours(clip), ours(clip, ON.but(artg=0))
        ratios.append(on["flicker"] / off["flicker"])
        yield Bar("flicker, ARTG on / off", clip.name, ratios[-1], bar, at_least=False)
        yield Bar("PSNR-Y, ARTG on - off, dB", clip.name, on["psnr"] - off["psnr"], 0.0)
    real = ratios[len(pans) : len(bars)]
    yield Bar("flicker, ARTG on / off", "average of real clips", mean(real), 0.95, at_least=False)
    if ours.models.properties.blend:
        alone = Measured(ours.models.but(blend=0.0))
        for clip in (*pans, *clips, *compressed):
            on, off = alone(clip), ours(clip, ON.but(artg=0))
            yield Bar("flicker, ARTG without its blend / off", clip.name, on["flicker"] / off["flicker"])
            yield Bar("PSNR-Y, ARTG without its blend - off, dB", clip.name, on["psnr"] - off["psnr"])


def modules(ours: Measured, clips: Sequence[HeldOut]) -> Iterator[Bar]:
    """Bar 5: TPM on against off, and against the control: the current frame's features in the previous ones' place."""
    for clip in clips:
        on, off = ours(clip), ours(clip, ON.but(tpm=False))
        own = measure(run_with_own_features(ours.models, clip), clip)
        yield Bar("flicker, TPM on / off", clip.name, on["flicker"] / off["flicker"], 1.0, at_least=False)
        yield Bar("PSNR-Y, TPM on - off, dB", clip.name, on["psnr"] - off["psnr"], 0.0)
        yield Bar("flicker, TPM / its control", clip.name, on["flicker"] / own["flicker"])
        yield Bar("PSNR-Y, TPM - its control, dB", clip.name, on["psnr"] - own["psnr"])


def run_with_own_features(models: Models, clip: HeldOut) -> Tensor:
    """TPM, but each block is given the current frame's pooled features in place of the previous ones."""
    trace, current = Trace(), {}

    def remember(value: Tensor, frame: int, step: int | None) -> Tensor:
        current["features"] = value
        return value

    def replaced(value: Tensor, frame: int, step: int | None) -> Tensor:
        return current["features"]

    with trace.edit("tpm.*.current", remember), trace.edit("tpm.*.previous", replaced):
        outputs = [output.frame for output in Pipeline(models).stream(frames_of(clip), ON, trace=trace)]
    return rounded(torch.stack(outputs))


def stability(models: Models, clip: HeldOut) -> Iterator[Bar]:
    """Bar 6: 300 frames (the clip forth and back), then content that tempts a network to invent."""
    order = [*range(len(clip.hr)), *range(len(clip.hr) - 2, 0, -1)]
    order = (order * (STABLE_FRAMES // len(order) + 1))[:STABLE_FRAMES]
    long = make_clip(clip.name, clip.hr[order], motion=[clip.motion[0]] * (STABLE_FRAMES - 1))
    ours, plain, truth = run(models, long, ON), bicubic(long), signed_to_unit(long.hr)
    drift = 255 * (ours.mean((2, 3)) - plain.mean((2, 3))).abs().max()
    yield Bar(
        f"mean colour against bicubic over {STABLE_FRAMES} frames, levels", clip.name, float(drift), 1.0, at_least=False
    )
    error = -10 * (ours - truth).square().mean((1, 2, 3)).log10()
    yield Bar(
        "PSNR, last 50 frames against 10-60, dB", clip.name, float(error[-50:].mean() - error[10:60].mean()), -0.2
    )
    for name, hr in contents().items():
        still = make_clip(name, hr, motion=[])
        result, smooth, true = run(models, still, ON)[-1], bicubic(still)[-1], signed_to_unit(hr[-1])
        errors = [(p - true)[:, BORDER:-BORDER, BORDER:-BORDER] for p in (result, smooth)]
        worst = [float(255 * error.abs().amax()) for error in errors]
        typical = [float(255 * error.square().mean().sqrt()) for error in errors]
        yield Bar("largest error over bicubic's, levels", name, worst[0] - worst[1])
        yield Bar("root mean square error over bicubic's, levels", name, typical[0] - typical[1], 0.5, at_least=False)


def saturated(models: Models, side: int = 128) -> Iterator[Bar]:
    """Bar 6, to the very edge of the frame, where networks err most: flat frames of the cube's eight corners."""
    for colour in itertools.product((0, 255), repeat=3):
        hr = to_range(np.full((1, side, side, 3), colour, np.uint8)).expand(3, -1, -1, -1)
        error = 255 * (run(models, make_clip("flat", hr, motion=[]), ON)[-1] - signed_to_unit(hr[-1])).abs()
        yield Bar("largest error up to the edge, levels", f"flat {colour}", float(error.max()))


def contents(side: int = 128, frames: int = 6) -> dict[str, Tensor]:
    """Still clips (T, 3, H, W) in [-1, 1]: flat, dark, noisy and text."""
    random = np.random.default_rng(0)
    flat = np.full((side, side, 3), (200, 90, 40), np.uint8)
    dark = random.integers(0, 12, (side // 8, side // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    noisy = (128 + 30 * random.standard_normal((side, side, 3))).clip(0, 255).astype(np.uint8)
    page = Image.new("RGB", (side, side), "white")
    for line in range(0, side, 24):
        ImageDraw.Draw(page).text((4, line + 4), "Sphinx of quartz 0123", fill="black", font_size=16)
    pictures = {"flat": flat, "dark": dark, "noisy": noisy, "text": np.asarray(page)}
    return {name: to_range(picture[None]).expand(frames, -1, -1, -1) for name, picture in pictures.items()}


@torch.no_grad()
def speed(models: Models) -> Iterator[Bar]:
    """Bar 7: a 320x180 frame against one 64 -> 64 convolution over 1280x720, in turns, the fastest of each."""
    layer = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    picture = torch.randn(1, 64, 720, 1280).to(memory_format=torch.channels_last)
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (24, 40, 3), dtype=np.uint8)).resize((324, 184))
    frames = [np.asarray(coarse)[k : k + 180, k : k + 320] for k in range(4)]
    convolution, frame = [], []
    state = None
    for image in frames:
        began = time.perf_counter()
        layer(picture)
        convolution.append(time.perf_counter() - began)
        began = time.perf_counter()
        _, state = Pipeline(models).step(image, state, ON)
        frame.append(time.perf_counter() - began)
    yield Bar("seconds per 320x180 -> 1280x720 frame", f"{torch.get_num_threads()} thread(s)", min(frame[1:]))
    yield Bar("seconds per 64 -> 64 convolution, 1280x720", f"{torch.get_num_threads()} thread(s)", min(convolution))
    yield Bar(
        "frame / convolution",
        f"{torch.get_num_threads()} thread(s)",
        min(frame[1:]) / min(convolution),
        1.2,
        at_least=False,
    )


def all_bars(models: Models, folder: Path, frames: int, side: int) -> Iterator[Bar]:
    """Every bar; ``folder`` holds the held-out clips and photos."""
    ours, clips = Measured(models), open_clips(folder, frames, side)
    real = {damage: [damaged(clip, damage) for clip in clips if takes(damage, clip)] for damage in REAL}
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    pans = []
    for photo in photos:
        with Image.open(photo) as image:
            still = to_range(np.asarray(image.convert("RGB").reduce(2))[None])[0]
        pans.append(pan(f"pan over {photo.stem}", still, frames, min(side, *still.shape[-2:]) // 32 * 16))
    yield from speed(models)
    yield from quality(ours, clips)
    yield from real_input(ours, real)
    yield from steps(ours, clips)
    yield from guidance(ours, clips, pans, real["h264 crf 28"])
    yield from modules(ours, [*pans, *clips])
    yield from stability(models, min(clips, key=lambda clip: clip.hr[0].numel()))
    yield from saturated(models)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measures a model against the bars set for the embedded one.")
    parser.add_argument("heldout", type=Path, help="folder of clips and photos that were not trained on")
    parser.add_argument("--model", default=None, help="model folder (default: the embedded model)")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument(
        "--side", type=int, default=384, help="the middle of each clip, at most this many pixels a side"
    )
    given = parser.parse_args(arguments)
    models = load_models(given.model, device=torch.device("cpu"))
    sys.stdout.write("| measured | on | value | bar | |\n|---|---|---|---|---|\n")
    for row in all_bars(models, given.heldout, given.frames, given.side):
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
