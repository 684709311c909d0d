"""The run never harms what it did not make: sources, foreign files and other runs' outputs stay byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.video_material import make_video, pictures
from workbench.errors import InputError, OutputError, WorkbenchError
from workbench.pipeline.record import describe_source
from workbench.pipeline.run import upscale_to_file
from workbench.pipeline.settings import Settings
from workbench.video import ClipWriter, frames_in, open_clip
from workbench.video.place import hold

ONE = Settings(steps=1)
OUTPUTS = ["out.mp4", "out.mkv", "out"]
WAYS = [{}, {"overwrite": True}, {"resume": True}]


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Every file below a folder, byte for byte, and where links point to."""
    files: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            files[str(path)] = os.readlink(path)
        elif path.is_file():
            files[str(path)] = path.read_bytes()
    return files


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of five numbered pictures, named as ours are."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, image in enumerate(pictures(5, 32, 24)):
        Image.fromarray(image).save(folder / f"{index:06d}.png")
    return folder


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return make_video(tmp_path / "red.mp4", [np.full((24, 32, 3), (200, 20, 20), np.uint8)] * 6)


@pytest.fixture
def run(tiny_pipe: Any) -> Callable[..., Any]:
    def upscale(source: Path, output: Path, *, stop: int | None = None, settings: Settings = ONE, **how: Any) -> Any:
        """``stop``: after so many frames."""
        clip = open_clip(source)[how.pop("frames", slice(None))]
        at = None if stop is None else lambda out: out.index + 1 < stop
        return upscale_to_file(how.pop("pipe", tiny_pipe), clip, output, settings, on_output=at, **how)

    return upscale


@pytest.mark.parametrize("how", WAYS)
def test_a_folder_that_holds_the_source_is_refused(frames: Path, run: Any, how: dict[str, bool]) -> None:
    before = snapshot(frames.parent)
    for source in (frames, frames / "000003.png"):
        with pytest.raises(OutputError, match="the clip that is being read; write to another place"):
            run(source, frames, **how)
    assert snapshot(frames.parent) == before


@pytest.mark.parametrize("how", WAYS)
def test_links_and_other_spellings_of_the_source_are_seen_through(
    frames: Path, red: Path, run: Any, tmp_path: Path, how: dict[str, bool]
) -> None:
    (tmp_path / "link").symlink_to(frames)
    (tmp_path / "link.mp4").symlink_to(red)
    (tmp_path / "hard.mp4").hardlink_to(red)
    (tmp_path / "hardlinks").mkdir()
    (tmp_path / "hardlinks" / "000003.png").hardlink_to(frames / "000003.png")
    before = snapshot(tmp_path)
    places = [
        (frames, tmp_path / "link"),
        (frames, tmp_path / "absent" / ".." / "frames"),
        (frames / "000003.png", tmp_path / "hardlinks"),
        (frames / "000003.png", tmp_path / "link" / "000003.png"),
        (tmp_path / "link" / "000003.png", frames),
        (red, tmp_path / "link.mp4"),
        (red, tmp_path / "hard.mp4"),
        (tmp_path / "hard.mp4", red),
        (red, tmp_path / "absent" / ".." / "red.mp4"),
    ]
    for source, output in places:
        with pytest.raises(OutputError, match="the clip that is being read"):
            run(source, output, **how)
        assert snapshot(tmp_path) == before


@pytest.mark.parametrize("how", WAYS)
def test_foreign_files_are_refused(frames: Path, red: Path, run: Any, tmp_path: Path, how: dict[str, bool]) -> None:
    (tmp_path / "precious.mp4").write_bytes(b"precious" * 100)
    shutil.copy(red, tmp_path / "playable.mp4")
    shutil.copy(frames / "000000.png", tmp_path / "picture.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear diary")
    (tmp_path / "results.json").write_text('{"annotations": []}')
    (tmp_path / "state.state.safetensors").write_bytes(b"weights of mine")
    (tmp_path / "parts.mp4.part-000000.nut").write_bytes(b"a tape of mine")
    before = snapshot(tmp_path)
    for name in ("precious.mp4", "playable.mp4", "picture.png", "notes", "frames", "results", "state", "parts.mp4"):
        with pytest.raises(OutputError, match=r"no run of this output (made|wrote)"):
            run(red, tmp_path / name, **how)
        assert snapshot(tmp_path) == before
    for name in ("precious.mp4", "playable.mp4", "picture.png", "notes", "frames", "parts.mp4"):
        with pytest.raises(OutputError, match="no run of this output made"):
            ClipWriter(tmp_path / name, overwrite=bool(how))  # the same rule without a record
        assert snapshot(tmp_path) == before


