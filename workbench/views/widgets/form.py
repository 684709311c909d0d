"""A form for ``Settings``, made from what each field says about itself, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

from ipywidgets import HTML, BoundedIntText, Checkbox, Dropdown, FloatSlider, HBox, IntSlider, Layout, VBox, Widget
from traitlets import Float

from workbench.pipeline.settings import Settings

MOST_SLID = 1000  # whole numbers that can be larger are typed
MOST_STEPS = 50  # a slider ends here: more than anybody waits for
MOST_EXACT = 2**53 - 1  # whole numbers a browser keeps exactly


class SettingsForm(HBox):
    """One control a field, in a column a group. ``controls``: field name -> control; ``settings``: what they say."""

    def __init__(self, settings: Settings, on_change: Callable[[], None]) -> None:
        self.controls: dict[str, Any] = {}
        columns: dict[str, list[Widget]] = {}
        for known in fields(Settings):
            control = _control(known, getattr(settings, known.name))
            control.add_class(f"wb-{known.name.replace('_', '-')}")
            control.observe(lambda change: on_change(), "value")
            self.controls[known.name] = control
            columns.setdefault(known.metadata["group"], []).append(control)
        groups = [
            VBox([HTML(f"<b>{group.capitalize()}</b>"), *of], layout=Layout(width="33%"))
            for group, of in columns.items()
        ]
        super().__init__(groups, layout=Layout(width="100%"))
        self.add_class("wb-settings")

    @property
    def settings(self) -> Settings:
        return Settings(**{name: control.value for name, control in self.controls.items()})


def _control(known: Field[Any], value: Any) -> Any:
    limits, default = known.metadata, known.default
    label = _label(known.name)
    about: dict[str, Any] = {
        "description": label,
        "tooltip": limits["help"],
        "value": value,
        "layout": Layout(width="97%"),
        "style": {"description_width": "initial"},
    }
    if isinstance(default, bool):
        return Checkbox(indent=False, **about)
    if isinstance(default, int):
        if limits["high"] > MOST_SLID:
            return BoundedIntText(min=limits["low"], max=min(limits["high"], MOST_EXACT), **about)
        return IntSlider(min=limits["low"], max=max(MOST_STEPS, value), continuous_update=False, **about)
    if isinstance(default, float):
        return Switched(label, limits["help"], limits["low"], limits["high"], value=value, on=default)
    return Dropdown(options=limits["choices"], **about)


class Switched(HBox):
    """A scale that can be switched off, which is its lowest value; switched on again, it stands where it stood."""

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


def _label(name: str) -> str:
    """``attention_slicing`` -> ``attention slicing``; names of parts in capitals, as the paper writes them."""
    return " ".join(word.upper() if word in ("artg", "tpm", "vae") else word for word in name.split("_"))
