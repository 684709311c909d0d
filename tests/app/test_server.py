"""The real server with the embedded model: its endpoints, what it refuses and hides, and what a kill leaves.

One server for all of it, killed and started again near the end, on one data folder.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.app_server import ROOT, AppServer, app_server, tiny_clip, until
from workbench.app.errors import RequestError
from workbench.app.uploads import uploaded
from workbench.video import frames_in, open_clip

pytestmark = [pytest.mark.xdist_group("app"), pytest.mark.timeout(600)]

FAST = {"steps": 1}
LIMITS = ("--queue", "2", "--max-frames", "60", "--max-seconds", "7", "--max-pixels", "10000", "--max-megabytes", "3")
# the endpoint's values after the settings
DEFAULTS = (0, None, None, None, False, None, None, False, "", "auto", "auto", "auto")
LONG = 40  # frames of a clip that is still running when it is looked at


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[AppServer]:
    with app_server(tmp_path_factory.mktemp("app"), *LIMITS) as server:
        yield server


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    tiny_clip(folder / "short.mp4", 3)
    tiny_clip(folder / "long.mkv", LONG)
    return folder


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server.url, verbose=False, analytics_enabled=False)


def submit(client: Client, clip: Path, **asked: object) -> str:
    return client.predict(handle_file(clip), **{"settings": FAST, **asked}, api_name="/submit")


@pytest.fixture(scope="module")
def finished(server, client, clips) -> str:
    """A job that is done."""
    token = submit(client, clips / "short.mp4")
    server.wait(token, lambda status: status["state"] == "done")
    return token


def pixels(path: Path) -> np.ndarray:
    return np.stack([frame.image for frame in open_clip(path)])


def test_a_program_submits_follows_and_fetches(server, client, clips, finished, tmp_path):
    status = client.predict(finished, api_name="/status")
    assert (status["state"], status["done"], status["total"], status["error"]) == ("done", 3, 3, None)
    assert status["settings"]["steps"] == 1
    files = {file["label"]: file for file in client.predict(finished, api_name="/result")}
    video = server.http.get(files["video"]["url"])
    assert video.headers["content-type"] == "video/mp4"
    assert len(video.content) == files["video"]["size"]
    (tmp_path / "video.mp4").write_bytes(video.content)
    assert pixels(tmp_path / "video.mp4").shape == (3, 192, 256, 3)
    about = server.http.get(files["sidecar"]["url"]).json()
    assert about["settings"]["steps"] == 1
    assert str(server.data) not in str(status)


def test_the_endpoints_are_documented_and_nothing_else_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/submit", "/status", "/result", "/stop"}
    submit = {parameter["parameter_name"]: parameter for parameter in endpoints["/submit"]["parameters"]}
    assert {"clip", "kind", "settings", "frames", "lossless", "other", "model", "device"} <= set(submit)


def test_files_come_in_ranges_and_live_pictures_are_never_stored(server, finished):
    whole = server.get(f"jobs/{finished}/upscaled.mp4").content
    part = server.get(f"jobs/{finished}/upscaled.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    live = server.get(f"jobs/{finished}/live.png")
    assert (live.headers["content-type"], live.headers["cache-control"]) == ("image/png", "no-store")
    assert live.headers["x-content-type-options"] == "nosniff"


def test_the_server_itself_holds_no_torch_and_no_decoder(server, finished):
    maps = Path(f"/proc/{server.process.pid}/maps")
    loaded = maps.read_text() if maps.exists() else " ".join(m.path for m in server.process.memory_maps())
    assert "libtorch" not in loaded
    assert "libavcodec" not in loaded


OTHER_JOBS_FILES = (
    "jobs/{token}/request.json",
    "jobs/{token}/../request.json",
    "jobs/{token}/..%2frequest.json",
    "jobs/{token}/%2e%2e/request.json",
    "jobs/{token}/status.json",
    "jobs/..%2f..%2fserver.log",
    "jobs/",
    "materials/..%2fjobs",
    "materials/{token}",
    "example/..%2f..%2fapp%2fserve.py",
)


def test_other_peoples_files_cannot_be_reached(server, finished):
    for path in OTHER_JOBS_FILES:
        answer = server.get(path.format(token=finished))
        assert answer.status_code in (400, 403, 404), path
        assert "settings" not in answer.text


def test_files_of_the_machine_and_of_the_store_cannot_be_fetched(server, client, finished):
    job = server.data / "jobs" / finished
    material = json.loads((job / "request.json").read_text())["source"]
    files = [
        Path("/etc/passwd"), ROOT / "demo_app.py", ROOT / "README.md", server.log, job / "request.json",
        job / "public" / "upscaled.mp4", *(server.data / "materials" / material).iterdir(),
    ]  # fmt: skip
    for file in files:
        for path in (f"gradio_api/file={file}", f"gradio_api/file={quote(str(file), safe='')}", f"file={file}"):
            assert server.get(path).status_code in (403, 404), path
    for url in (
        f"{server.url}config",
        "http://localhost:1/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ):
        for route in ("file", "proxy"):
            answer = server.get(f"gradio_api/{route}={url}")
            assert answer.status_code in (400, 403, 404), (route, url)


REFUSALS = ("a clip must be uploaded", "Cannot move", "not in the cache folder", "failed validation")  # ours, Gradio's


def test_only_gradios_own_uploads_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "abc").mkdir(parents=True)
    upload, private = tmp_path / "cache" / "abc" / "clip.mp4", tmp_path / "private.mp4"
    for file in (upload, private):
        file.write_bytes(b"x")
    (tmp_path / "cache" / "link.mp4").symlink_to(private)
    assert uploaded({"path": str(upload), "orig_name": "mine.mp4"}) == (upload, "mine.mp4")
    cache = tmp_path / "cache"
    for path in (
        private,
        cache / ".." / "private.mp4",
        cache / "link.mp4",
        cache,
        cache / "absent.mp4",
        "",
        "clip.mp4",
    ):
        with pytest.raises(RequestError, match="a clip must be uploaded"):
            uploaded({"path": str(path)})
    for nothing in (None, str(upload), 3, {}):
        with pytest.raises(RequestError, match="a clip must be uploaded"):
            uploaded(nothing)


def test_a_path_in_place_of_an_upload_is_refused(server, client, finished):
    private = server.data / "jobs" / finished / "public" / "upscaled.mp4"
    upload = next((server.data / "materials").glob("*/source.mp4"))
    jobs = set((server.data / "jobs").iterdir())
    for path in (private, upload, "/etc/passwd", "samples/forest-320x180.mp4", "http://127.0.0.1:1/a.mp4", "", None):
        file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        event = server.post("gradio_api/call/submit", json={"data": [file, "upscale", FAST, *DEFAULTS]})
        said = server.get(f"gradio_api/call/submit/{event.json()['event_id']}").text
        assert "event: error" in said
        assert any(refusal in said for refusal in REFUSALS), said
    assert set((server.data / "jobs").iterdir()) == jobs


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "someone/else"}, "not on this server's list"),
        ({"model": "/etc"}, "not on this server's list"),
        ({"device": "cuda:7"}, "is not there; this machine has"),
        ({"settings": {"step": 1}}, "Did you mean 'steps'"),
        ({"settings": {"steps": 0}}, "steps must be a whole number"),
        ({"kind": "paint"}, "kind must be one of"),
        ({"frames": 0}, "frames must be"),
        ({"other": "bicubic"}, "a comparison needs one"),
    ],
)
def test_a_wrong_request_is_refused_in_its_own_words(client, clips, asked, said):
    with pytest.raises(AppError, match=said):
        submit(client, clips / "short.mp4", **asked)


def test_a_clip_beyond_the_limits_is_refused_in_its_own_words(client, tmp_path):
    with pytest.raises(AppError, match="64 frames are more than the 60"):
        submit(client, tiny_clip(tmp_path / "many.mp4", 64, (16, 16)))
    with pytest.raises(AppError, match="112x96, and this server takes frames of up to 10000"):
        submit(client, tiny_clip(tmp_path / "large.mp4", 1, (112, 96)))
    with pytest.raises(AppError, match=r"text\.txt: a video or an image is needed"):
        (tmp_path / "text.txt").write_text("hello")
        submit(client, tmp_path / "text.txt")
    (tmp_path / "heavy.mp4").write_bytes(bytes(3_100_000))
    with pytest.raises((AppError, httpx.HTTPStatusError, ValueError), match=r"size|413|MB"):
        submit(client, tmp_path / "heavy.mp4")


def test_damaged_files_harm_only_themselves(server, client, clips, finished, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("noise.mp4", "empty.png"):
        with pytest.raises(AppError, match=name) as refusal:
            submit(client, tmp_path / name)
        assert str(server.data) not in str(refusal.value)
    torn = bytearray((clips / "long.mkv").read_bytes())
    torn[len(torn) // 8 : len(torn) // 2] = bytes(len(torn) // 2 - len(torn) // 8)
    (tmp_path / "torn.mkv").write_bytes(torn)  # what can be decoded of it is upscaled
    status = server.wait(submit(client, tmp_path / "torn.mkv", frames=12))
    assert status["state"] == "done"
    assert server.status(finished)["state"] == "done"


def test_the_second_job_waits_with_its_position_and_a_full_queue_refuses(server, client, clips, finished):
    first = submit(client, clips / "long.mkv", settings={"steps": 20})
    server.wait(first, lambda status: status["state"] == "running")
    second = submit(client, clips / "short.mp4")
    third = submit(client, clips / "short.mp4")
    assert [server.status(token)["position"] for token in (first, second, third)] == [None, 1, 2]
    assert server.status(second)["state"] == "waiting"
    with pytest.raises(AppError, match="2 jobs wait already"):
        submit(client, clips / "short.mp4")
    for token in (second, third):
        assert client.predict(token, api_name="/stop")["state"] == "stopped"
    server.wait(first, lambda status: status["done"] >= 2)
    client.predict(first, api_name="/stop")
    stopped = server.wait(first)
    assert stopped["state"] == "stopped"
    assert 2 <= stopped["done"] < LONG
    kept = open_clip(server.data / "jobs" / first / "public" / stopped["files"]["video"])
    assert len(list(kept)) == stopped["done"]
    assert server.post(f"jobs/{finished}/resume").status_code == 400


def test_the_servers_memory_does_not_grow_with_jobs(server, client, clips, tmp_path):
    size = 2_000_000
    padding = struct.pack(">I4s", size, b"free") + bytes(size - 8)  # a part of an MP4 file that players skip
    (tmp_path / "heavy.mp4").write_bytes((clips / "short.mp4").read_bytes() + padding)

    def rounds(count: int) -> int:
        for _ in range(count):
            token = submit(client, tmp_path / "heavy.mp4", frames=1)
            server.status(token)
            client.predict(token, api_name="/status")
            client.predict(token, api_name="/stop")
            server.wait(token)
        return server.process.memory_info().rss

    running = submit(client, clips / "long.mkv", settings={"steps": 6})  # the others are stopped while they wait
    server.wait(running, lambda status: status["state"] == "running")
    before = rounds(3)
    after = rounds(12)
    client.predict(running, api_name="/stop")
    server.wait(running)
    assert after - before < 12 * size / 2


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_job_survives_its_worker_and_its_server_bit_for_bit(server, client, clips):
    """Killed workers and a killed server cost no frame and double none; and the server comes back behind a login."""
    asked = {"frames": 14, "lossless": True}
    whole = submit(client, clips / "long.mkv", **asked)
    server.wait(whole, lambda status: status["state"] == "done")

    token = submit(client, clips / "long.mkv", **asked)
    server.wait(token, lambda status: status["done"] >= 3)
    server.worker().kill()
    failed = server.wait(token)
    assert (failed["state"], failed["done"] < 14) == ("failed", True)
    assert "memory ran out" in failed["error"]
    assert server.post(f"jobs/{token}/resume").json()["state"] in ("waiting", "running")

    server.wait(token, lambda status: status["state"] == "running" and failed["done"] < status["done"])
    children = server.kill()
    assert len(children) >= 2, "the planner, and the worker"
    until(lambda: all(is_gone(child) for child in children))
    left = json.loads((server.data / "jobs" / token / "status.json").read_text())
    assert left["state"] == "interrupted"
    assert frames_in(server.data / "jobs" / token / "public" / "upscaled.mkv") == left["done"] < 14

    server.start("--auth", "me:secret")
    check_login(server, token)
    done = server.wait(token, lambda status: status["state"] == "done")
    assert done["done"] == done["total"] == 14
    one, other = (server.data / "jobs" / job / "public" / "upscaled.mkv" for job in (token, whole))
    assert np.array_equal(pixels(one), pixels(other))


def check_login(server: AppServer, token: str) -> None:
    """Everything is behind it, and it lets in who has the password."""
    material = json.loads((server.data / "jobs" / token / "request.json").read_text())["source"]
    ours = [f"jobs/{token}", f"jobs/{token}/live.png", f"materials/{material}", "example/example.json"]
    for path in [*ours, "config", "gradio_api/info"]:
        assert server.get(path).status_code == 401, path
    for path in ("stop", "resume"):
        assert server.post(f"jobs/{token}/{path}").status_code == 401
    assert server.post("login", data={"username": "me", "password": "guess"}).status_code == 400
    assert server.post("login", data={"username": "me", "password": "secret"}).status_code == 200
    assert server.get(f"jobs/{token}").status_code == 200
    assert Client(server.url, auth=("me", "secret"), verbose=False).predict(token, api_name="/status")["total"] == 14
