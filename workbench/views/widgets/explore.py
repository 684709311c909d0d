"""``wb.explore(trace)``: sliders over frames and steps, and any taps side by side."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, Image, IntSlider, Layout, Play, VBox, jslink

from workbench.errors import TraceError
from workbench.trace.trace import Trace
from workbench.views.widgets._render import ALL, View, views

USUAL = (("x0, decoded", "frame", "decoded", "warped"), ("flow",), ("tpm.0.fused", "artg.mid", "latent", "noise_pred"))


class Explorer(VBox):
    """The widget. ``frame`` and ``step`` are its sliders, ``panels`` its views; all can be set from code too."""

    def __init__(self, trace: Trace, show: Sequence[str] = ()) -> None:
        self.trace = trace
        found = views(trace)
        if not found:
            raise TraceError("this trace holds nothing that can be seen; record 'frame', 'flow', 'x0' or 'tpm.*'.")
        missing = [label for label in show if label not in found]
        if missing:
            raise TraceError(f"{missing[0]!r} cannot be shown; this trace can show: {', '.join(found)}.")
        frames = sorted({frame for view in found.values() for frame in view.frames})
        steps = trace.about["settings"]["steps"]
        self.frame = IntSlider(
            description="frame",
            min=frames[0],
            max=frames[-1],
            value=frames[-1],
            step=frames[1] - frames[0] if len(frames) > 1 else 1,
            layout=Layout(width="45%"),
        )
        self.step = IntSlider(description="step", min=0, max=steps - 1, value=steps - 1, layout=Layout(width="35%"))
        play = Play(min=frames[0], max=frames[-1], step=self.frame.step, value=frames[-1], interval=600)
        jslink((play, "value"), (self.frame, "value"))
        self.panels = [Panel(found, label) for label in show or _usual(list(found))]
        note = HTML("<small>Click a slider, then move it with the arrow keys. Colours keep their scale.</small>")
        for slider in (self.frame, self.step):
            slider.observe(self._draw, "value")
        for panel in self.panels:
            for chooser in (panel.tap, panel.channel):
                chooser.observe(self._draw, "value")
        row = HBox(self.panels, layout=Layout(width="100%", align_items="flex-start"))
        super().__init__([HBox([self.frame, self.step, play], layout=Layout(flex_flow="row wrap")), note, row])
        self.add_class("wb-explore")
        self.frame.add_class("wb-frame")
        self.step.add_class("wb-step")
        self._draw()

    def _draw(self, change: Any = None) -> None:
        for panel in self.panels:
            panel.draw(self.frame.value, self.step.value)


class Panel(VBox):
    """One view: a chooser of taps, one of channels, the picture, and what it is in code."""

    def __init__(self, found: dict[str, View], label: str) -> None:
        self._views = found
        self.tap: Any = Dropdown(options=list(found), value=label, layout=Layout(width="98%"))
        self.channel: Any = Dropdown(options=[("all channels", ALL)], layout=Layout(width="98%"))
        self.picture = Image(format="png", layout=Layout(width="98%", object_fit="contain"))
        self.caption = HTML()
        self.tap.observe(self._offer_channels, "value")
        self._offer_channels()
        super().__init__([self.tap, self.channel, self.picture, self.caption], layout=Layout(width="33%"))
        self.add_class("wb-view")

    def draw(self, frame: int, step: int) -> None:
        """The picture of this frame and step, or why there is none."""
        try:
            shown = self._views[self.tap.value].show(frame, step, self.channel.value)
        except TraceError as error:
            self.picture.layout.visibility = "hidden"
            self.caption.value = f"<small>{html.escape(str(error))}</small>"
            return
        self.picture.layout.visibility = "visible"
        self.picture.value = shown.png
        scale = f"<div><small>{shown.scale}</small></div>" if shown.scale else ""
        self.caption.value = f"{scale}<code>{html.escape(shown.code)}</code>"

    def _offer_channels(self, change: Any = None) -> None:
        view = self._views[self.tap.value]
        word = "head" if view.kind == "matrix" else "channel"
        options = [(f"all {word}s", ALL), *((f"{word} {k}", k) for k in range(view.channels))]
        with self.channel.hold_trait_notifications():
            self.channel.options = options
            self.channel.value = ALL
        self.channel.layout.visibility = "visible" if view.channels > 1 else "hidden"


def explore(trace: Trace, *show: str) -> Explorer:
    """Look through a trace in a notebook: every recorded value at every frame and step, several side by side.

    ``show``: the views to begin with, by tap (``"x0, decoded"`` and ``"latent, decoded"`` are the pictures of those);
    none: a picture, the flow and features, as far as they were recorded. Raises TraceError for a tap that is not there.
    """
    return Explorer(trace, show)


def _usual(labels: list[str]) -> list[str]:
    """A picture, the flow and features; for one that was not recorded, the next tap that was."""
    chosen = [next((label for label in wanted if label in labels), None) for wanted in USUAL]
    known = [label for label in chosen if label is not None]
    return known + [label for label in labels if label not in known][: 3 - len(known)]
