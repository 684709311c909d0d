"""A live session without a browser: frames and words over the WebSocket to the work and back, and its end."""

from __future__ import annotations

import io
import json
import struct
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.video_material import pictures
from workbench.app import live
from workbench.app.errors import ModelRefused, QueueFull
from workbench.app.request import Request
from workbench.app.status import Status
from workbench.app.work.live import upscale_live
from workbench.app.work.task import Task, Warm


class Room:
    """A service with one lane: its worker is a thread here."""

    def __init__(self, folder: Path, pipe: Any) -> None:
        self.folder, self.pipe = folder / "jobs" / "job", pipe
        self.store = SimpleNamespace(folder=lambda token: self.folder)
        self.options = SimpleNamespace(models=("",))
        self.full = False
        self.worker: threading.Thread | None = None
        self.stopped: list[str] = []

    def submit(self, request: Request) -> str:
        if self.full:
            raise QueueFull("8 jobs wait already.")
        self.folder.mkdir(parents=True)
        task = Task(request, self.folder, warm=Warm(self.pipe))
        self.worker = threading.Thread(target=upscale_live, args=(task,))
        self.worker.start()
        return "t" * 22

    def status(self, token: str) -> Status:
        return Status(state="running", position=None)

    def stop(self, token: str) -> None:
        self.stopped.append(token)

    def check_model(self, model: str) -> None:
        if model:
            raise ModelRefused(f"the model {model!r} is not on this server's list.")


@pytest.fixture
def room(tmp_path: Path, tiny_pipe) -> Room:
    return Room(tmp_path, tiny_pipe)


def connect(room: Room, headers: dict[str, str] | None = None, *, entry: bool = True) -> Any:
    app = Starlette(routes=[live.route(room, lambda socket: entry)])  # type: ignore[arg-type]
    app.auth = None  # type: ignore[attr-defined]
    return TestClient(app).websocket_connect("/live", headers=dict(headers or {}))


def frame(number: int, picture: np.ndarray) -> bytes:
    coded = io.BytesIO()
    Image.fromarray(picture).save(coded, "JPEG", quality=95)
    return struct.pack(">dI", 40.0 * number, number) + coded.getvalue()


def until(socket: Any, wanted: str) -> dict[str, Any]:
    """The next words that have this key; pictures and other words are passed."""
    while True:
        message = socket.receive()
        if message.get("text") is not None and wanted in (words := json.loads(message["text"])):
            return words


def next_frame(socket: Any) -> tuple[dict[str, Any], Image.Image, Image.Image]:
    while (data := socket.receive().get("bytes")) is None:
        pass
    (length,) = struct.unpack_from(">I", data)
    about = json.loads(data[4 : 4 + length])
    plain, made = data[4 + length :][: about["plain"]], data[4 + length + about["plain"] :]
    return about, Image.open(io.BytesIO(plain)), Image.open(io.BytesIO(made))


def test_frames_come_back_and_words_act_on_the_next(room: Room) -> None:
    shown = pictures(8, 48, 32)
    with connect(room) as socket:
        socket.send_json({"settings": {"steps": 1}, "model": ""})
        token = until(socket, "token")["token"]
        while until(socket, "state")["state"] != "running":
            pass
        socket.send_bytes(frame(0, shown[0]))
        about, plain, made = next_frame(socket)
        assert (about["number"], about["at"], about["dropped"]) == (0, 0.0, 0)
        assert plain.size == made.size == (192, 128)
        socket.send_bytes(frame(3, shown[3]))
        about, _, made = next_frame(socket)
        assert about["dropped"] == 2  # 1 and 2 never came
        assert "controlnet" in about["seconds"]

        socket.send_json({"settings": {"artg": 0.0, "tpm": False}})
        socket.send_bytes(frame(4, shown[4]))
        assert "controlnet" not in next_frame(socket)[0]["seconds"]
        for wrong, words in (
            ({"settings": {"stepz": 2}}, "Did you mean 'steps'"),
            ({"model": "some/body"}, "not on this server's list"),
        ):
            socket.send_json(wrong)
            assert words in until(socket, "error")["error"]

        socket.send_json({"record": True})
        assert until(socket, "recording")["recording"] is True
        for number in (5, 6):
            socket.send_bytes(frame(number, shown[number]))
            next_frame(socket)
        socket.send_json({"snapshot": True})
        snapshot = until(socket, "file")["file"]
        assert Image.open(room.folder / "public" / snapshot).size == (192, 128)
        socket.send_json({"record": False})
        with av.open(str(room.folder / "public" / until(socket, "file")["file"])) as container:
            assert sum(1 for _ in container.decode(video=0)) == 2
        socket.send_bytes(struct.pack(">dI", 0, 7) + b"no picture")
        assert "no picture" in until(socket, "error")["error"]
        socket.send_json({"record": True})
        until(socket, "recording")
        socket.send_bytes(frame(8, shown[7]))
        next_frame(socket)
    assert room.worker is not None
    room.worker.join(20)  # the viewer is gone, and so is the work; what was being recorded is whole
    assert not room.worker.is_alive()
    assert room.stopped == [token]
    assert len(list((room.folder / "public").glob("recording-*.mp4"))) == 2
    assert not (room.folder / "line.json").exists()


def test_a_viewer_who_is_silent_is_gone(room: Room, monkeypatch) -> None:
    monkeypatch.setattr(live, "SILENT", 0.5)
    with connect(room) as socket:
        socket.send_json({"settings": {"steps": 1}})
        assert room.worker is None or until(socket, "token")
        while socket.receive()["type"] != "websocket.close":
            pass
    assert room.worker is not None
    room.worker.join(20)
    assert not room.worker.is_alive()
    assert room.stopped


def test_what_is_refused_is_told(room: Room) -> None:
    room.full = True
    for asks, words in (
        ({"settings": {"steps": 0}}, "Steps must be"),
        ({"settings": {}}, "8 jobs wait already"),
    ):
        with connect(room) as socket:
            socket.send_json(asks)
            assert words in until(socket, "error")["error"]


def test_pages_from_elsewhere_do_not_reach_a_server_of_this_machine(room: Room) -> None:
    from starlette.websockets import WebSocketDisconnect

    for headers in ({"origin": "https://elsewhere.example", "host": "127.0.0.1:7860"},):
        with pytest.raises(WebSocketDisconnect), connect(room, headers) as socket:
            socket.receive()
    with pytest.raises(WebSocketDisconnect), connect(room, entry=False) as socket:
        socket.receive()
    room.full = True
    proxied = {"origin": "https://space.example", "host": "10.0.0.3:7860", "x-forwarded-host": "space.example"}
    with connect(room, proxied) as socket:
        socket.send_json({})
        assert until(socket, "error")
