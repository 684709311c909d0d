"""Routes beside Gradio's own: jobs, uploads and the example. The server's login guards them all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from workbench.app import live
from workbench.app.errors import NotFound, QueueFull, RequestError
from workbench.app.service import Service
from workbench.app.votes import keep_vote
from workbench.errors import WorkbenchError

EXAMPLE = Path(__file__).parent.parent / "data" / "example"
TYPES = {".json": "application/json", ".mkv": "video/x-matroska"}  # some systems do not know them
MOST_SENT = 4096  # bytes
PLAIN = {"X-Content-Type-Options": "nosniff"}
Handler = Callable[[Request], Response]


def routes(service: Service) -> list[BaseRoute]:
    """To be given to Gradio's app, before whose own routes they are matched."""

    def job(request: Request) -> Response:
        return _json(service.status(request.path_params["token"]).to_dict())

    def stop(request: Request) -> Response:
        return _json(service.stop(request.path_params["token"]).to_dict())

    def resume(request: Request) -> Response:
        return _json(service.resume(request.path_params["token"]).to_dict())

    def vote(request: Request) -> Response:
        return _json(keep_vote(service, request.path_params["token"], request.scope["body"]))

    def job_file(request: Request) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        path = service.public_file(token, name)
        called = service.store.status(token).downloads.get(name) or str(name)
        headers = {"Content-Disposition": f"inline; filename*=utf-8''{quote(called)}"}
        if path.name.startswith("live"):
            headers["Cache-Control"] = "no-store"
        if path.suffix == ".html":  # made here, but from a stranger's words: it runs in no origin
            headers["Content-Security-Policy"] = "sandbox allow-scripts"
        return _file(path, headers)

    def material(request: Request) -> Response:
        path = service.material(request.path_params["token"]).path
        return _file(min(path.iterdir()) if path.is_dir() else path)  # of a folder of frames, the first

    def picture(request: Request) -> Response:
        return _file(service.picture(request.path_params["token"], request.path_params["name"]))

    def example(request: Request) -> Response:
        name = request.path_params["name"]
        known = {file.name: file for file in EXAMPLE.iterdir() if file.is_file()} if EXAMPLE.is_dir() else {}
        if name not in known:
            raise NotFound("the example has no such file.")
        return _file(known[name], {"Cache-Control": "max-age=600"})

    return [
        live.route(service, may_enter),
        Route("/jobs/{token}", _guarded(job), methods=["GET"]),
        Route("/jobs/{token}/stop", _guarded(stop), methods=["POST"]),
        Route("/jobs/{token}/resume", _guarded(resume), methods=["POST"]),
        Route("/jobs/{token}/votes", _guarded(vote), methods=["POST"]),
        Route("/jobs/{token}/{name}", _guarded(job_file), methods=["GET"]),
        Route("/materials/{token}", _guarded(material), methods=["GET"]),
        Route("/materials/{token}/{name}", _guarded(picture), methods=["GET"]),
        Route("/example/{name}", _guarded(example), methods=["GET"]),
    ]


def _guarded(handler: Handler) -> Callable[[Request], Any]:
    """Runs in a thread, behind the login, and turns what is refused into JSON ``{"error": MESSAGE}``."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        if not may_enter(request):
            return _json({"error": "log in first"}, 401)
        if request.method == "POST":  # read here: the handlers run in a thread
            request.scope["body"] = await _body(request)
        try:
            return await anyio.to_thread.run_sync(handler, request)
        except NotFound as error:
            return _json({"error": str(error)}, 404)
        except RequestError as error:
            return _json({"error": str(error)}, 400)
        except QueueFull as error:
            return _json({"error": str(error)}, 429)
        except WorkbenchError as error:
            return _json({"error": str(error)}, 409)

    return answer


async def _body(request: Request) -> bytes:
    """What was sent, as far as any answer here is long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_SENT:
            break
    return body[:MOST_SENT]


def may_enter(request: HTTPConnection) -> bool:
    """As Gradio's own ``login_check``: everybody, or with --auth whoever holds the cookie of a login."""
    app = request.app
    if app.auth is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) is not None for name in names)


def _json(value: dict[str, Any], code: int = 200) -> Response:
    return JSONResponse(value, code, headers={"Cache-Control": "no-store", **PLAIN})


def _file(path: Path, headers: dict[str, str] | None = None) -> Response:
    """The file, by byte ranges where they are asked for (players jump)."""
    shared = {"Cache-Control": "private, no-cache", **PLAIN}
    return FileResponse(path, media_type=TYPES.get(path.suffix), headers=shared | (headers or {}))
