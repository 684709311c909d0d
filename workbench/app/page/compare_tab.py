"""Compare: the settings against others, plain interpolation, or a person's own second video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from workbench.app.errors import RequestError
from workbench.app.page import boxes
from workbench.app.page.asked import Asked, quarter, size_of
from workbench.app.page.clip import SUFFIXES, taken
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.form import settings_form, settings_from
from workbench.app.page.plan_line import follow, plan_line
from workbench.app.request import MATERIAL, Request
from workbench.pipeline.settings import Settings

OTHER_SETTINGS, OTHER_VIDEO = "settings", "video"
AGAINST = [
    ("Bicubic", "bicubic"),
    ("Lanczos", "lanczos"),
    ("Other settings", OTHER_SETTINGS),
    ("My own second video", OTHER_VIDEO),
]
FRAMES = 24


def compare_tab(asked: Asked, effects: Mapping[str, str]) -> gr.HTML:
    """Builds the tab -> its job view."""
    against = gr.Radio(AGAINST, value="bicubic", label="Set your settings against", elem_id="against")
    with gr.Column(visible=False, elem_id="other-settings") as other_settings:
        form = settings_form(effects, name="other")
    with gr.Column(visible=False, elem_id="other-video") as other_video:
        upload = gr.File(
            file_types=SUFFIXES,
            label="Second video, four times as wide and high as the clip",
            height=118,
            elem_id="second-upload",
        )
    second = gr.State(None)
    truth = gr.Checkbox(
        False,
        label="This clip is the high-resolution original: make the small one from it",
        info="It is scaled down to a quarter, upscaled again, and every number is taken against it",
        elem_id="truth",
    )
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Compare", variant="primary", size="md", min_width=130, scale=0, elem_id="compare")
        frames = gr.Number(
            FRAMES, label="First frames only", info="0 takes all", minimum=0, precision=0, min_width=170, scale=0,
            elem_id="compare-frames",
        )  # fmt: skip
        line = plan_line("compare")
    inputs = [*asked.inputs, against, second, truth, frames, *form.inputs]
    shared = len(asked.inputs)

    def request(values: Sequence[Any]) -> Request:
        choice, video, original, first = values[shared : shared + 4]
        return asked.request(
            "compare",
            values[:shared],
            other=_other(choice, video, values[shared + 4 :]),
            truth=bool(original),
            frames=int(first or 0) or None,
        )

    def start_job(*values: Any) -> tuple[str, str]:
        asks = request(values)
        size = size_of(values[0])
        return boxes.job("compare", asked.service.submit(asks), quarter(size) if asks.truth else size), ""

    def take(path: str) -> tuple[str, str]:
        return taken(asked.service, [path])["token"], ""

    follow(asked, "compare", line, inputs, request)
    message = gr.HTML("", elem_id="compare-said", apply_default_css=False)
    view = gr.HTML(boxes.job("compare"), elem_id="compare-job", apply_default_css=False)
    against.change(
        lambda choice: (gr.update(visible=choice == OTHER_SETTINGS), gr.update(visible=choice == OTHER_VIDEO)),
        against,
        [other_settings, other_video],
        **PRIVATE,
    )
    upload.upload(said(take), upload, [second, message], **PRIVATE)
    upload.clear(lambda: None, None, second, **PRIVATE)
    start.click(said(start_job), inputs, [view, message], **PRIVATE)
    return view


def _other(choice: str, video: str | None, settings: Sequence[Any]) -> Settings | str:
    """What the choice stands for, as ``Request.other``."""
    if choice == OTHER_SETTINGS:
        return settings_from(settings)
    if choice != OTHER_VIDEO:
        return choice
    if not video:
        raise RequestError("Choose the second video first.")
    return f"{MATERIAL}{video}"