def test_what_systems_leave_in_folders_does_not_matter_and_stays(red: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".DS_Store").write_bytes(b"finder")
    assert run(red, tmp_path / "out").frames == 6
    assert run(red, tmp_path / "out", overwrite=True, frames=slice(2)).frames == 2
    assert (tmp_path / "out" / ".DS_Store").read_bytes() == b"finder"


@pytest.mark.parametrize("how", WAYS)
def test_a_file_put_among_the_frames_of_a_run_is_not_touched(
    red: Path, frames: Path, run: Any, tmp_path: Path, how: dict[str, bool]
) -> None:
    run(red, tmp_path / "out", stop=3)
    other = tmp_path / "other"
    run(red, other)
    for foreign in (frames / "000000.png", other / "000005.png"):  # the second of another run of ours
        for name in ("000001.png", "000007.png", "cover.png"):
            there = tmp_path / "out" / name
            kept = there.read_bytes() if there.exists() else None
            shutil.copy(foreign, there)
            before = snapshot(tmp_path)
            with pytest.raises(OutputError, match=f"holds 1 that no run of this output made .{name}"):
                run(red, tmp_path / "out", **how)
            assert snapshot(tmp_path) == before
            there.unlink() if kept is None else there.write_bytes(kept)


@pytest.mark.parametrize("name", OUTPUTS)
def test_without_its_record_an_output_is_foreign(red: Path, run: Any, tmp_path: Path, name: str) -> None:
    sidecar = run(red, tmp_path / name).sidecar
    sidecar.unlink()
    before = snapshot(tmp_path)
    for how in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match="no run of this output made"):
            run(red, tmp_path / name, **how)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", OUTPUTS)
def test_overwriting_replaces_all_of_the_earlier_run(red: Path, run: Any, tmp_path: Path, name: str) -> None:
    run(red, tmp_path / name)
    run(red, tmp_path / name, overwrite=True, stop=4, settings=ONE.but(seed=1))
    run(red, tmp_path / name, overwrite=True, frames=slice(2))
    assert frames_in(tmp_path / name) == len(open_clip(tmp_path / name)) == 2
    assert json.loads((tmp_path / f"{name}.json").read_text())["settings"]["seed"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"red.mp4", name, f"{name}.json"}


def blue_under_the_name_of(red: Path) -> None:
    make_video(red, [np.full((24, 32, 3), (20, 20, 200), np.uint8)] * 6)


def other_model(pipe: Any, tmp_path: Path) -> Any:
    """The same model with one weight changed, under the same name."""
    from workbench.pipeline.load import load_pipeline

    other = load_pipeline(pipe.save_pretrained(tmp_path / "model"))
    next(other.models.unet.parameters()).data.flatten()[0] += 1
    other.models = replace(other.models, source=pipe.models.source)
    return other


@pytest.mark.parametrize("name", ["out.mkv", "out"])
@pytest.mark.parametrize("stop", [3, None], ids=["unfinished", "finished"])
def test_resuming_with_anything_else_is_refused_by_name(
    red: Path, run: Any, tmp_path: Path, name: str, stop: int | None, tiny_pipe: Any
) -> None:
    output = tmp_path / name
    run(red, output, stop=stop)
    blue = make_video(tmp_path / "blue.mp4", [np.full((24, 32, 3), (20, 20, 200), np.uint8)] * 6)
    copy = shutil.copy2(red, tmp_path / "copy.mp4")
    before = snapshot(tmp_path)
    others: list[tuple[str, Path, dict[str, Any]]] = [
        ("source path 'blue.mp4' .was 'red.mp4'.*source sha256", blue, {}),
        ("source path 'copy.mp4'", Path(copy), {}),
        ("settings seed 7 .was 0", red, {"settings": ONE.but(seed=7)}),
        ("settings steps 2 .was 1", red, {"settings": ONE.but(steps=2)}),
        (r"frames \[0, 4, 1\] .was \[0, 6, 1\]", red, {"frames": slice(4)}),
        (r"frames \[0, 6, 2\]", red, {"frames": slice(None, None, 2)}),
        ("model weights", red, {"pipe": other_model(tiny_pipe, tmp_path / "elsewhere")}),
    ]
    before = snapshot(tmp_path)
    for message, source, other in others:
        with pytest.raises(OutputError, match=message):
            run(source, output, resume=True, **other)
        assert snapshot(tmp_path) == before
    touched = red.stat().st_mtime_ns + 10**9
    os.utime(red, ns=(touched, touched))
    with pytest.raises(OutputError, match="source modified"):
        run(red, output, resume=True)
    blue_under_the_name_of(red)
    with pytest.raises(OutputError, match=r"source (bytes|modified|sha256)"):
        run(red, output, resume=True)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_finished_output_is_done_already(red: Path, run: Any, tmp_path: Path, name: str) -> None:
    run(red, tmp_path / name)
    before = snapshot(tmp_path)
    again = run(red, tmp_path / name, resume=True)
    assert (again.finished, again.frames, again.notes) == (True, 6, ("it was finished before",))
    assert snapshot(tmp_path) == before


