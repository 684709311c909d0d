"""What the page's components hold -> a Request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.errors import RequestError
from workbench.app.page.form import MACHINE, Form, settings_from
from workbench.app.request import Kind, Request
from workbench.app.service import Service


@dataclass(frozen=True)
class Asked:
    """The components that every kind of job reads: the clip, the settings, the machine. ``tab``: the open one."""

    service: Service
    tab: gr.State
    clip: gr.State
    form: Form
    machine: list[Component]

    @property
    def inputs(self) -> list[Component]:
        return [self.clip, *self.form.inputs, *self.machine]

    def request(self, kind: Kind, values: Sequence[Any], **more: Any) -> Request:
        """``values``: those of ``inputs``, in their order. Raises RequestError or SettingsError."""
        clip, settings, machine = values[0], values[1 : 1 + len(self.form.inputs)], values[1 + len(self.form.inputs) :]
        if clip is None and kind != "devices":
            raise RequestError("Choose a clip first: drop one, or pick a sample.")
        chosen = dict(zip(MACHINE, machine, strict=True))
        return Request(
            kind=kind,
            source=clip["token"] if clip and kind != "devices" else None,
            settings=settings_from(settings),
            **chosen,
            **more,
        )


def size_of(clip: dict[str, Any] | None) -> tuple[int, int] | None:
    return (clip["width"], clip["height"]) if clip else None


def quarter(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Of the clip that is made from an original."""
    return (size[0] // 4, size[1] // 4) if size else None
