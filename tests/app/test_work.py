"""What a job leaves: playable files with the clip's sound and timing, whatever ends it, and progress on the way."""

from __future__ import annotations

import json
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from tests.video_material import heard, make_video, noise, pictures
from workbench.app.kinds import KINDS
from workbench.app.models import OWN_MODELS
from workbench.app.planner_process import probe
from workbench.app.request import Request
from workbench.app.status import Status
from workbench.app.work.task import Stopped, Task, Warm
from workbench.comparison import Comparison
from workbench.pipeline.settings import Settings
from workbench.trace import Trace
from workbench.video import ClipWriter, frames_in, open_clip

ONE = Settings(steps=1)
TOKEN = "0123456789abcdefghij_-"
RATE = 8


@pytest.fixture
def clip(tmp_path) -> Path:
    """Four frames, 64x48, with sound, as the store keeps an upload."""
    folder = tmp_path / "materials" / TOKEN
    folder.mkdir(parents=True)
    (folder / "material.json").write_text(json.dumps({"name": "my clip.mp4", "files": ["my clip.mp4"]}))
    return make_video(folder / "source.mp4", pictures(4), rate=RATE, sound=noise(0.5))


@pytest.fixture
def job(tmp_path, tiny_pipe):
    """Begins the job again each time it is called: a new task on the same folder."""

    def make(source: Path | None, kind: str = "upscale", *, other_file: Path | None = None, **asked) -> Task:
        folder = tmp_path / "jobs" / TOKEN
        folder.mkdir(parents=True, exist_ok=True)
        request = Request(kind=kind, source=TOKEN, device="cpu", **{"settings": ONE, **asked})  # type: ignore[arg-type]
        return Task(request, folder, source, [other_file] if other_file else [], warm=Warm(tiny_pipe))

    return make


def do(task: Task) -> Status:
    KINDS[task.request.kind].function()(task)
    return Status.read(task.status_file)


def stop_after(task: Task, frames: int) -> None:
    task.alone = lambda: task.status.done >= frames


def pixels(path: Path) -> np.ndarray:
    return np.stack([frame.image for frame in open_clip(path)])


def test_a_video_becomes_a_video_with_its_sound_and_timing(clip, job):
    task = job(clip)
    status = do(task)
    assert status.files == {
        "video": "upscaled.mp4", "play": "upscaled.mp4", "bicubic": "bicubic.mp4", "sidecar": "upscaled.mp4.json",
    }  # fmt: skip
    for name in ("upscaled.mp4", "bicubic.mp4"):
        made = open_clip(task.public / name)
        assert (made.size, len(made), made.fps) == ((256, 192), 4, RATE)
        assert heard(task.public / name)[0].size > 0
    assert (status.done, status.total, status.result["frames"], status.result["finished"]) == (4, 4, 4, True)
    assert status.result["audio"].startswith("aac")
    assert {"unet", "decode", "flow"} <= set(status.result["stages"])


def test_the_sidecar_says_how_it_was_made_and_names_no_path_of_the_server(clip, job, tmp_path):
    task = job(clip, settings=ONE.but(seed=7))
    do(task)
    text = (task.public / "upscaled.mp4.json").read_text()
    about = json.loads(text)
    assert (about["source"], about["output"], about["seed"]) == ("my clip.mp4", "upscaled.mp4", 7)
    assert {"settings", "model", "versions", "stages", "seconds_per_frame"} <= set(about)
    assert str(tmp_path) not in text


def test_bicubic_beside_it_is_pillows(clip, job):
    task = job(clip)
    do(task)
    first = open_clip(clip)[0].image
    expected = np.asarray(Image.fromarray(first).resize((256, 192), Image.Resampling.BICUBIC))
    assert np.abs(pixels(task.public / "bicubic.mp4")[0].astype(int) - expected).mean() < 4
    last = open_clip(clip)[3].image
    live = np.asarray(Image.open(task.public / "live-bicubic.png")).astype(int)
    exact = np.asarray(Image.fromarray(last).resize((256, 192), Image.Resampling.BICUBIC))
    assert np.abs(live - exact).max() <= 1  # ours rounds once, at the end


