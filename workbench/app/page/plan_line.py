"""The sentence about time and memory beside a start button, and the button that makes fit what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.kinds import KINDS, Kind
from workbench.app.page import boxes
from workbench.app.page.asked import Asked
from workbench.app.page.events import NEWEST, PRIVATE
from workbench.app.request import Request
from workbench.errors import SettingsError, WorkbenchError
from workbench.pipeline.controls import controls

ASK = '<p class="plan">Choose a clip, and this line says how long it takes and how much memory it needs here.</p>'
MEND = '<p class="plan">A setting is out of its range: the message beside it says more.</p>'
WAIT = '<p class="plan">Working out time and memory …</p>'


def plan_line(kind: Kind) -> gr.HTML:
    """The sentence's place."""
    return gr.HTML(
        ASK if KINDS[kind].needs_clip else WAIT, elem_id=f"{kind}-plan", apply_default_css=False, min_width=260, scale=1
    )


def follow(
    asked: Asked, kind: Kind, line: gr.HTML, inputs: Sequence[Component], request: Callable[[Sequence[Any]], Request]
) -> None:
    """Keeps the sentence true while its tab is open. ``request``: the values of ``inputs`` -> what would be started."""
    changes = gr.State(None)
    fitting = gr.Button("", size="md", visible=False, elem_id=f"{kind}-fitting")
    hidden = gr.update(visible=False)

    def plan(tab: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        if tab != kind:
            return
        if values[0] is None and KINDS[kind].needs_clip:
            yield ASK, None, hidden
            return
        yield WAIT, gr.skip(), gr.skip()
        try:
            asks = request(values)
        except SettingsError:  # which is told beside the field
            yield MEND, None, hidden
            return
        except WorkbenchError as error:
            yield boxes.error(error), None, hidden
            return
        try:
            answer = asked.service.plan(asks)
        except WorkbenchError as error:
            yield boxes.error(error), None, hidden
            return
        instead = None if answer.fits else answer.instead
        yield boxes.plan(answer), instead, gr.update(visible=bool(instead), value=fitting_words(instead or {}))

    def use(instead: dict[str, Any]) -> list[Any]:
        return [gr.update(value=instead[c.name]) if c.name in instead else gr.skip() for c in controls()]

    triggers = [part.change for part in (asked.tab, *inputs) if part is not asked.shown]  # type: ignore[attr-defined]
    gr.on(triggers, plan, [asked.tab, *inputs], [line, changes, fitting], **NEWEST)
    fitting.click(use, changes, asked.form.inputs, **PRIVATE)


def fitting_words(changes: dict[str, Any]) -> str:
    """What the button says: the settings that it changes."""
    labels = {control.name: control.label for control in controls()}
    words = [f"{labels.get(name, name)} {_word(value)}" for name, value in changes.items()]
    return f"Use what fits: {', '.join(words)}"


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
