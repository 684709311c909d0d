"""``python demo_app.py``: the command line, the environment, and the server until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.ablation import effects
from workbench.app.errors import AppError
from workbench.app.limits import Limits
from workbench.app.models import MODELS, PUBLISHED
from workbench.app.options import Options
from workbench.app.service import Service
from workbench.errors import WorkbenchError
from workbench.startup import own_process

if TYPE_CHECKING:
    import gradio as gr

UPLOADS_AGE = 3600  # seconds after which Gradio's own copies of uploads go; ours are in the store


def main(words: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C or SIGTERM; returns the exit code."""
    own_process()
    try:
        options = options_from(sys.argv[1:] if words is None else words, os.environ)
        serve(options)
    except WorkbenchError as error:
        print(f"demo_app: {error}", file=sys.stderr)
        return 2
    return 0


def serve(options: Options) -> None:
    """Children begin to import torch while this process imports Gradio; it loads no torch itself."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    service = Service(options)
    try:
        launch(service).block_thread()
    finally:
        service.close()


def launch(service: Service) -> gr.Blocks:
    """The page with its routes and endpoints, listening."""
    options = service.options
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Gradio's default is one folder for all users of a machine, whose first user owns it.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(service.store.root / "uploads"))
    from gradio.utils import get_upload_folder

    from workbench.app import page, web
    from workbench.app.api import add_endpoints

    cache = Path(get_upload_folder()).resolve()
    if service.store.root.is_relative_to(cache):  # whatever lies there, Gradio hands out by path
        raise AppError(f"--data must not be inside Gradio's cache {cache}; choose another folder.")
    demo = page.build(service, effects())
    add_endpoints(demo, service)
    demo.delete_cache = (UPLOADS_AGE // 4, UPLOADS_AGE)
    demo.queue(max_size=64)
    demo.launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share,
        auth=options.auth,
        root_path=options.root_path,
        mcp_server=options.mcp,
        max_file_size=options.limits.megabytes * 1_000_000,
        blocked_paths=[str(folder) for folder in service.store.private],
        app_kwargs={"routes": web.routes(service)},
        prevent_thread_lock=True,
        _frontend=False,  # else it asks itself for the page once, and gives up after 3 s, which a busy machine may take
        show_error=True,
        ssr_mode=False,
        run_history=False,
        footer_links=["api"],
        **page.LAUNCH,
    )
    return demo


def options_from(words: Sequence[str], environment: Mapping[str, str]) -> Options:
    """The command line, and where it says nothing, the environment. Raises AppError; exits on unknown words."""
    given = parser(environment).parse_args(words)
    limits = Limits(
        megabytes=given.max_megabytes,
        seconds=given.max_seconds,
        pixels=given.max_pixels,
        frames=given.max_frames,
        waiting=given.queue,
        turn=given.live_seconds,
    )
    if given.mcp and find_spec("mcp") is None:
        raise AppError("--mcp needs a package that is not installed: pip install 'gradio[mcp]'.")
    model = "" if given.model in ("", "embedded") else given.model
    if model and Path(model).expanduser().is_dir():
        model = str(Path(model).expanduser().resolve())
    return Options(
        data=given.data or data_folder(environment),
        host=given.host,
        port=given.port,
        model=model,
        models=tuple(dict.fromkeys((model, *MODELS))),
        any_model=given.allow_any_model,
        device=given.device,
        share=given.share,
        auth=_auth(given.auth),
        mcp=given.mcp,
        root_path=environment.get("GRADIO_ROOT_PATH") if given.root_path is None else given.root_path,
        keep_hours=given.keep_hours,
        limits=limits,
    )


def parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Defaults come from the environment: PORT, STREAM_DIFFVSR_MODEL_ID, and the usual GRADIO_* variables."""
    limits = Limits()
    made = argparse.ArgumentParser(
        prog="demo_app.py",
        description="The web app: upload a clip, watch it get better, compare, look inside.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument(
        "--host", default=environment.get("GRADIO_SERVER_NAME") or "127.0.0.1",
        help="address to listen at; 0.0.0.0 is reachable from other machines",
    )  # fmt: skip
    made.add_argument(
        "--port", type=_port, default=_port_from(environment), help="first free one from 7860 on if not given"
    )
    made.add_argument(
        "--model", default=environment.get("STREAM_DIFFVSR_MODEL_ID") or "embedded",
        help=f"model that forms start with: embedded, a hub id such as {PUBLISHED}, or a folder",
    )  # fmt: skip
    made.add_argument("--allow-any-model", action="store_true", help="let people name any hub id (safetensors only)")
    made.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
    made.add_argument(
        "--share", action="store_true", default=environment.get("GRADIO_SHARE", "").lower() == "true",
        help="a public link through Gradio's tunnel",
    )  # fmt: skip
    made.add_argument("--auth", metavar="USER:PASSWORD", default=None, help="who may enter")
    made.add_argument("--root-path", default=None, help="path of this app behind a proxy")
    made.add_argument("--max-megabytes", type=_above(int), default=limits.megabytes, help="of an upload")
    made.add_argument("--max-seconds", type=_above(float), default=limits.seconds, help="of a clip")
    made.add_argument("--max-frames", type=_above(int), default=limits.frames, help="of a clip")
    made.add_argument("--max-pixels", type=_above(int), default=limits.pixels, help="of a frame before upscaling")
    made.add_argument("--queue", type=_above(int), default=limits.waiting, help="jobs that may wait for each device")
    made.add_argument(
        "--live-seconds", type=_above(float), default=limits.turn, help="of a live viewer while other jobs wait"
    )
    made.add_argument("--keep-hours", type=_above(float), default=24.0, help="until jobs and uploads are deleted")
    made.add_argument(
        "--data", type=Path, default=None, help="folder of jobs and uploads; one of this user's if not given"
    )
    made.add_argument("--mcp", action="store_true", help="serve the endpoints as tools of the Model Context Protocol")
    return made


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's programs keep their state; on a Space, whose disk goes with it, a temporary folder."""
    if environment.get("SPACE_ID"):
        return Path(tempfile.mkdtemp(prefix="stream-diffvsr-"))
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "stream-diffvsr"


def _port_from(environment: Mapping[str, str]) -> int | None:
    text = environment.get("PORT") or environment.get("GRADIO_SERVER_PORT")
    if not text:
        return None
    try:
        return _port(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise AppError(f"PORT (or GRADIO_SERVER_PORT) must be a port number from 1 to 65535, got {text!r}.") from None


def _port(text: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text}")
    return int(text)


def _above(kind: type) -> Any:
    def number(text: str) -> Any:
        if kind(text) <= 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return kind(text)

    number.__name__ = "number"
    return number


def _auth(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, _, password = text.partition(":")
    if not user or not password:
        raise AppError("--auth must be USER:PASSWORD, both of them not empty.")
    return user, password


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt
