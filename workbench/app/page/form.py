"""The settings as a form, made from ``workbench.pipeline.controls``; model, device and precision beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.request import DTYPES
from workbench.app.service import Options
from workbench.pipeline.controls import Control, controls, groups
from workbench.pipeline.settings import Settings

SAFE = 2**53 - 1  # the largest whole number that a browser holds exactly
EMBEDDED = "embedded: small, runs anywhere"


@dataclass(frozen=True)
class Form:
    """Components in the order of ``Settings``' fields."""

    inputs: list[Component]

    def updates(self, settings: Settings) -> list[Any]:
        """What its components show for these settings."""
        return [gr.update(value=value) for value in settings.to_dict().values()]


def settings_from(values: Sequence[Any]) -> Settings:
    """The values of a form's components -> Settings; raises SettingsError for an empty or wrong one."""
    named = {control.name: _exact(control, value) for control, value in zip(controls(), values, strict=True)}
    return Settings.from_dict(named)


def settings_form(effects: Mapping[str, str], *, name: str, open_groups: Sequence[str] = ()) -> Form:
    """One accordion per group. ``effects``: setting -> one line of what it was measured to do. ``name``: begins ids."""
    made: dict[str, Component] = {}
    for group, members in groups().items():
        with gr.Accordion(group.capitalize(), open=group in open_groups, elem_classes="settings-group"):
            for control in members:
                made[control.name] = _component(control, effects.get(control.name), f"{name}-{control.name}")
    return Form([made[control.name] for control in controls()])


def machine_form(options: Options) -> list[Component]:
    """Model, device and precision, in the order of ``MACHINE``."""
    with gr.Accordion("Device and model", open=False, elem_classes="settings-group"):
        model = gr.Dropdown(
            [(known or EMBEDDED, known) for known in options.models],
            value=options.model,
            label="Model",
            info="The published weights want a GPU and are downloaded once",
            allow_custom_value=options.any_model,
            elem_id="model",
        )
        device = gr.Dropdown(
            device_choices(options.device),
            value=options.device,
            label="Device",
            info="One job at a time on each; the others wait in its queue",
            elem_id="device",
        )
        dtype = gr.Dropdown(
            list(DTYPES),
            value="auto",
            label="Precision",
            info="auto is fp16 on a GPU and fp32 on a CPU; fp16 halves the memory of weights and activations",
            elem_id="dtype",
        )
    return [model, device, dtype]


def device_choices(*names: str, found: Sequence[Mapping[str, Any]] = ()) -> list[tuple[str, str]]:
    """``names``: kept whatever was found; ``found``: what ``Service.devices`` says, which is not known at once."""
    labels = {**{name: name for name in names}, "auto": "auto: the fastest here"}
    labels |= {device["name"]: device["label"] for device in found}
    return [(label, name) for name, label in labels.items()]


def output_form() -> tuple[gr.Checkbox, gr.Number]:
    """Whether to keep every bit, and how many frames (0: all)."""
    with gr.Accordion("Output", open=False, elem_classes="settings-group"):
        lossless = gr.Checkbox(
            False,
            label="Lossless",
            info="FFV1 in .mkv: large, every pixel as it was made; else H.264 in .mp4",
            elem_id="lossless",
        )
        frames = gr.Number(
            0, label="First frames only", info="0 takes the whole clip", minimum=0, precision=0, elem_id="frames"
        )
    return lossless, frames


MACHINE = ("model", "device", "dtype")


def _component(control: Control, effect: str | None, elem_id: str) -> Component:
    info = control.help[0].upper() + control.help[1:]
    if effect:
        info = f"{info}\nMeasured: {effect}"
    shared: dict[str, Any] = {"label": control.label, "info": info, "value": control.default, "elem_id": elem_id}
    if control.kind == "switch":
        return gr.Checkbox(**shared)
    if control.kind == "choice":
        return gr.Dropdown(list(control.choices), **shared)
    if control.kind == "scale":
        return gr.Slider(control.low or 0.0, control.high or 1.0, step=0.05, buttons=[], **shared)
    return gr.Number(minimum=control.low, maximum=min(control.high or SAFE, SAFE), precision=0, **shared)


def _exact(control: Control, value: Any) -> Any:
    """What a component gave, in the setting's own type: JSON has one kind of number."""
    return int(value) if control.kind == "whole" and isinstance(value, float) and value.is_integer() else value
