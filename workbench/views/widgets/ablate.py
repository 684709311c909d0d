"""``wb.ablate(pipe, clip)``: change any setting, run a short window again, see it beside the base run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
from ipywidgets import HTML, Button, HBox, Image, IntProgress, IntSlider, Layout, VBox

from workbench.comparison import Comparison, compare
from workbench.comparison.statistics import over_frames
from workbench.comparison.store import Folder
from workbench.comparison.tables import significant
from workbench.comparison.verdicts import judged
from workbench.errors import InputError
from workbench.metrics import METRICS
from workbench.pipeline.settings import Settings
from workbench.video import Clip, open_clip
from workbench.views.plots.style import ERRORS
from workbench.views.show import as_pil
from workbench.views.widgets._form import SettingsForm
from workbench.views.widgets._latest import Latest
from workbench.views.widgets._render import colour_scale, difference_png, png

if TYPE_CHECKING:
    from workbench.pipeline.pipeline import Pipeline


class Stopped(Exception):  # noqa: N818 (a wish, not a fault)
    """Raised between two frames when the run is no longer wanted."""


class Ablation(VBox):
    """The widget. ``form`` holds the controls, ``results`` every run made so far by its settings, ``frame`` the slider.

    A change of any control runs the window again; ``wait()`` returns when nothing runs any more.
    """

    def __init__(
        self, pipe: Pipeline, clip: Any, base: Settings, *, frames: int, reference: Any, metrics: Sequence[str] | None
    ) -> None:
        self.pipe = pipe
        self.base = base
        self.window, self.truth = _window(clip, frames), None if reference is None else _window(reference, frames)
        self.metrics = metrics
        self.results: dict[Settings, Comparison] = {}
        self.shown, self._most = base, 1.0
        self._runs: Latest[Settings] = Latest(self._run)
        self.form = SettingsForm(base, self._ask)
        count = len(self.window)
        self.frame = IntSlider(description="frame", min=0, max=count - 1, value=count - 1, layout=Layout(width="45%"))
        self.progress = IntProgress(min=0, max=count, layout=Layout(width="25%"))
        self.again = Button(description="Run", tooltip="run these settings", layout=Layout(width="6em"))
        self.halt = Button(description="Stop", tooltip="stop after this frame", disabled=True)
        self.halt.layout.width = "6em"
        self.status = HTML()
        self.pictures = [_Picture() for _ in range(3)]
        self.table = HTML()
        bar = HBox([self.again, self.halt, self.progress, self.status], layout=Layout(flex_flow="row wrap"))
        super().__init__([self.form, bar, self.frame, HBox(self.pictures), self.table])
        named = {"ablate": self, "frame": self.frame, "run": self.again, "stop": self.halt, "progress": self.progress}
        for name, widget in (named | {"status": self.status, "metrics": self.table}).items():
            widget.add_class(f"wb-{name}")
        for name, picture in zip(("base", "changed", "difference"), self.pictures, strict=True):
            picture.add_class(f"wb-{name}")
        self.frame.observe(lambda change: self._show(), "value")
        self.again.on_click(lambda button: self._ask())
        self.halt.on_click(self._stop)
        self._ask()

    def wait(self, timeout: float | None = None) -> bool:
        """Until no run is going on; False when that took longer than ``timeout`` seconds."""
        return self._runs.wait(timeout)

    def _ask(self) -> None:
        self._runs.ask(self.form.settings)

    def _stop(self, button: Button) -> None:
        self.halt.disabled = True
        self._runs.stop()

    def _run(self, settings: Settings, stop: Event) -> None:
        """In the thread: what is missing of base and changed run, then both beside each other."""
        self.halt.disabled = False
        try:
            for wanted in (self.base, settings):
                if wanted not in self.results:
                    self.results[wanted] = self._compute(wanted, stop)
        except Stopped:
            self._say(f"stopped; below is the run with {_words(self.shown, self.base)}")
            return
        except Exception as error:
            self._say(f"<b>{html.escape(str(error))}</b>", "danger")
            return
        finally:
            self.halt.disabled = True
        both = self.results[self.base], self.results[settings]
        self.shown, self._most = settings, max(_apart(*both, frame) for frame in range(len(self.window))) or 1.0
        self._say(f"done: {_words(settings, self.base)}", "success")
        self._show()

    def _compute(self, settings: Settings, stop: Event) -> Comparison:
        """One run of the window, frame by frame, with its metrics."""
        words = _words(settings, self.base)
        self.progress.value = 0
        self._say(f"running {words}")

        def after(done: int) -> None:
            self.progress.value = done
            self._say(f"running {words}: {done} of {len(self.window)} frames")
            if stop.is_set():
                raise Stopped

        return compare(
            self.pipe,
            self.window,
            settings,
            reference=self.truth,
            metrics=self.metrics,
            against=(),
            on_frame=after,
        )

    def _say(self, message: str, style: str = "") -> None:
        self.status.value = f"&nbsp;{message}"
        self.progress.bar_style = style

    def _show(self) -> None:
        """Both runs at the chosen frame, their difference, and the table."""
        if self.base not in self.results or self.shown not in self.results:
            return
        k = self.frame.value
        base, changed = self.results[self.base], self.results[self.shown]
        before, after = _picture(base, k), _picture(changed, k)
        self.pictures[0].put(png(as_pil(before)), "base")
        self.pictures[1].put(png(as_pil(after)), html.escape(_words(self.shown, self.base)))
        bar = colour_scale(ERRORS, "0", f"{self._most:.3g}")
        self.pictures[2].put(difference_png(before, after, self._most), f"|difference| {bar} of 255 levels")
        self.table.value = _table(base, changed)


class _Picture(VBox):
    def __init__(self) -> None:
        self.image = Image(format="png", layout=Layout(width="98%"))
        self.caption = HTML()
        super().__init__([self.caption, self.image], layout=Layout(width="33%"))

    def put(self, content: bytes, caption: str) -> None:
        self.image.value, self.caption.value = content, f"<small>{caption}</small>"


def ablate(
    pipe: Pipeline,
    clip: Any,
    base: Settings | None = None,
    *,
    frames: int = 4,
    reference: Any = None,
    metrics: Sequence[str] | None = None,
) -> Ablation:
    """Try settings in a notebook: the first ``frames`` frames of ``clip`` run under ``base``, then under what the
    controls say, beside each other with metrics and time. ``reference``: the clip at four times the size, for metrics
    against the truth; ``metrics``: as ``compare`` takes them. A run can be stopped; runs made before come back at once.
    """
    return Ablation(pipe, clip, base or Settings(), frames=frames, reference=reference, metrics=metrics)


def _window(clip: Any, frames: int) -> Clip:
    """The first frames, decoded once."""
    opened = open_clip(clip)
    images = [frame.image for frame in opened[:frames]]
    if not images:
        raise InputError(f"{opened!r} has no frames to try settings on.")
    return open_clip(np.stack(images), fps=opened.fps)


def _picture(run: Comparison, frame: int) -> np.ndarray:
    """(H, W, 3) uint8."""
    assert run.folder is not None
    return Folder(run.folder).picture(0, frame)


def _apart(a: Comparison, b: Comparison, frame: int) -> float:
    """The largest difference of a pixel, mean over RGB, in levels of 255."""
    return float(np.abs(_picture(a, frame).astype(np.float32) - _picture(b, frame)).mean(-1).max())


def _words(settings: Settings, base: Settings) -> str:
    return settings.changes(base) or "the base settings"


def _table(base: Comparison, changed: Comparison) -> str:
    """Means over the window, and what may be said of the difference; seconds are the median of a frame."""
    (a,), (b,) = base.columns, changed.columns
    before, after = base.seconds_per_frame(a), changed.seconds_per_frame(b)
    rows = [("seconds per frame", before, after, "")]
    tests = {
        ("", name): over_frames(np.subtract(changed.present(b, name), base.present(a, name))) for name in base.metrics
    }
    for (_, name), (_, said) in judged(tests).items():
        metric = METRICS[name]
        label = f"{metric.label}{f' ({metric.unit})' if metric.unit else ''} {'↑' if metric.higher_is_better else '↓'}"
        rows.append((label, base.summary(a, name).mean, changed.summary(b, name).mean, said))
    lines = []
    for label, before, after, said in rows:
        cells = [label, significant(before), significant(after), significant(after - before, sign=True), said]
        lines.append("".join(f'<td style="padding:0 1em;text-align:left">{cell}</td>' for cell in cells))
    heading = "".join(f'<th style="padding:0 1em;text-align:left">{c}</th>' for c in ("", "base", "changed", "", ""))
    return f"<table><tr>{heading}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
