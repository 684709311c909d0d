"""What a batch finds to do, and clips and results that lie in a store elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from tests.video_material import make_video, pictures
from workbench.batch import _storage as storage
from workbench.batch.clips import look, plan
from workbench.batch.upscaling import Orders, UpscaleClip
from workbench.cli import main
from workbench.errors import InputError, OutputError
from workbench.pipeline.settings import Settings
from workbench.video import open_clip

ONE = Settings(steps=1)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for k, name in enumerate(("a.mp4", "b.mp4", "deep/a.mp4")):
        make_video(folder / name, pictures(2 + k, 32, 24, seed=k))
    return folder


def names(*sources: object, **how: Any) -> list[str]:
    tasks, _ = plan([str(source) for source in sources], "out", **how)
    return [task.output for task in tasks]


def test_files_folders_globs_and_lists(clips: Path, tmp_path: Path) -> None:
    assert names(clips) == ["out/a.mp4", "out/b.mp4"]
    assert names(clips / "*.mp4", lossless=True) == ["out/a.mkv", "out/b.mkv"]
    assert names(clips / "**" / "a.mp4") == ["out/a_mp4.mp4", "out/a_mp42.mp4"]  # two results, always
    (tmp_path / "list.txt").write_text("# mine\nin/a.mp4\n\nin/deep\n")
    assert names(tmp_path / "list.txt") == ["out/a_mp4.mp4", "out/a_mp42.mp4"]
    (tmp_path / "list.csv").write_text("source,output,reference\nin/a.mp4,first.mkv,in/b.mp4\nin/b.mp4,,\n")
    tasks, _ = plan([str(tmp_path / "list.csv")], "out")
    assert [(task.output, task.reference) for task in tasks] == [
        ("out/first.mkv", str(clips / "b.mp4")),
        ("out/b.mp4", None),
    ]
    assert [task.weight for task in tasks] == [32 * 24 * 2, 32 * 24 * 3]
    (tmp_path / "later.txt").write_text("gone.mp4\n")
    for bad, why in (
        ("none/*.mp4", "nothing is called"),
        ("gone.mp4", "does not exist"),
        (tmp_path / "later.txt", "exist"),
    ):
        with pytest.raises(InputError, match=why):
            names(bad)
    with pytest.raises(OutputError, match="folder of their own"):
        plan([str(clips)], str(clips))


def test_pictures_are_weighed_like_clips(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for k in range(3):
        Image.new("RGB", (40, 24)).save(tmp_path / "frames" / f"{k}.png")
    assert look(str(tmp_path / "frames")) == ((24, 40), 3)
    for source in (str(tmp_path / "frames" / "0.png"), f"file://{tmp_path}/frames/0.png"):
        assert look(source) == ((24, 40), 1)
    assert look(f"file://{tmp_path}/frames") == ((24, 40), 3)
    tasks, _ = plan([str(tmp_path / "frames")], str(tmp_path / "out"), frames=(0, 2))
    assert tasks[0].weight == 24 * 40 * 2


def test_what_cannot_be_weighed_comes_last_and_fails_later(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    assert look(str(tmp_path / "bad.mp4")) == ((0, 0), 0)
    assert names(tmp_path / "bad.mp4") == ["out/bad.mp4"]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "machine"))
    (tmp_path / "machine").mkdir()
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize("name", ["a.mkv", "frames"])
def test_another_machine_goes_on_from_what_was_brought(
    name: str, tiny_pipe: Any, clips: Path, tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.batch.upscaling.CHECKPOINT", 0.0)
    if name == "frames":
        for k, picture in enumerate(pictures(6, 32, 24)):
            memory.makedirs("/bucket/in/frames", exist_ok=True)
            Image.fromarray(picture).save(tmp_path / "one.png")
            memory.put_file(str(tmp_path / "one.png"), f"/bucket/in/frames/{k}.png")
    else:
        make_video(tmp_path / "long.mp4", pictures(6, 32, 24))
        memory.put_file(str(tmp_path / "long.mp4"), "/bucket/in/a.mp4")
    (task,), _ = plan(["memory://bucket/in/*"], "memory://bucket/out", lossless=True)
    assert task.output == f"memory://bucket/out/{name}"
    told: list[Any] = []

    def dies(value: Any) -> None:
        told.append(value[0])
        if value[0] == 4:
            raise MemoryError("the machine is lost")

    with pytest.raises(MemoryError):
        UpscaleClip(task, Orders(ONE))(tiny_pipe, dies)
    assert any(found.endswith(".state.safetensors") for found in memory.find("/bucket/out"))
    (tmp_path / "machine").rename(tmp_path / "gone")
    (tmp_path / "machine").mkdir()
    told.clear()
    made = UpscaleClip(task, Orders(ONE))(tiny_pipe, lambda value: told.append(value[0]))
    assert made["frames"] == 6
    assert told[0] in (4, 5)  # the frame at hand was lost, at most
    left = {found.rsplit("/bucket/out/")[1] for found in memory.find("/bucket/out")}
    frames = {f"frames/{k:06d}.png" for k in range(6)} if name == "frames" else {name}
    assert left == frames | {f"{name}.json"}
    assert not [file for file in (tmp_path / "machine").rglob("*") if file.is_file()]  # its disk is free again
    memory.get(f"/bucket/out/{name}", str(tmp_path / "result" / name), recursive=True)
    source = storage.fetch(task.source, tmp_path / "again")
    expected = [out.image for out in tiny_pipe.stream(open_clip(source), ONE)]
    assert np.array_equal([frame.image for frame in open_clip(tmp_path / "result" / name)], expected)


def test_a_foreign_file_in_the_store_is_not_replaced(tiny_pipe: Any, clips: Path, memory: Any) -> None:
    memory.makedirs("/bucket/out")
    memory.pipe_file("/bucket/out/a.mp4", b"precious" * 50)
    (task,), _ = plan([str(clips / "a.mp4")], "memory://bucket/out")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="no run of this output made it"):
            UpscaleClip(task, Orders(ONE, overwrite=overwrite))(tiny_pipe, print)
    assert memory.cat("/bucket/out/a.mp4") == b"precious" * 50


def test_from_and_to_s3(
    tiny_pipe: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(tmp_path),  # of the workers
        **keys,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        store = fsspec.filesystem("s3")
        store.mkdir("bucket")
        store.put(f"{clips}/a.mp4", "bucket/in/a.mp4")
        store.pipe_file("bucket/in/bad.mp4", b"no video")
        model = str(tiny_pipe.save_pretrained(tmp_path / "tiny"))
        words = [
            "batch",
            "s3://bucket/in",
            "-o",
            "s3://bucket/out",
            "--devices",
            "cpu",
            "--steps",
            "1",
            "--model",
            model,
        ]
        assert main(words) == 1
        assert main(words) == 1
        said = capsys.readouterr().out
        assert "failed: s3://bucket/in/bad.mp4" in said
        assert not [file for file in tmp_path.glob("workbench-batch-*/**/*") if file.is_file()]
        assert said.count("it was finished before") == 1
        store.put(f"{clips}/b.mp4", "bucket/in/a.mp4")
        assert main(words) == 1
        assert "begun from something else" in capsys.readouterr().out  # another clip of its name is seen
        found = {name.removeprefix("bucket/out/") for name in store.find("bucket/out")}
        assert found == {"a.mp4", "a.mp4.json", "batch.csv", "batch.json"}
        store.get_file("bucket/out/a.mp4", str(tmp_path / "a.mp4"))
        assert len(open_clip(tmp_path / "a.mp4")) == 2
    finally:
        server.stop()
        fsspec.filesystem("s3").clear_instance_cache()
        os.environ.pop("AWS_ENDPOINT_URL", None)
