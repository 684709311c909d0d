"""What the page's components hold -> a Request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.errors import RequestError
from workbench.app.kinds import KINDS, Kind
from workbench.app.page.form import MACHINE, Form, settings_from
from workbench.app.request import Request
from workbench.app.service import Service
from workbench.app.values import ClipShown

Size = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """What the range picker says, by frame indices of the clip."""

    first: int
    last: int
    shown: int
    """The frame that the picker shows."""
    total: int
    """Frames of the whole clip."""

    def frames(self, most: int | None = None, *, start: int | None = None) -> dict[str, Any]:
        """The fields of a request for at most so many frames (None: all) from ``start`` on (None: the first)."""
        begin = self.first if start is None else min(max(start, self.first), self.last)
        count = self.last - begin + 1
        count = count if most is None else min(count, most)
        return {} if count == self.total else {"start": begin, "frames": count}


@dataclass(frozen=True)
class Asked:
    """The components that every kind of job reads: the clip and its range, the settings, the machine, the output."""

    service: Service
    tab: gr.State
    """The kind whose tab is open."""
    clip: gr.State
    span: list[Component]
    """First, last and shown frame."""
    form: Form
    machine: list[Component]
    size: Component
    """How large an output is to be: a name in ``form.SIZES``."""

    @property
    def inputs(self) -> list[Component]:
        return [self.clip, *self.span, *self.form.inputs, *self.machine]

    @property
    def shown(self) -> Component:
        """The frame that the picker shows: it changes while a person looks, and no estimate with it."""
        return self.span[2]

    def request(self, kind: Kind, values: Sequence[Any], fields: Callable[[Span], dict[str, Any]]) -> Request:
        """``values``: those of ``inputs``, in their order; ``fields``: what this kind asks for beside them.

        Raises RequestError or SettingsError.
        """
        clip, first, last, shown, *rest = values
        count = len(self.form.inputs)
        asks: dict[str, Any] = dict(zip(MACHINE, rest[count:], strict=True))
        if KINDS[kind].needs_clip:
            if clip is None:
                raise RequestError("Choose a clip first: drop one, or pick a sample.")
            asks |= {"source": clip.token, **fields(_span(clip, first, last, shown))}
        return Request(kind=kind, settings=settings_from(rest[:count]), **asks)


def _span(clip: ClipShown, first: Any, last: Any, shown: Any) -> Span:
    """Within the clip, whatever the picker of another one said a moment ago."""
    end = clip.probe.frames - 1
    begin = min(int(first or 0), end)
    return Span(begin, max(begin, end if last is None else min(int(last), end)), int(shown or 0), clip.probe.frames)
