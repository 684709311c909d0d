"""The endpoints that programs call, by gradio_client or HTTP, and by MCP when the server is started with --mcp.

from gradio_client import Client, handle_file

app = Client("http://127.0.0.1:7860")
token = app.predict(handle_file("clip.mp4"), settings={"steps": 4}, api_name="/submit")
app.predict(token, api_name="/status")  # until "state" is done
app.predict(token, api_name="/result")  # [{"label", "name", "size", "url"}, ...]
"""

# Gradio reads the annotations themselves, so they are not postponed here.
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.events import api
from gradio.route_utils import get_root_url

from workbench.app.request import MATERIAL
from workbench.app.request import Request as Job
from workbench.app.service import Service
from workbench.app.uploads import uploaded
from workbench.errors import WorkbenchError


def add_endpoints(page: gr.Blocks, service: Service) -> None:
    """Adds them to the page, whose own handlers may have the same names."""
    for handler in page.fns.values():
        handler.api_name = f"page_{handler._id}"

    def submit(
        clip: FileData | None = None,
        kind: str = "upscale",
        settings: dict | None = None,
        start: int = 0,
        frames: int | None = None,
        scale: float | None = None,
        height: int | None = None,
        lossless: bool = False,
        other: list | dict | str | None = None,
        second_clip: FileData | None = None,
        truth: bool = False,
        model: str = "",
        device: str = "auto",
        dtype: str = "auto",
        engine: str = "auto",
    ) -> str:
        """Queue a job on an uploaded clip; returns its token, to be given to status, result and stop.

        Args:
            clip: a video or an image; every kind needs one but "devices"
            kind: "upscale", "compare", "inside" or "devices"
            settings: names and values of workbench.Settings, such as {"steps": 4, "seed": 0}
            start: index of the first frame
            frames: only so many from there on
            scale: of the output, up to 4, which it is without one
            height: of the output, in rows, in place of scale
            lossless: FFV1 in .mkv, else H.264 in .mp4
            other: for "compare": other settings, "bicubic" or "lanczos", or a list of up to four of these
            second_clip: for "compare": your own upscaled video, one more of the others
            truth: for "compare": clip is high resolution, and the one to upscale is made from it
            model: a hub id that this server allows; empty for the server's own
            device: "auto", "cpu", "mps", "cuda" or "cuda:N"
            dtype: "auto", "fp32", "fp16" or "bf16"
            engine: what runs the networks: "auto", "torch", or another that "workbench engines" lists
        """
        with _told():
            values: dict[str, Any] = {
                "kind": kind, "settings": settings or {}, "start": start, "frames": frames,
                "scale": scale, "height": height, "lossless": lossless,
                "others": other if isinstance(other, list) else [] if other is None else [other],
                "truth": truth, "model": model or service.options.model, "device": device, "dtype": dtype,
                "engine": engine,
            }  # fmt: skip
            if second_clip is not None:
                values["others"].append(MATERIAL + _add(service, second_clip))
            if clip is not None:
                values["source"] = _add(service, clip)
            return service.submit(Job.from_dict(values))

    def status(token: str) -> dict:
        """How a job stands: state, position in the queue, done and total frames, seconds per frame and left, error.

        Args:
            token: what submit returned
        """
        with _told():
            return service.status(token).to_dict()

    def result(token: str, request: gr.Request) -> list[dict]:
        """The files of a job, each with label, name to save it under, size in bytes and the URL to fetch it from.

        Args:
            token: what submit returned
        """
        with _told():
            asked = request.request
            assert asked is not None
            here = get_root_url(asked, asked.url.path, service.options.root_path)
            found = service.status(token)
            return [
                {
                    "label": label,
                    "name": found.downloads.get(name, name),
                    "size": service.public_file(token, name).stat().st_size,
                    "url": f"{here}/jobs/{token}/{name}",
                }
                for label, name in found.files.items()
            ]

    def stop(token: str) -> dict:
        """End a job after the frame at hand; what it made is kept and plays. Returns its status.

        Args:
            token: what submit returned
        """
        with _told():
            return service.stop(token).to_dict()

    with page:
        for endpoint in (submit, status, result, stop):
            api(endpoint, api_name=endpoint.__name__, concurrency_limit=4)


def _add(service: Service, file: object) -> str:
    path, name = uploaded(file)
    return service.add_material([path], name)


@contextmanager
def _told() -> Iterator[None]:
    """What is refused reaches the caller in its own words."""
    try:
        yield
    except WorkbenchError as error:
        raise gr.Error(str(error), print_exception=False) from error
