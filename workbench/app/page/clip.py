"""The clip that all tabs work on: upload it, record it, or take a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.app.page import boxes
from workbench.app.page.events import PRIVATE
from workbench.app.page.samples import samples
from workbench.app.service import Service
from workbench.app.store import IMAGES, VIDEOS
from workbench.errors import WorkbenchError

Clip = dict[str, Any]  # what ``Service.probe`` says, with "token" and "name"
SUFFIXES = sorted(VIDEOS | IMAGES)


@dataclass(frozen=True)
class ClipPanel:
    """``clip``: state that holds a ``Clip`` or None; ``card`` shows it, ``said`` what went wrong."""

    clip: gr.State
    card: gr.HTML
    said: gr.HTML


def clip_of(service: Service, token: str) -> Clip:
    """Looks at an upload; raises InputError for what is no clip, LimitError for one that is too much."""
    return {**service.probe(token), "token": token, "name": service.material(token)["name"]}


def taken(service: Service, paths: Sequence[str | Path]) -> Clip:
    """Files of one upload (several are frames, in the order of their names) -> the clip."""
    files = sorted(map(Path, paths), key=lambda path: path.name)
    name = files[0].name if len(files) == 1 else f"{len(files)} frames"
    return clip_of(service, service.add_material(files[0] if len(files) == 1 else files, name))


def card(clip: Clip | None) -> str:
    return boxes.clip_card(clip["token"], clip["name"], clip) if clip else boxes.EMPTY_CLIP


def clip_panel(service: Service) -> ClipPanel:
    clip = gr.State(None)
    shown = gr.HTML(boxes.EMPTY_CLIP, elem_id="clip", apply_default_css=False)
    said = gr.HTML("", elem_id="clip-said", apply_default_css=False)
    upload = gr.File(
        file_count="multiple", file_types=SUFFIXES, show_label=False, height=118, elem_id="clip-upload", buttons=[]
    )
    known = samples()
    with gr.Row(elem_classes="samples", visible=bool(known)):
        picks = {name: gr.Button(f"Sample: {name}", size="sm", min_width=80) for name in known}
    with gr.Accordion("Record with the webcam", open=False, elem_id="webcam", elem_classes="settings-group"):
        gr.HTML(boxes.webcam("#clip-upload", service.options.limits.seconds), apply_default_css=False)

    def take(paths: Sequence[str] | str | None) -> Iterator[tuple[Any, ...]]:
        if not paths:
            return
        yield gr.skip(), boxes.LOOKING, ""
        try:
            new = taken(service, [paths] if isinstance(paths, str) else paths)
        except WorkbenchError as error:
            yield None, boxes.EMPTY_CLIP, boxes.error(error)
        else:
            yield new, card(new), ""

    outputs = [clip, shown, said]
    upload.upload(take, upload, outputs, **PRIVATE).then(lambda: None, None, upload, **PRIVATE)
    for name, button in picks.items():
        button.click(partial(take, str(known[name])), None, outputs, **PRIVATE)
    return ClipPanel(clip, shown, said)
