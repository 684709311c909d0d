"""The clip that all tabs work on: upload it, record it, or take a sample; then choose a range of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.app.page import boxes
from workbench.app.page.events import NEWEST, PRIVATE
from workbench.app.page.fields import Upload, uploads, whole
from workbench.app.page.samples import samples
from workbench.app.service import Service
from workbench.app.values import ClipShown
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class ClipPanel:
    """The chosen clip's components."""

    clip: gr.State
    """A ``ClipShown``, or None."""
    card: gr.HTML
    said: gr.HTML
    """What went wrong."""
    restore: gr.Button
    """Takes over the settings of a clip that is a result; there only for such a clip."""
    span: list[Component]
    """First, last and shown frame; out of sight, and set by the card's range picker."""

    @property
    def outputs(self) -> list[Any]:
        return [self.clip, self.card, self.said, self.restore, *self.span]

    def updates(self, clip: ClipShown | None, said: str = "", frames: tuple[int, int] | None = None) -> list[Any]:
        """What ``outputs`` show for a clip. ``frames``: the first and the last of its range; None takes all."""
        if clip is None:
            return [None, boxes.EMPTY_CLIP, said, gr.update(visible=False), 0, None, 0]
        first, last = frames or (0, clip.probe.frames - 1)
        shown = first or clip.probe.telling
        restore = gr.update(visible=bool(clip.probe.made_with))
        return [clip, boxes.clip_card(clip, first, last, shown), said, restore, first, last, shown]


def clip_of(service: Service, token: str) -> ClipShown:
    """Looks at an upload; raises InputError for what is no clip, LimitError for one that is too much."""
    return ClipShown(token, service.material(token).name, service.probe(token))


def add(service: Service, uploads: Sequence[Upload]) -> ClipShown:
    """Files of one upload (several are frames, in the order of their names) -> the clip."""
    files = sorted(uploads, key=lambda file: file.name)
    name = files[0].name if len(files) == 1 else f"{len(files)} frames"
    return clip_of(service, service.add_material([file.path for file in files], name, [file.name for file in files]))


def clip_panel(service: Service) -> ClipPanel:
    clip = gr.State(None)
    shown = gr.HTML(boxes.EMPTY_CLIP, elem_id="clip", apply_default_css=False)
    said = gr.HTML("", elem_id="clip-said", apply_default_css=False)
    restore = gr.Button("Use the settings that this was made with", size="sm", visible=False, elem_id="restore")
    upload = gr.File(file_count="multiple", show_label=False, height=118, elem_id="clip-upload", buttons=[])
    known = samples()
    with gr.Row(elem_classes="samples", visible=bool(known)):
        picks = {name: gr.Button(f"Sample: {name}", size="sm", min_width=80) for name in known}
    with gr.Accordion("Record with the webcam", open=False, elem_id="webcam", elem_classes="settings-group"):
        gr.HTML(boxes.webcam("#clip-upload", service.options.limits.seconds), apply_default_css=False)
    span = [_hidden(name) for name in ("first", "last", "shown")]
    panel = ClipPanel(clip, shown, said, restore, span)

    def take(files: Sequence[Upload]) -> Iterator[list[Any]]:
        yield [gr.skip(), boxes.LOOKING, "", gr.update(visible=False), *(gr.skip() for _ in span)]
        try:
            yield panel.updates(add(service, files))
        except WorkbenchError as error:
            yield panel.updates(None, boxes.error(error))

    def take_upload(files: Any) -> Iterator[list[Any]]:
        """The box is empty again at once, so that what is dropped while this is looked at is another upload."""
        if not files:
            return
        for number, updates in enumerate(take(uploads(files))):
            yield [*updates, gr.skip() if number else None]

    upload.upload(take_upload, upload, [*panel.outputs, upload], preprocess=False, **NEWEST)
    for name, button in picks.items():
        button.click(partial(take, [Upload(known[name], known[name].name)]), None, panel.outputs, **PRIVATE)
    return panel


def _hidden(name: str) -> Component:
    """A number that the card's range picker sets."""
    return whole(value=None, label=f"Clip: {name} frame", elem_id=f"clip-{name}", elem_classes="away")
