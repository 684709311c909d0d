"""Compare: the settings against others, plain interpolation, or a person's own second video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from workbench.app.errors import RequestError
from workbench.app.page import boxes
from workbench.app.page.asked import Asked, size_of
from workbench.app.page.clip import SUFFIXES, taken
from workbench.app.page.events import PRIVATE, said
from workbench.app.page.form import settings_form, settings_from
from workbench.app.request import MATERIAL
from workbench.pipeline.settings import Settings

OTHER_SETTINGS, OTHER_VIDEO = "settings", "video"
AGAINST = [
    ("Bicubic", "bicubic"),
    ("Lanczos", "lanczos"),
    ("Other settings", OTHER_SETTINGS),
    ("My own second video", OTHER_VIDEO),
]


def compare_tab(asked: Asked, effects: Mapping[str, str]) -> gr.HTML:
    """Builds the tab -> its job view."""
    against = gr.Radio(AGAINST, value="bicubic", label="Set your settings against", elem_id="against")
    truth = gr.Checkbox(
        False,
        label="This clip is the high-resolution original: make the small one from it",
        info="The clip is scaled down to a quarter, upscaled again, and measured against itself",
        elem_id="truth",
    )
    with gr.Column(visible=False, elem_id="other-settings") as other_settings:
        form = settings_form(effects, name="other")
    with gr.Column(visible=False, elem_id="other-video") as other_video:
        second = gr.File(file_types=SUFFIXES, label="Second video: four times as wide and high as the clip", height=118, elem_id="second-upload")
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Compare", variant="primary", size="md", min_width=130, scale=0, elem_id="compare")
        frames = gr.Number(24, label="First frames only", minimum=0, precision=0, min_width=150, scale=0, elem_id="compare-frames")
    message = gr.HTML("", elem_id="compare-said", apply_default_css=False)
    view = gr.HTML(boxes.job("compare"), elem_id="compare-job", apply_default_css=False)
    count = len(asked.inputs)

    def other(choice: str, file: str | None, values: tuple[Any, ...]) -> Settings | str:
        if choice == OTHER_SETTINGS:
            return settings_from(values)
        if choice != OTHER_VIDEO:
            return choice
        if not file:
            raise RequestError("Choose the second video first.")
        return f"{MATERIAL}{taken(asked.service, [file])['token']}"

    def submit(*values: Any) -> tuple[str, str]:
        shared, (choice, file, is_truth, first), others = values[:count], values[count : count + 4], values[count + 4 :]
        request = asked.request(
            "compare", shared, other=other(choice, file, others), truth=bool(is_truth), frames=int(first) if first else None
        )
        clip = shared[0]
        size = size_of(clip)
        if size and is_truth:
            size = (size[0] // 4, size[1] // 4)
        return boxes.job("compare", asked.service.submit(request), size), ""

    against.change(
        lambda choice: (gr.update(visible=choice == OTHER_SETTINGS), gr.update(visible=choice == OTHER_VIDEO)),
        against,
        [other_settings, other_video],
        **PRIVATE,
    )
    start.click(said(submit), [*asked.inputs, against, second, truth, frames, *form.inputs], [view, message], **PRIVATE)
    return view