def test_the_first_live_picture_is_there_after_the_first_frame(clip, job, tiny_pipe):
    task = job(clip)
    seen: list[tuple[int | None, bool]] = []
    advance = task.advance

    def watch(done, **changes):
        advance(done, **changes)
        seen.append((Status.read(task.status_file).live, (task.public / "live.png").is_file()))

    task.advance = watch
    do(task)
    assert seen[0] == (0, True)
    (*_, last) = tiny_pipe.stream(open_clip(clip), ONE)
    assert np.array_equal(np.asarray(Image.open(task.public / "live.png")), last.image)


def test_a_stop_keeps_a_playable_video_and_going_on_gives_the_same_frames(clip, job, tmp_path):
    task = job(clip, lossless=True)
    stop_after(task, 2)
    with pytest.raises(Stopped):
        do(task)
    stopped = Status.read(task.status_file)
    assert (stopped.done, stopped.result["finished"]) == (2, False)
    assert {frames_in(task.public / stopped.files[label]) for label in ("video", "play", "bicubic")} == {2}
    task = job(clip, lossless=True)
    assert do(task).result["finished"]
    whole = [out.image for out in task.pipeline().stream(open_clip(clip), ONE)]
    assert np.array_equal(pixels(task.public / "upscaled.mkv"), np.stack(whole))
    assert {frames_in(task.public / name) for name in ("preview.mp4", "bicubic.mp4")} == {4}


def test_frames_that_a_kill_left_out_of_the_bicubic_video_are_made_up_for(clip, job):
    task = job(clip)
    stop_after(task, 3)
    with pytest.raises(Stopped):
        do(task)
    bicubic = task.public / "bicubic.mp4"
    before = pixels(bicubic)
    bicubic.unlink()
    do(job(clip))
    after = pixels(bicubic)
    assert len(after) == 4
    assert np.abs(after[:3].astype(int) - before).mean() < 2


def test_a_stop_before_the_first_frame_leaves_nothing_half_made(clip, job):
    task = job(clip)
    (task.folder / "stop").touch()
    with pytest.raises(Stopped):
        do(task)
    assert Status.read(task.status_file).done in (0, 1)


def test_a_stop_at_the_last_frame_comes_too_late(clip, job):
    task = job(clip)
    stop_after(task, 4)
    assert do(task).result["finished"]


def test_an_image_can_be_compared(tmp_path, job):
    source = tmp_path / "source.png"
    Image.fromarray(pictures(1)[0]).save(source)
    task = job(source, "compare", others=("lanczos",))
    status = do(task)
    assert status.result["frames"] == 1
    assert json.dumps(status.result, allow_nan=False)
    assert (task.public / "report.html").is_file()


def test_the_first_frames_only(clip, job):
    assert do(job(clip, frames=2)).result["frames"] == 2


def test_an_output_may_be_smaller_and_tells_the_app_its_settings(clip, job, tmp_path):
    task = job(clip, scale=2.0)
    status = do(task)
    assert (status.result["width"], status.result["height"]) == (128, 96)
    for name in ("upscaled.mp4", "bicubic.mp4"):
        assert pixels(task.public / name).shape == (4, 96, 128, 3)
    assert status.downloads["upscaled.mp4"] == "my clip_x2.mp4"
    again = probe(task.public / "upscaled.mp4", tmp_path / "poster.jpg")
    assert Settings.from_json(again.made_with) == ONE


def test_a_job_takes_the_frames_that_are_asked_for(clip, job):
    task = job(clip, start=1, frames=2)
    assert do(task).done == 2
    assert np.array_equal(pixels(task.public / "bicubic.mp4").shape, (2, 192, 256, 3))


def test_an_image_becomes_an_image(tmp_path, job, tiny_pipe):
    source = tmp_path / "source.png"
    Image.fromarray(pictures(1)[0]).save(source)
    task = job(source)
    status = do(task)
    assert status.files == {
        "picture": "upscaled.png", "bicubic": "bicubic.png", "sidecar": "upscaled.png.json",
    }  # fmt: skip
    (out,) = tiny_pipe.stream(pictures(1), ONE)
    assert np.array_equal(np.asarray(Image.open(task.public / "upscaled.png")), out.image)


