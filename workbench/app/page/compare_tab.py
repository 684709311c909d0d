"""Compare: the settings against plain interpolation, presets, other settings, or a person's own second video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from workbench.ablation.presets import presets
from workbench.app.errors import RequestError
from workbench.app.models import OWN_MODELS
from workbench.app.page.asked import Asked, Span
from workbench.app.page.clip import add
from workbench.app.page.events import NEWEST, PRIVATE, said
from workbench.app.page.fields import uploads, whole
from workbench.app.page.form import SIZES, settings_form, settings_from
from workbench.app.page.tab import Own
from workbench.app.request import DAMAGE, INTERPOLATIONS, MATERIAL, PEERS, peers_installed
from workbench.pipeline.settings import Settings

OTHER_SETTINGS, OTHER_VIDEO = "settings", "video"
FRAMES = 24
CHAINS = [
    ("bicubic, nothing more", DAMAGE),
    ("H.264 as an upload: bicubic+h264:28", "bicubic+h264:28"),
    ("H.265 as a phone: bicubic+h265:30", "bicubic+h265:30"),
    ("VP9 as a video site: bicubic+vp9:40", "bicubic+vp9:40"),
    ("AV1 as a video site: bicubic+av1:45", "bicubic+av1:45"),
    ("MPEG-2 as a DVD: bicubic+mpeg2:8", "bicubic+mpeg2:8"),
    ("Noise of a sensor, then H.264: bicubic+noise:3+h264:28", "bicubic+noise:3+h264:28"),
    ("Soft lens, then H.264: bicubic+blur:1+h264:23", "bicubic+blur:1+h264:23"),
    ("JPEG frames: bicubic+jpeg:60", "bicubic+jpeg:60"),
    ("Real-ESRGAN's random chain: realesrgan", "realesrgan"),
]  # what each stands for: docs/degradations.md


def compare(asked: Asked, effects: Mapping[str, str]) -> Own:
    """Up to four variants against the settings on the left."""
    ready = {preset.name: Settings(**preset.changes) for preset in presets()}
    choices = [
        *((name.capitalize(), name) for name in INTERPOLATIONS),
        *((f"model {name}", name) for name in OWN_MODELS),
        *((name, name) for name in PEERS if peers_installed()),
        *((f"{name} settings", name) for name in ready),
        ("Other settings", OTHER_SETTINGS),
        ("My own second video", OTHER_VIDEO),
    ]
    against = gr.CheckboxGroup(choices, value=["bicubic"], label="Set your settings against", elem_id="against")
    with gr.Accordion("Other settings", visible=False, elem_id="other-settings", elem_classes="settings-group") as more:
        form = settings_form(effects, name="other")
    with gr.Column(visible=False, elem_id="other-video") as other_video:
        upload = gr.File(
            label="Second video of the clip, four times as wide and high or of the output's size",
            height=118,
            elem_id="second-upload",
        )
        message = gr.HTML("", elem_id="second-said", apply_default_css=False)
    second = gr.State(None)
    truth = gr.Checkbox(
        False,
        label="This clip is the high-resolution original: make the small one from it",
        info="It is scaled down to a quarter, upscaled again, and every number is taken against it",
        elem_id="truth",
    )
    damage = gr.Dropdown(
        CHAINS,
        value=DAMAGE,
        label="How it is made small, and what it suffers",
        info="A chain of steps: your own may be written here, such as bicubic+noise:3+h264:28",
        allow_custom_value=True,
        visible=False,
        elem_id="damage",
    )
    frames = whole(
        value=FRAMES,
        label="Frames at most",
        info="0 takes the whole range",
        min_width=170,
        scale=0,
        elem_id="compare-frames",
        render=False,
    )

    def take(files: Any) -> tuple[Any, str]:
        return add(asked.service, uploads(files)).token, ""

    def show(chosen: Sequence[str]) -> tuple[Any, Any]:
        return gr.update(visible=OTHER_SETTINGS in chosen), gr.update(visible=OTHER_VIDEO in chosen)

    def fields(
        span: Span,
        chosen: Sequence[str],
        video: str | None,
        original: Any,
        chain: str,
        count: Any,
        size: str,
        *own: Any,
    ) -> dict[str, Any]:
        if not chosen:
            raise RequestError("Choose what to set your settings against.")
        most = _count(count)
        return {
            **span.frames(most or None),
            "others": tuple(_other(choice, ready, video, own) for choice in chosen),
            "truth": bool(original),
            **({"damage": "".join(chain.split())} if original else {}),
            **SIZES[size],
        }

    truth.change(lambda on: gr.update(visible=bool(on)), truth, damage, **PRIVATE)
    against.change(show, against, [more, other_video], **PRIVATE)
    upload.upload(said(take), upload, [second, message], preprocess=False, **NEWEST)
    upload.clear(lambda: (None, ""), None, [second, message], **PRIVATE)
    inputs = [against, second, truth, damage, frames, asked.size, *form.inputs]
    return Own(button="Compare", inputs=inputs, beside=[frames], fields=fields)


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise RequestError(f"Frames at most must be a whole number, 0 for the whole range; got {value!r}.")
    return value


def _other(choice: str, ready: Mapping[str, Settings], video: str | None, own: Sequence[Any]) -> Settings | str:
    """What a choice stands for, as in ``Request.others``."""
    if choice in ready:
        return ready[choice]
    if choice == OTHER_SETTINGS:
        return settings_from(own)
    if choice != OTHER_VIDEO:
        return choice
    if not video:
        raise RequestError("Choose the second video first.")
    return f"{MATERIAL}{video}"
