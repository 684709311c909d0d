"""A form for ``Settings`` in a notebook, made from ``pipeline.controls``, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, BoundedIntText, Checkbox, Dropdown, FloatSlider, HBox, IntSlider, Layout, VBox, Widget
from traitlets import Float

from workbench.pipeline.controls import Control, groups
from workbench.pipeline.settings import Settings

MOST_SLID = 1000  # whole numbers that can be larger are typed
MOST_STEPS = 50  # a slider ends here: nobody waits for more steps
MOST_EXACT = 2**53 - 1  # whole numbers a browser keeps exactly


class SettingsForm(HBox):
    """One control a field, in a column a group. ``controls``: field name -> control; ``settings``: what they say."""

    def __init__(self, settings: Settings, on_change: Callable[[], None]) -> None:
        self.controls: dict[str, Any] = {}
        columns, width = [], f"{100 // len(groups())}%"
        for group, members in groups().items():
            for known in members:
                control = _control(known, getattr(settings, known.name))
                control.add_class(f"wb-{known.name.replace('_', '-')}")
                control.observe(lambda change: on_change(), "value")
                self.controls[known.name] = control
            column: list[Widget] = [self.controls[known.name] for known in members]
            columns.append(VBox([HTML(f"<b>{group.capitalize()}</b>"), *column], layout=Layout(width=width)))
        super().__init__(columns, layout=Layout(width="100%"))
        self.add_class("wb-settings")

    @property
    def settings(self) -> Settings:
        return Settings(**{name: control.value for name, control in self.controls.items()})


def _control(known: Control, value: Any) -> Any:
    about: dict[str, Any] = {
        "description": known.label,
        "tooltip": known.help,
        "value": value,
        "layout": Layout(width="97%"),
        "style": {"description_width": "initial"},
    }
    if known.kind == "switch":
        return Checkbox(indent=False, **about)
    if known.kind == "choice":
        return Dropdown(options=known.choices, **about)
    assert known.low is not None
    assert known.high is not None  # numbers have limits
    if known.kind == "scale":
        return Switched(known.label, known.help, known.low, known.high, value=value, on=known.default)
    if known.high > MOST_SLID:
        return BoundedIntText(min=known.low, max=min(known.high, MOST_EXACT), **about)
    return IntSlider(min=known.low, max=max(MOST_STEPS, value), continuous_update=False, **about)


class Switched(HBox):
    """A scale that can be switched off, which sets its lowest value; switched on again, it has the value from
    before."""

    value = Float()

    def __init__(self, label: str, tooltip: str, low: float, high: float, *, value: float, on: float) -> None:
        self.switch = Checkbox(description=label, tooltip=tooltip, value=value > low, indent=False)
        self.switch.layout.width = "30%"
        self.scale = FloatSlider(
            min=low, max=high, step=0.05, value=value if value > low else on, continuous_update=False
        )
        self.scale.layout.width = "68%"
        self._low = low
        super().__init__([self.switch, self.scale], layout=Layout(width="97%"))
        self._join()
        for part in (self.switch, self.scale):
            part.observe(self._join, "value")

    def _join(self, change: Any = None) -> None:
        self.scale.disabled = not self.switch.value
        self.value = self.scale.value if self.switch.value else self._low
