"""What the command line adds to a run: names of results, sizes below x4, notes, and settings read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.video_material import make_video, noise, pictures
from workbench.cli import main
from workbench.cli.plan import plan
from workbench.errors import InputError, OutputError, SettingsError
from workbench.pipeline.run import upscale_to_file
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize
from workbench.video import open_clip


@pytest.fixture(scope="session")
def model(tiny_pipe, tmp_path_factory) -> str:
    return str(tiny_pipe.save_pretrained(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def upscale(*words: object) -> int:
    return main(["upscale", *map(str, words), "--quiet", "--steps", "1"])


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        make_video(Path("clip.mkv"), pictures(1)).rename(name)


def outputs(source: str, **how: object) -> list[str]:
    return [job.output.as_posix() for job in plan(Path(source), None, **how)]  # type: ignore[arg-type]


def test_clips_of_one_stem_get_two_results():
    touch("in/holiday.mov", "in/holiday.mp4", "in/Beach.mp4", "in/beach.mkv", "in/alone.avi", "in/alone_avi.webm")
    assert sorted(outputs("in")) == [
        "in_x4/Beach_mp4.mp4", "in_x4/alone.mp4", "in_x4/alone_avi.mp4", "in_x4/beach_mkv.mp4",
        "in_x4/holiday_mov.mp4", "in_x4/holiday_mp4.mp4",
    ]  # fmt: skip
    assert outputs("in/holiday.mov") == ["holiday_mov_x4.mp4"]  # one by one, too
    assert outputs("in/holiday.mp4", lossless=True) == ["holiday_mp4_x4.mkv"]
    assert outputs("in/alone.avi") == ["alone_x4.mp4"]
    touch("in/holiday_mov.mp4", "in/holiday_mov.ts")
    assert len({name.casefold() for name in outputs("in")}) == 8


def test_both_are_made(model):
    touch("in/holiday.mov", "in/holiday.mp4")
    assert upscale("in", "--model", model) == 0
    assert {path.name for path in Path("in_x4").glob("*.mp4")} == {"holiday_mov.mp4", "holiday_mp4.mp4"}
    for clip in Path("in").iterdir():
        assert upscale(clip, "--model", model, "--overwrite") == 0
    assert {path.name for path in Path().glob("*_x4.mp4")} == {"holiday_mov_x4.mp4", "holiday_mp4_x4.mp4"}


def test_results_do_not_go_among_the_clips(model, capsys):
    touch("in/a.mov", "in/b.mp4")
    before = {path: path.read_bytes() for path in Path("in").iterdir()}
    for output in ("in", "in/../in", Path("in").resolve()):
        assert upscale("in", "--model", model, "-o", output, "--overwrite") == 2
        assert "a folder of their own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("in").iterdir()} == before
    with pytest.raises(OutputError):
        plan(Path("in"), Path("in"))


@pytest.mark.parametrize("how", [["--overwrite"], ["--resume"], []])
def test_a_later_output_that_cannot_be_written_is_told_before_the_first_frame(model, capsys, how):
    touch("in/a.mp4", "in/b.mp4")
    Path("out").mkdir()
    Path("out/b.mp4").write_bytes(b"precious")
    assert upscale("in", "--model", model, "-o", "out", *how) == 2
    assert "b.mp4 exists, and no run of this output made it" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["b.mp4"]
    assert Path("out/b.mp4").read_bytes() == b"precious"


def test_an_impossible_name_is_told_before_any_work(model, capsys):
    touch("clip.mp4")
    assert upscale("clip.mp4", "--model", "nowhere", "-o", "x" * 300 + ".mp4") == 2
    assert "File name too long" in capsys.readouterr().err
    assert upscale("clip.mp4", "--model", model, "--height", 4000) == 2
    assert "height must be at most 192" in capsys.readouterr().err


def test_every_note_of_the_sidecar_is_printed(model, capsys):
    make_video(Path("clip.mp4"), pictures(2), sound=noise(0.1))
    assert upscale("clip.mp4", "--model", model, "-o", "out") == 0
    shown = capsys.readouterr().err
    notes = json.loads(Path("out.json").read_text())["notes"]
    assert any("sound" in note for note in notes)
    for note in notes:
        assert f"note: out: {note}" in shown


@pytest.mark.parametrize("output", ["out.mp4", "out.mkv", "out"])
def test_settings_travel_inside_the_result(model, capsys, output):
    touch("clip.mp4")
    assert upscale("clip.mp4", "--model", model, "-o", output, "--seed", 7, "--flow", "none", "--scale", 2) == 0
    wanted = Settings(steps=1, seed=7, flow="none")
    sidecar = Path(f"{output}.json").rename("elsewhere.json")
    inside = [Path(output), *Path(output).glob("*.png")]
    for path in [*inside, sidecar, str(sidecar)]:
        assert Settings.from_file(path) == wanted
        capsys.readouterr()
        assert main(["info", str(path)]) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in ("clip.mp4", "seed", "7", model, "[128, 96]"))
        assert main(["info", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["settings"] == wanted.to_dict()
    for path in inside:
        assert str(Path.cwd()) not in path.read_bytes().decode("latin1") if path.is_file() else True


def test_what_holds_no_settings_is_refused(capsys):
    touch("clip.mp4")
    Path("other.json").write_text("[]")
    Path("more.json").write_text('{"settings": 1}')
    Image.new("RGB", (8, 8)).save("plain.png")
    Path("folder").mkdir()
    for name in ("clip.mp4", "other.json", "more.json", "plain.png", "folder", "absent.mp4"):
        with pytest.raises(InputError, match="expected a"):
            Settings.from_file(name)
        assert main(["info", name]) == 2
    Path("newer.json").write_text('{"settings": {"stepz": 1}}')
    with pytest.raises(SettingsError, match="stepz"):
        Settings.from_file("newer.json")


@pytest.mark.parametrize(
    ("how", "size"),
    [({"scale": 2}, (64, 48)), ({"height": 60}, (80, 60)), ({"scale": 1.3}, (42, 32)), ({"height": 50}, (66, 50))],
)
def test_a_smaller_output_is_x4_brought_down(tiny_pipe, moving_frames, tmp_path, how, size):
    clip, target = open_clip(np.stack(moving_frames), fps=12), OutputSize(**how)
    run = upscale_to_file(tiny_pipe, clip, tmp_path / "out.mkv", Settings(steps=1), size=target)
    assert json.loads(run.sidecar.read_text())["size"] == list(size)
    made = open_clip(tmp_path / "out.mkv")
    assert made.size == target.of(clip.size) == size
    for frame, out in zip(made, tiny_pipe.stream(clip, Settings(steps=1)), strict=True):
        small = Image.fromarray(out.image).resize(size, Image.Resampling.BICUBIC)  # antialiased, as Pillow's always is
        assert np.abs(frame.image.astype(int) - np.asarray(small)).max() <= 2
    with pytest.raises(OutputError, match=r"size \[128, 96\] .was"):
        upscale_to_file(tiny_pipe, clip, tmp_path / "out.mkv", Settings(steps=1), resume=True)


def test_a_stopped_run_of_another_size_goes_on_exactly(tiny_pipe, moving_frames, tmp_path):
    clip, half = open_clip(np.stack(moving_frames), fps=12), OutputSize(scale=2)
    for name, stops in (("whole.mkv", [None]), ("parts.mkv", [2, 4, None])):
        for stop in stops:
            upscale_to_file(
                tiny_pipe, clip, tmp_path / name, Settings(steps=1), size=half, resume=True,
                on_output=lambda out, stop=stop: out.index + 1 != stop,
            )  # fmt: skip
    whole, parts = open_clip(tmp_path / "whole.mkv"), open_clip(tmp_path / "parts.mkv")
    assert np.array_equal([frame.image for frame in whole], [frame.image for frame in parts])


@given(st.integers(16, 300), st.integers(16, 300), st.floats(0.25, 4))
def test_sizes_keep_the_shape(width, height, scale):
    for size in (OutputSize(scale=scale), OutputSize(height=max(2, round(height * scale)))):
        w, h = size.of((width, height))
        assert 2 <= w <= 4 * width
        assert 2 <= h <= 4 * height
        assert abs(w - width * scale) <= 1 + width / height
        assert abs(h - height * scale) <= 1


@pytest.mark.parametrize(
    "how", [{"scale": 0}, {"scale": 4.1}, {"scale": float("nan")}, {"scale": "2"}, {"height": 1}, {"height": 2.5},
            {"height": True}, {"scale": 2, "height": 40}]
)  # fmt: skip
def test_impossible_sizes_are_refused(how):
    with pytest.raises(SettingsError, match=r"scale|height"):
        OutputSize(**how)


def test_x4_is_left_as_it_is():
    picture = torch.rand(3, 64, 80)
    assert OutputSize().apply(picture) is picture
    assert OutputSize(scale=4).apply(picture) is picture
    assert OutputSize(height=64).apply(picture) is picture
