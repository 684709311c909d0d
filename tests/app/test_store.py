"""The store: uploads are copies under names of its own, only public files are shown, and nothing that runs is swept."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from workbench.app.errors import NotFound, RequestError
from workbench.app.request import Request
from workbench.app.status import Status
from workbench.app.store import Store
from workbench.app.values import Probe


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def clip(tmp_path) -> Path:
    (tmp_path / "holiday.MP4").write_bytes(b"pictures")
    return tmp_path / "holiday.MP4"


def job(store: Store, clip: Path) -> str:
    return store.add_job(Request(kind="upscale", source=store.add_material([clip], clip.name)))


def age(store: Store, token: str, hours: float) -> None:
    """Makes a job, or else an upload, so much older."""
    status = store.root / "jobs" / token / "status.json"
    if status.is_file():
        before = Status.read(status)
        before.but(updated=before.updated - 3600 * hours).write(status)
    else:
        folder = store.root / "materials" / token
        then = folder.stat().st_mtime - 3600 * hours
        os.utime(folder, (then, then))


def test_an_upload_is_a_copy_and_its_name_is_for_display_only(store, clip):
    token = store.add_material([clip], "../../etc/\x1b[31mmy holiday.mp4")
    clip.write_bytes(b"something else")
    material = store.material(token)
    assert material.path == store.root / "materials" / token / "source.mp4"
    assert material.path.read_bytes() == b"pictures"
    assert not material.path.is_symlink()
    assert material.name == "[31mmy holiday.mp4"
    assert material.size == 8


def test_several_images_become_one_clip_in_their_order(store, tmp_path):
    files = [tmp_path / name for name in ("z.png", "a.jpg", "m.PNG")]
    for k, file in enumerate(files):
        file.write_bytes(bytes([k]))
    folder = store.material(store.add_material(files, "three frames")).path
    assert [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())] == [
        ("000000.png", b"\0"), ("000001.jpg", b"\1"), ("000002.png", b"\2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["page.html", "script.sh", "vector.svg", "list.m3u8", "clip", "clip.mp4.exe", "a.concat"]
)
def test_other_kinds_of_files_are_refused_and_nothing_is_left(store, tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RequestError, match=r"such as \.mp4"):
        store.add_material([tmp_path / name], name)
    assert not list((store.root / "materials").iterdir())


def test_several_files_must_be_images(store, clip):
    with pytest.raises(RequestError, match="several files must all be images"):
        store.add_material([clip, clip], "two")
    with pytest.raises(RequestError, match="nothing was uploaded"):
        store.add_material([], "none")


def test_folders_are_for_this_user_only(store, clip):
    token = job(store, clip)
    folders = [store.root, store.folder(token), *(store.root / "materials").iterdir()]
    assert all(stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0 for folder in folders)


def test_only_public_files_are_shown(store, clip):
    token, other = job(store, clip), job(store, clip)
    public = store.folder(token) / "public"
    (public / "result.mp4").write_bytes(b"video")
    (public / "link.mp4").symlink_to("/etc/passwd")
    (public / "folder").mkdir()
    assert store.public_file(token, "result.mp4").read_bytes() == b"video"
    names = [
        "request.json", "../request.json", "..", ".", "", "folder", "link.mp4", "/etc/passwd", "%2e%2e/request.json",
        f"../../{other}/request.json", "result.mp4/", "result.mp4\0", ".hidden",
    ]  # fmt: skip
    for name in names:
        with pytest.raises(NotFound):
            store.public_file(token, name)
    with pytest.raises(NotFound):
        store.public_file(other, "result.mp4")


@pytest.mark.parametrize(
    "token", ["", "..", "../jobs", "a" * 21, "a" * 23, "a" * 21 + "/", "a" * 21 + ".", "a" * 22 + "\n"]
)
def test_what_is_no_token_is_never_looked_up(store, token):
    for look in (store.folder, store.status, store.material, store.request, store.stop_flag, store.facts):
        with pytest.raises(RequestError, match="22 letters"):
            look(token)


def test_what_is_not_there_is_not_found(store):
    for look in (store.folder, store.status, store.material):
        with pytest.raises(NotFound):
            look("a" * 22)


def test_tokens_cannot_be_guessed_and_jobs_come_oldest_first(store, clip):
    tokens = [job(store, clip) for _ in range(5)]
    assert len(set(tokens)) == 5
    assert all(len(token) == 22 for token in tokens)
    for k, token in enumerate(tokens):
        status = store.status(token).but(created=float(k))
        status.write(store.folder(token) / "status.json")
    assert list(store.jobs()) == tokens


def test_the_sweep_takes_what_ended_long_ago_and_never_what_runs_or_waits(store, clip):
    ended, fresh, running, waiting = (job(store, clip) for _ in range(4))
    store.say(ended, state="done")
    store.say(fresh, state="failed", error="damaged")
    store.say(running, state="running")
    unused = store.add_material([clip], "unused")
    for token in (
        ended,
        running,
        waiting,
        unused,
        *(store.request(t).source for t in (ended, fresh, running, waiting)),
    ):
        age(store, token, 30)
    assert store.sweep(24 * 3600) == 3  # the ended job, its upload, and the one that no job needs
    assert set(store.jobs()) == {fresh, running, waiting}
    for token in (fresh, running, waiting):
        assert store.material(store.request(token).source).path.is_file()
    for token in (unused,):
        with pytest.raises(NotFound):
            store.material(token)
    with pytest.raises(NotFound, match="deleted after a while"):
        store.status(ended)


def test_a_half_made_folder_is_neither_a_job_nor_kept(store, clip):
    half = store.root / "jobs" / f".{'h' * 22}"
    half.mkdir()
    assert list(store.jobs()) == []
    then = half.stat().st_mtime - 100 * 3600
    os.utime(half, (then, then))
    store.sweep(24 * 3600)
    assert not half.exists()


def test_unfinished_jobs_are_those_a_new_server_goes_on_with(store, clip):
    tokens = {state: job(store, clip) for state in ("waiting", "running", "interrupted", "done", "stopped", "failed")}
    for state, token in tokens.items():
        store.say(token, state=state)
    assert set(store.unfinished()) == {tokens["waiting"], tokens["running"], tokens["interrupted"]}


def test_a_reader_never_sees_half_a_status(store, clip):
    token = job(store, clip)
    done = threading.Event()

    def write() -> None:
        for k in range(200):
            store.say(token, message="x" * (k * 50), done=k)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        status = store.status(token)
        assert len(status.message) == status.done * 50
    thread.join()


def test_what_was_found_out_about_an_upload_is_remembered(store, clip):
    token = store.add_material([clip], "clip.mp4")
    assert store.facts(token) is None
    store.remember(token, Probe(width=3, height=2, frames=1, notes=("odd",)))
    assert Store(store.root).facts(token) == Probe(width=3, height=2, frames=1, notes=("odd",))


def test_restarts_are_counted_until_a_person_wants_it_again(store, clip):
    token = job(store, clip)
    assert [store.restarts(token, add=add) for add in (False, True, True, False)] == [0, 1, 2, 2]
    store.stop_flag(token).touch()
    store.forget_past(token)
    assert store.restarts(token, add=False) == 0
    assert not store.stop_flag(token).exists()
