"""``wb.live(pipe)``: a camera, or a clip played in real time, upscaled in a notebook while it happens."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ipywidgets import HTML, Button, Dropdown, HBox, Image, Layout, VBox

from workbench.pipeline.settings import Settings
from workbench.pixels import eight_bit, image_to_unit, unit_to_image, upscale
from workbench.realtime import Captured, Newest, Pace, Session, open_source
from workbench.realtime.calibrate import within
from workbench.realtime.newest import Ended
from workbench.realtime.run import scaled
from workbench.realtime.sinks import jpeg
from workbench.realtime.sources import play, start
from workbench.trace.trace import Trace
from workbench.views.widgets._form import SettingsForm
from workbench.views.widgets._render import views

if TYPE_CHECKING:
    from workbench.pipeline.output import Output
    from workbench.pipeline.pipeline import Pipeline

NONE = "no tap"
TAPS = ("flow", "warped", "base", "x0", "noise_pred", "decoded", "artg.mid", "tpm.0.fused")


class Live(VBox):
    """The widget. ``form`` holds the controls, which act from the next frame on; ``pace`` counts frames, drops and
    delay; ``start()`` and ``stop()`` do what its button does, and ``wait()`` returns when nothing runs any more."""

    def __init__(self, pipe: Pipeline, source: Any, settings: Settings, taps: Sequence[str], max_side: int) -> None:
        self.pipe, self.source, self._max_side = pipe, source, max_side
        self.pace = Pace()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._session = Session(pipe, settings, self._say)
        self.form = SettingsForm(settings, self._set)
        self.button = Button(description="Start", button_style="primary", layout=Layout(width="7em"))
        self.tap: Any = Dropdown(options=[NONE, *taps], value=taps[0] if taps else NONE, layout=Layout(width="12em"))
        self.status, self.figures = HTML(), HTML()
        self.pictures = {name: Image(format="jpeg", layout=Layout(width="98%")) for name in ("bicubic", "upscaled")}
        self.view = Image(format="png", layout=Layout(width="98%", visibility="hidden"))
        self.scale = HTML()
        columns = [VBox([HTML(f"<small>{name}</small>"), image]) for name, image in self.pictures.items()]
        row = HBox([*columns, VBox([self.scale, self.view])], layout=Layout(width="100%", align_items="flex-start"))
        for column in row.children:
            column.layout.width = "33%"
        bar = HBox([self.button, self.tap, self.figures, self.status], layout=Layout(flex_flow="row wrap"))
        super().__init__([self.form, bar, row])
        named = {"live": self, "start": self.button, "tap": self.tap, "figures": self.figures, "view": self.view}
        for name, widget in (named | self.pictures).items():
            widget.add_class(f"wb-{name}")
        self.button.on_click(lambda _: self.stop() if self._thread else self.start())

    def start(self) -> None:
        """Begins, unless it runs."""
        if self._thread is not None:
            return
        self._stop.clear()
        self.pace = Pace()
        self.button.description = "Stop"
        self._say("")
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the frame at hand."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing runs; False when that took longer than ``timeout`` seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _set(self) -> None:
        self._session.settings = self.form.settings

    def _run(self) -> None:
        newest = Newest()
        try:
            source = open_source(self.source) if isinstance(self.source, str) else play(self.source)
            start(source, newest, self._say, stop=self._stop)
            self._session.forget("")
            while not self._stop.is_set():
                captured = newest.take(0.25)
                if captured is not None:
                    self._frame(captured)
            self._say("stopped")
        except Ended:
            self._say("the source ended")
        except Exception as error:
            self._say(f"<b>{html.escape(str(error))}</b>")
        finally:
            self._stop.set()
            self._thread = None
            self.button.description = "Start"

    def _frame(self, captured: Captured) -> None:
        image = eight_bit(captured.picture())
        image = scaled(image, within((image.shape[1], image.shape[0]), self._max_side))
        name = self.tap.value
        trace = None if name == NONE else Trace(name)
        output = self._session.step(captured, image, trace)
        self.pictures["upscaled"].value = jpeg(output.image)
        self.pictures["bicubic"].value = jpeg(_bicubic(image))
        self._look(name, trace, output)
        self.pace.add(came=captured.at, done=time.monotonic(), passed=self._session.passed)
        self.figures.value = f"&nbsp;{self.pace}"

    def _look(self, name: str, trace: Trace | None, output: Output) -> None:
        """The chosen tap at this frame, where it has fired: the first frame has no flow."""
        found = {} if trace is None else views(trace)
        view = next((view for label, view in found.items() if label.split(",")[0] == name), None)
        self.view.layout.visibility = "hidden" if view is None else "visible"
        if view is not None:
            shown = view.show(output.index, self._session.settings.steps - 1)
            self.view.value, self.scale.value = shown.png, f"<small>{name} {shown.scale}</small>"

    def _say(self, words: str) -> None:
        self.status.value = f"&nbsp;{words}"


def live(
    pipe: Pipeline,
    source: Any = "camera",
    settings: Settings | None = None,
    *,
    taps: Sequence[str] = TAPS,
    max_side: int = 160,
) -> Live:
    """Upscale a camera in a notebook while it happens, or a clip played in real time, with a tap beside it.

    ``source``: as ``workbench live`` names it (``"camera"``, an address, a path), or what ``open_clip`` takes.
    ``taps``: those that can be looked at, the first to begin with. ``max_side``: pixels of the longer side.
    Press Start, or call ``start()``; the newest frame wins, and what is passed over is counted.
    """
    return Live(pipe, source, settings or Settings(steps=1), taps, max_side)


def _bicubic(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 -> (4h, 4w, 3) uint8."""
    return unit_to_image(upscale(image_to_unit(image)[None])[0].clamp(0, 1))