def test_a_folder_has_one_digest_in_every_process(frames: Path, tmp_path: Path) -> None:
    """Names and times of all frames, then the first frame, then the last one: no order that a hash seed decides."""
    files = sorted(frames.iterdir())
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}\n".encode())
    for file in (files[0], files[-1]):
        digest.update(2 * file.read_bytes())  # head and tail of a small file are all of it
    assert digest.hexdigest().startswith(describe_source(open_clip(frames), tmp_path / "out")["sha256"])


def test_a_folder_of_frames_is_known_again_and_a_changed_frame_is_seen(frames: Path, run: Any, tmp_path: Path) -> None:
    run(frames, tmp_path / "out", stop=2)
    Image.fromarray(pictures(1, 32, 24, seed=9)[0]).save(frames / "000002.png")
    with pytest.raises(OutputError, match="source"):
        run(frames, tmp_path / "out", resume=True)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("how", WAYS)
def test_a_second_writer_is_refused_and_the_first_loses_nothing(
    red: Path, run: Any, tmp_path: Path, name: str, how: dict[str, bool], tiny_pipe: Any
) -> None:
    output, refused = tmp_path / name, []

    def intrude(out: Any) -> None:
        if out.index == 3:
            with pytest.raises(OutputError, match="is being written by another run"):
                run(red, output, **how)
            with pytest.raises(OutputError, match="is being written by another run"):
                ClipWriter(output, overwrite=True)
            refused.append(out.index)

    upscale_to_file(tiny_pipe, open_clip(red), output, ONE, on_output=intrude)
    assert refused == [3]
    assert frames_in(output) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"red.mp4", name, f"{name}.json"}


def test_links_to_one_folder_are_one_output(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with hold(tmp_path / "real"), pytest.raises(OutputError, match="another run"), hold(tmp_path / "link"):
        pass


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_run_that_made_nothing_leaves_what_was_there(
    red: Path, run: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, tiny_pipe: Any
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise InputError("this frame cannot be used")

    with monkeypatch.context() as patch:
        patch.setattr(type(tiny_pipe), "step", fail)
        before = snapshot(tmp_path)
        with pytest.raises(WorkbenchError, match="cannot be used"):
            run(red, tmp_path / name)
        assert snapshot(tmp_path) == before
    run(red, tmp_path / name)
    if name != "out":  # pictures are replaced one by one
        before = snapshot(tmp_path)
        monkeypatch.setattr(type(tiny_pipe), "step", fail)
        with pytest.raises(WorkbenchError, match="cannot be used"):
            run(red, tmp_path / name, overwrite=True)
        assert snapshot(tmp_path) == before


def test_another_spelling_on_a_case_insensitive_system_is_the_source(
    frames: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As such a system answers: ``FRAMES`` is there, and is ``frames``."""
    stat, lexists, real = Path.stat, os.path.lexists, str(frames)

    def anyhow(path: Any) -> str:
        return str(path).replace(real.replace("frames", "FRAMES"), real)

    monkeypatch.setattr(Path, "stat", lambda self, **how: stat(type(self)(anyhow(self)), **how))
    monkeypatch.setattr(os.path, "lexists", lambda path: lexists(anyhow(path)))
    monkeypatch.setattr(Path, "iterdir", lambda self, do=Path.iterdir: do(type(self)(anyhow(self))))
    before = {file.name: file.read_bytes() for file in frames.iterdir()}
    with pytest.raises(OutputError, match="the clip that is being read"):
        run(frames / "000003.png", frames.parent / "FRAMES", overwrite=True)
    assert {file.name: file.read_bytes() for file in frames.iterdir()} == before