def test_several_images_are_frames(tmp_path, job):
    folder = tmp_path / "source"
    folder.mkdir()
    for k, picture in enumerate(pictures(3)):
        Image.fromarray(picture).save(folder / f"{k}.png")
    task = job(folder)
    status = do(task)
    assert frames_in(task.public / status.files["video"]) == 3


@pytest.mark.parametrize("other", [ONE.but(tpm=False), "bicubic", OWN_MODELS[-1]])
def test_a_comparison_leaves_two_videos_numbers_curves_and_a_report(clip, job, other):
    task = job(clip, "compare", others=(other,))
    status = do(task)
    for label in ("a", "b"):
        made = open_clip(task.public / status.files[label])
        assert (made.size, len(made), made.fps) == ((256, 192), 4, RATE)
    assert set(status.result["names"]) == {"a", "b"}
    assert len(status.result["table"]) == 3
    assert status.result["memory"]["a"] > 0
    for label in ("report", "curves", "json", "csv"):
        assert (task.public / status.files[label]).stat().st_size > 100
    assert "my clip.mp4" in (task.public / "report.html").read_text(encoding="utf-8")
    assert json.dumps(status.result, allow_nan=False)


def test_an_upload_that_is_the_truth_makes_its_own_low_resolution_clip(job, tmp_path):
    truth = make_video(tmp_path / "truth.mp4", pictures(3, 130, 98), rate=RATE, sound=noise(0.4))
    task = job(truth, "compare", others=("lanczos",), truth=True)
    status = do(task)
    assert (status.result["width"], status.result["height"]) == (128, 96)
    assert any("PSNR" in heading for heading in status.result["table"][0])
    for name in ("a.mp4", "truth.mp4"):
        assert frames_in(task.public / name) == 3
        assert heard(task.public / name)[0].size > 0


def test_a_reports_command_makes_the_comparison_again(job, tmp_path, tiny_pipe, monkeypatch):
    truth = make_video(tmp_path / "truth.mp4", pictures(4, 130, 98), rate=RATE)
    others = ("lanczos", ONE.but(tpm=False))
    task = job(truth, "compare", others=others, truth=True, damage="bicubic+jpeg:60", start=1, frames=2, scale=2.0)
    do(task)
    before = json.loads((task.public / "comparison.json").read_text(encoding="utf-8"))
    assert "python -c" in (task.public / "report.html").read_text(encoding="utf-8")
    python, option, code = shlex.split(before["about"]["command"])
    assert (python, option) == ("python", "-c")
    again: list[Comparison] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wb, "load_pipeline", lambda **_: tiny_pipe, raising=False)
    monkeypatch.setattr(Comparison, "report", lambda made, _: again.append(made))
    exec(code, {})
    for name, values in again[0].values.items():
        column = "Stream-DiffVSR" if name == "pipeline" else name
        assert before["values"][column]["psnr"] == pytest.approx(values["psnr"])


def test_ones_own_video_can_stand_against_it(clip, job, tmp_path):
    other = make_video(tmp_path / "theirs.mp4", pictures(3, 256, 192), rate=RATE)
    status = do(job(clip, "compare", others=(f"material:{TOKEN}",), other_file=other))
    assert status.result["frames"] == 3
    assert status.result["names"]["b"] == "theirs.mp4"
    assert status.result["seconds_per_frame"]["b"] == "nan"


def test_a_stopped_comparison_shows_what_it_has_and_goes_on(clip, job):
    task = job(clip, "compare", others=("bicubic",))
    stop_after(task, 2)
    with pytest.raises(Stopped):
        do(task)
    stopped = Status.read(task.status_file)
    assert stopped.result["frames"] == frames_in(task.public / stopped.files["a"]) == 2
    assert do(job(clip, "compare", others=("bicubic",))).result["frames"] == 4


