"""What a tap looks like at one frame and step: a PNG, the scale of its colours, and the line of code that gives it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from workbench.errors import TraceError
from workbench.trace.taps import row_of
from workbench.trace.trace import Trace
from workbench.views.plots.motion import flow_colours
from workbench.views.plots.style import DIVERGING, ERRORS, SEQUENTIAL, strength
from workbench.views.show import as_pil

SMALLEST = 480  # pixels: smaller maps are enlarged by whole factors, so that their cells can be seen
DECODED = ("x0", "latent")
ALL = -1  # instead of a channel's number: the strength over all of them


@dataclass(frozen=True)
class Shown:
    """A picture ready for a page."""

    png: bytes
    scale: str
    """HTML of its colours' meaning; empty where they need none"""
    code: str
    """how to get the value"""


class View:
    """One way to look at one tap. ``label``: what the chooser says."""

    def __init__(self, trace: Trace, name: str, kind: str) -> None:
        self.trace = trace
        self.name = name
        self.kind = kind  # picture, flow, map or matrix
        self.label = f"{name}, decoded" if kind == "picture" and name in DECODED else name
        self._limits = lru_cache(maxsize=None)(self._find_limit)

    @property
    def channels(self) -> int:
        """How many channels can be chosen."""
        if self.kind == "picture" or self.kind == "flow":
            return 0
        return self._value(self.trace.frames(self.name)[0], 0).shape[0]

    @property
    def frames(self) -> list[int]:
        """Those that hold it."""
        name = f"{self.name}.picture" if self.kind == "picture" and self.name in DECODED else self.name
        return self.trace.frames(name if name in self.trace.names else self.name)

    def show(self, frame: int, step: int, channel: int = ALL) -> Shown:
        """Raises TraceError, in words for a reader, where there is nothing to show."""
        if frame not in self.frames:
            row = row_of(self.name)
            raise TraceError(
                f"{self.name} was not recorded in frame {frame}{f': it fires {row.fires}' if row else ''}."
            )
        stepped = f", {step}" if self._stepped(frame) else ""
        if self.kind == "picture":
            code = f'trace.image("{self.name}", {frame}{stepped})'
            return Shown(png(as_pil(self._picture(frame, step))), "", code)
        value = self._value(frame, step)
        code = f'trace["{self.name}", {frame}]' + (f"[{step}]" if stepped else "")
        if self.kind == "flow":
            most = self._limits(ALL)
            coloured = (_with_wheel(flow_colours(value, most)) * 255).round().astype(np.uint8)
            return Shown(png(Image.fromarray(coloured)), f"rim of the wheel: {most:.3g} output pixels", code)
        most = self._limits(channel)
        if channel == ALL:
            alone = len(value) == 1
            plane = value[0].abs() if alone else value.mean(0) if self.kind == "matrix" else strength(value)
            word = "" if alone else " (mean over heads)" if self.kind == "matrix" else " (RMS over channels)"
            return Shown(heat_png(plane, 0, most), colour_scale(SEQUENTIAL, "0", f"{most:.3g}{word}"), code)
        low, cmap = (0.0, SEQUENTIAL) if self.kind == "matrix" else (-most, DIVERGING)
        drawn = heat_png(value[channel], low, most, cmap)
        return Shown(drawn, colour_scale(cmap, f"{low:.3g}", f"{most:.3g}"), f"{code}[{channel}]")

    def _picture(self, frame: int, step: int) -> Tensor:
        if self.name in DECODED:
            return self.trace.image(self.name, frame, step)
        return self.trace.image(self.name, frame)

    def _stepped(self, frame: int) -> bool:
        row = row_of(self.name)
        return "step" in row.fires if row else self.trace[self.name, frame].ndim == 4

    def _value(self, frame: int, step: int) -> Tensor:
        """(C, y, x)"""
        value = self.trace[self.name, frame].float()
        return value[min(step, len(value) - 1)] if self._stepped(frame) else value

    def _find_limit(self, channel: int) -> float:
        """The largest value over all frames and steps, so that colours mean the same wherever the sliders stand."""
        most = 0.0
        for frame in self.frames:
            value = self.trace[self.name, frame].float()
            for one in value if self._stepped(frame) else [value]:
                if self.kind == "flow":
                    most = max(most, float(one.norm(dim=0).max()))
                elif channel == ALL:
                    plane = one.mean(0) if self.kind == "matrix" else strength(one)
                    most = max(most, float(plane.max()))
                else:
                    most = max(most, float(one[channel].abs().max()))
        return most or 1.0


def views(trace: Trace) -> dict[str, View]:
    """Label -> view: every recorded tap that can be seen, in the table's order."""
    found = [View(trace, name, kind) for name in trace.names for kind in _kinds(trace, name)]
    return {view.label: view for view in found}


def _kinds(trace: Trace, name: str) -> list[str]:
    row = row_of(name)
    if name == "frame" or (row is not None and row.picture):
        return ["picture"]
    if name.endswith(".picture"):
        plain = name.removesuffix(".picture")
        return [] if plain in trace.names else ["picture"]
    shape = trace[name, trace.frames(name)[0]].shape
    if name in ("flow", "flow.backward"):
        return ["flow"]
    if name.startswith("attention."):
        return ["matrix"]
    if len(shape) not in (3, 4):
        return []
    return ["picture", "map"] if name in DECODED and _decodable(trace, name) else ["map"]


def _decodable(trace: Trace, name: str) -> bool:
    try:
        trace.image(name, trace.frames(name)[0], 0)
    except TraceError:
        return False
    return True


def heat_png(plane: Tensor, low: float, high: float, cmap: str = SEQUENTIAL) -> bytes:
    """(y, x) -> PNG in colours from ``low`` to ``high``."""
    share = ((plane.float() - low) / ((high - low) or 1.0)).clamp(0, 1).numpy()
    return png(Image.fromarray((mpl.colormaps[cmap](share)[..., :3] * 255).round().astype(np.uint8)))


def difference_png(a: np.ndarray, b: np.ndarray, most: float) -> bytes:
    """Two (H, W, 3) uint8 pictures -> where they differ, black to white at ``most`` of 255 levels."""
    apart = np.abs(a.astype(np.float32) - b).mean(-1)
    return heat_png(torch.from_numpy(apart), 0, most, ERRORS)


def png(image: Image.Image) -> bytes:
    """Exact; enlarged by a whole factor when it is small."""
    factor = -(-SMALLEST // image.width)
    if factor > 1:
        image = image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)
    kept = io.BytesIO()
    image.save(kept, format="PNG", compress_level=1)
    return kept.getvalue()


def colour_scale(cmap: str, low: str, high: str) -> str:
    """A bar of the colours between its two ends, as HTML."""
    colours = ", ".join(to_hex(mpl.colormaps[cmap](k / 8)) for k in range(9))
    bar = f"display:inline-block;width:40%;height:.7em;background:linear-gradient(to right, {colours})"
    return f'{low} <span style="{bar}"></span> {high}'


def _with_wheel(coloured: np.ndarray) -> np.ndarray:
    """The legend of directions in the lower right corner."""
    height, width = coloured.shape[:2]
    radius = max(8, min(height, width) // 8)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 2 * radius)] * 2, indexing="ij")
    wheel, within = flow_colours(torch.stack([x, y]), 1.0), (x.square() + y.square() <= 1).numpy()
    corner = coloured[height - 2 * radius :, width - 2 * radius :]
    corner[within] = wheel[within]
    return coloured
