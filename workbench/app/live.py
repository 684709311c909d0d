"""The WebSocket of the Live tab: a browser's frames go to a worker, and what it makes of them comes back.

One session is one job of kind ``live`` in its device's lane: others wait while it runs, and it waits while they do. The
server decodes nothing: it carries messages between the browser and the worker (see ``line``; what they hold is told in
``work/live``). A viewer of whom nothing is heard for ``SILENT`` seconds is gone.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbench.app.line import Exchange
from workbench.app.names import sentence
from workbench.app.request import Request
from workbench.app.service import Service
from workbench.errors import WorkbenchError

SILENT = 30.0  # seconds; a closed tab is heard of at once, so this is for networks that are lost
LOOK = 0.5  # seconds between two looks at the queue
KNOWN = 5.0  # seconds after a worker's end, within which its lane says why
NOTICE = 15.0  # seconds before a turn ends, in which its viewer can make an end
OVER = "your turn is over, since others wait: begin again to wait for the next one"
LOCAL = ("localhost", "127.0.0.1", "::1")
ASKS = ("settings", "model", "device", "dtype", "engine")  # of a Request, what a viewer says first


def route(service: Service, may_enter: Any) -> WebSocketRoute:
    """To be given to Gradio's app with the other routes. ``may_enter``: the server's login."""

    async def live(socket: WebSocket) -> None:
        if not (may_enter(socket) and _from_here(socket)):
            await socket.close(code=1008)
            return
        await socket.accept()
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError, asyncio.TimeoutError):  # the viewer is gone
            await _serve(socket, service)
        with suppress(WebSocketDisconnect, RuntimeError):  # it is closed already
            await socket.close()

    return WebSocketRoute("/live", live)


async def _serve(socket: WebSocket, service: Service) -> None:
    try:
        asked = json.loads(await asyncio.wait_for(socket.receive_text(), SILENT))
        asks = Request.from_dict({"kind": "live", **{name: asked[name] for name in ASKS if name in asked}})
        token = await anyio.to_thread.run_sync(service.submit, asks)
    except (WorkbenchError, ValueError, TypeError, KeyError) as error:
        await _tell(socket, error=sentence(str(error)))
        return
    try:
        async with Exchange(service.store.folder(token)) as line:
            await _tell(socket, token=token)
            heard = asyncio.create_task(_hear(socket, line, service))
            made = asyncio.create_task(_carry(socket, line, service, token))
            turn = asyncio.create_task(_turn(socket, service, token))
            try:
                await asyncio.wait((heard, made), return_when=asyncio.FIRST_COMPLETED)
                if heard.done():
                    heard.result()  # raises: only a viewer who is gone ends it
                made.result()
                words = {"said": OVER} if turn.done() else {"error": await _why(service, token)}
                await _tell(socket, state="ended", **words)
            finally:
                for task in (heard, made, turn):
                    task.cancel()
                await asyncio.gather(heard, made, turn, return_exceptions=True)
    finally:
        with suppress(WorkbenchError):  # it was deleted
            service.stop(token)


async def _hear(socket: WebSocket, line: Exchange, service: Service) -> None:
    """From the browser to the worker. Frames that come before there is one are left out."""
    there = asyncio.create_task(line.joined())
    while True:
        message = await asyncio.wait_for(socket.receive(), SILENT)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        text, data = message.get("text"), message.get("bytes")
        if text is not None and not await _allowed(socket, text, service):
            continue
        if there.done():
            with suppress(OSError):  # the other task hears that the worker is gone
                await line.send(b"c" + text.encode() if text is not None else b"f" + (data or b""))


async def _allowed(socket: WebSocket, text: str, service: Service) -> bool:
    """Whether a control message is to be carried on: a model must be one that this server gives."""
    try:
        asked = json.loads(text)
        if "model" in asked:
            service.check_model(str(asked["model"]))
    except WorkbenchError as error:
        await _tell(socket, error=sentence(str(error)))
        return False
    except (ValueError, TypeError):
        return False
    return True


async def _carry(socket: WebSocket, line: Exchange, service: Service, token: str) -> None:
    """From the worker to the browser, after the waiting."""
    there = asyncio.create_task(line.joined())
    try:
        while not there.done():
            await asyncio.wait((there,), timeout=LOOK)
            status = service.status(token)
            if status.final:
                return
            if not there.done():
                await _tell(socket, state="waiting", position=status.position)
    finally:
        there.cancel()
    while (message := await line.receive()) is not None:
        if message[:1] == b"c":
            await socket.send_text(message[1:].decode())
        else:
            await socket.send_bytes(message[1:])


async def _turn(socket: WebSocket, service: Service, token: str) -> None:
    """Stops a session for which others wait, once it has had its time; the viewer is told before."""
    clock, most = asyncio.get_running_loop().time, service.options.limits.turn
    begun = ends = None
    while ends is None or clock() < ends:
        await asyncio.sleep(LOOK)
        if begun is None and service.status(token).state == "running":
            begun = clock()
        if begun is None or not service.holds_up(token):
            ends = None
        elif ends is None:
            ends = max(begun + most, clock() + min(NOTICE, most))
            await _tell(socket, said=f"others wait for this machine: your turn ends in {ends - clock():.0f} s")
    service.stop(token)


async def _why(service: Service, token: str) -> str | None:
    """What ended a session whose worker is gone, once its lane knows; None where it was stopped."""
    for _ in range(round(KNOWN / LOOK)):
        if (status := service.status(token)).final:
            return status.error
        await asyncio.sleep(LOOK)
    return None


async def _tell(socket: WebSocket, **words: Any) -> None:
    await socket.send_text(json.dumps(words))


def _from_here(socket: WebSocket) -> bool:
    """Whether the page that asks is one of ours: browsers let any page open a WebSocket to any address.

    A page from elsewhere must not reach a server that only this machine is to see, nor one with a login.
    """
    origin = urlsplit(socket.headers.get("origin", "")).hostname
    hosts = {socket.headers.get(name, "").split(",")[0].strip() for name in ("host", "x-forwarded-host")}
    names = {urlsplit(f"//{host}").hostname for host in hosts if host}
    guarded = socket.app.auth is not None or names & set(LOCAL)
    return origin is None or not guarded or origin in names or (origin in LOCAL and bool(names & set(LOCAL)))