def test_inside_leaves_figures_for_every_frame_and_step_and_a_trace(clip, job):
    task = job(clip, "inside", settings=Settings(steps=2), frames=2)
    status = do(task)
    assert (status.result["frames"], status.result["steps"]) == (2, 2)
    assert set(status.result["figures"]) == {"x0", "latent", "warped", "flow", "artg", "tpm"}
    assert set(status.result["titles"]) == {*status.result["figures"], "blend", "residual"}  # this model has neither
    for name, pattern in status.result["figures"].items():
        for frame in range(status.result["first"][name], 2):
            for step in range(2):
                with Image.open(task.public / pattern.format(frame=frame, step=step)) as figure:
                    assert min(figure.size) > 48
    trace = Trace.load(task.public / status.files["trace"])
    assert trace["x0", 1].shape == (2, 4, 48, 64)


def test_inside_without_guidance_has_no_figures_of_it(clip, job):
    status = do(job(clip, "inside", settings=ONE.but(tpm=False, artg=0.0), frames=2))
    assert set(status.result["figures"]) == {"x0", "latent"}


def test_inside_takes_a_few_frames_at_most(job, tmp_path):
    with ClipWriter(tmp_path / "long.mp4", fps=RATE) as writer:
        for picture in pictures(12, 32, 32):
            writer.write(picture)
    task = job(tmp_path / "long.mp4", "inside")
    stop_after(task, 1)
    with pytest.raises(Stopped):
        do(task)
    assert task.status.total == 8
    assert Status.read(task.status_file).files["trace"] == "trace.safetensors"


def test_a_finished_job_tells_later_estimates_its_pace(clip, job, tmp_path):
    from workbench.app.speed import Speeds

    do(job(clip))
    speed = Speeds(tmp_path).get("", "cpu", "float32")
    assert speed is not None
    assert speed.size == (48, 64)
    assert speed.seconds > 0
    assert speed.extra["upscale"] >= 0


def test_variable_timing_is_kept(job, tmp_path):
    source = make_video(tmp_path / "vfr.mp4", pictures(4), pts=[0, 10, 40, 60], time_base=Fraction(1, 100))
    task = job(source)
    do(task)
    for name in ("upscaled.mp4", "bicubic.mp4"):
        assert open_clip(task.public / name).times == pytest.approx(open_clip(source).times, abs=0.011)


def test_messages_hold_no_path_of_the_server(clip, job):
    task = job(clip)
    assert task.told(f"{clip} is damaged") == "my clip.mp4 is damaged"
    assert str(task.folder) not in task.told(f"{task.public / 'upscaled.mp4'} and {task.folder}")


def test_devices_measures_here_and_tells_what_others_published(job, monkeypatch):
    from workbench.app.work import devices
    from workbench.bench.measure import Measured

    monkeypatch.setattr(devices, "SIZE", (16, 16))
    monkeypatch.setattr(devices, "REPEATS", 1)
    monkeypatch.setattr(devices, "CHANGES", ({}, {"steps": 1}))  # steps=1 is what is asked for: one row
    found = Measured(growth=5 * 2**20, seconds=1.0, stages={"decode": 2**20}, estimated=5 * 2**20, process=2**30)
    monkeypatch.setattr(devices, "measure_memory", lambda *asked, **more: found)  # a process each
    task = job(None, "devices")
    status = do(task)
    assert len(status.result["measured"]) == 2
    assert status.result["measured"][1][0] == "as set"
    assert status.result["rows"][0]["seconds_per_frame"] > 0
    assert "5 MiB" in status.result["measured"][1]
    assert {"unet", "decode"} <= set(status.result["stages"])
    assert "published" in status.result["published"][0][1]
    kept = json.loads((task.public / "devices.json").read_text())
    assert (kept["reports"][0]["size"], kept["reports"][0]["memory"]) == ([16, 16], {"decode": 2**20})
    assert (task.public / status.files["figure"]).stat().st_size > 1000


def test_a_job_runs_on_the_engine_it_asks_for_and_auto_weighs_its_length(clip, job, monkeypatch):
    weighed: list[int] = []
    monkeypatch.setattr(
        "workbench.app.work.upscale.choose_engine", lambda pipe, size, settings, frames, say: weighed.append(frames)
    )
    for engine in ("torch", "auto"):
        task = job(clip, engine=engine)
        assert task.pipeline().engine.name == engine
        assert task.pipeline().models is task.warm.pipe.models
    assert do(task).done == 4
    assert weighed == [4]
