"""Before a job starts: how long, how much memory, and what would fit where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench.app.planner as plan
from tests.model_folders import MODEL
from tests.video_material import make_video, pictures
from workbench.app.planner import Planner, duration
from workbench.app.planner_process import answer, probe
from workbench.app.request import Request
from workbench.app.speed import Speed, Speeds
from workbench.app.values import Probe
from workbench.errors import InputError
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.memory import estimate_memory
from workbench.pipeline.settings import Settings
from workbench.video import ClipWriter

ROOT = Path(__file__).parents[2]
TOKEN = "0123456789abcdefghij_-"
MEASURED = Speed((96, 128), Settings().to_dict(), 1.0, {"upscale": 0.5})


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with ClipWriter(path, fps=4) as writer:
        for k in range(5):
            writer.write(np.full((96, 128, 3), 40 * k, np.uint8))
    return path


@pytest.fixture(scope="module")
def planner(tmp_path_factory) -> Planner:
    """On a machine that needs one second for a frame of the clip, and half a second a megapixel to write it."""
    data = tmp_path_factory.mktemp("data")
    Speeds(data).put("", "cpu", "float32", MEASURED)
    return Planner(data)


def asked(kind: str = "upscale", **more) -> Request:
    return Request(kind=kind, source=TOKEN, device="cpu", **more)  # type: ignore[arg-type]


def test_time_follows_what_was_measured_here(planner, clip):
    found = planner.plan(asked(), clip)
    megapixels = 16 * 96 * 128 / 1e6
    assert found.frames == 5
    assert found.seconds == pytest.approx(5 * (1.0 + 0.5 * megapixels))
    assert found.fits
    assert found.text.startswith("5 frames of 128x96 will take about 5 s and ")
    assert found.text.endswith(" on cpu.")


def test_fewer_steps_take_less_time_and_two_settings_the_sum(planner, clip):
    four = planner.plan(asked(), clip).seconds
    one = planner.plan(asked(settings=Settings(steps=1)), clip).seconds
    assert one < four
    both = planner.plan(asked("compare", others=(Settings(steps=1),)), clip)
    extra = 5 * 0.5 * 16 * 96 * 128 / 1e6
    assert both.seconds == pytest.approx(four + one - 2 * extra)
    assert "at least" in both.text, "how long metrics take was not measured yet"


def test_only_the_frames_that_are_asked_for_count(planner, clip):
    assert planner.plan(asked(frames=2), clip).frames == 2
    assert planner.plan(asked(frames=9), clip).frames == 5


def test_an_upload_that_is_the_truth_is_upscaled_from_a_quarter(planner, clip):
    whole = planner.plan(asked("compare", others=("bicubic",)), clip)
    quarter = planner.plan(asked("compare", others=("bicubic",), truth=True), clip)
    assert "32x24" in quarter.text
    assert quarter.memory_bytes < whole.memory_bytes


def test_memory_is_the_pipelines_own_estimate(planner, clip):
    expected = estimate_memory(load_pipeline(device="cpu"), (96, 128)).peak
    assert planner.plan(asked(), clip).memory_bytes == expected


def test_what_cannot_fit_is_refused_with_the_settings_that_do(planner, clip, monkeypatch):
    """Of a model whose decoder has maps to slice."""
    model, dis = str(MODEL), Settings(flow="dis", flow_size="input")
    large, small = (
        planner._estimate(model, "cpu", "float32", (96, 128), dis.but(vae_slicing=on)).working for on in (False, True)
    )
    assert small < large, "this test needs a setting that saves memory"
    monkeypatch.setattr(plan, "available_memory", lambda device: (small + large) // 2)
    found = planner.plan(asked(model=model, settings=dis), clip)
    assert not found.fits
    assert found.seconds is None
    assert found.instead == {"vae_slicing": True}
    assert "vae_slicing" in found.text
    planner.speeds.put(model, "cpu", "float32", MEASURED)
    assert planner.plan(asked(model=model, settings=dis.but(**found.instead)), clip).fits


def test_where_no_setting_helps_a_smaller_size_is_named(planner, clip, monkeypatch):
    least = asked(settings=Settings(vae_slicing=True, flow="dis", flow_size="input"))
    room = planner._estimate("", "cpu", "float32", (48, 64), least.settings).working
    monkeypatch.setattr(plan, "available_memory", lambda device: room)
    found = planner.plan(least, clip)
    assert not found.fits
    assert found.instead is None
    assert "A clip of 64x48 fits." in found.text


def test_a_model_that_is_not_here_yet_is_said_to_be_downloaded_first(planner, clip):
    found = planner.plan(asked(model="nobody/nothing"), clip)
    assert found.fits
    assert found.seconds is None
    assert "nobody/nothing is downloaded first" in found.text


def test_on_a_lent_gpu_time_is_what_earlier_jobs_took(tmp_path, clip, monkeypatch):
    """There, no GPU can be asked about its memory, or measured, before a job has it."""
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    facts = plan.Facts(5, (96, 128), (Settings(),), "cuda:0", "float16")
    monkeypatch.setattr(plan, "facts_of", lambda *asked: facts)
    planner = Planner(tmp_path)
    first = planner.plan(asked(), clip)
    assert (first.seconds, first.fits) == (None, True)
    assert "the GPU is lent for each job" in first.text
    planner.speeds.put("", "cuda:0", "float16", MEASURED)
    assert (planner.plan(asked(), clip).seconds or 0) > 5


def test_the_machine_is_measured_where_nothing_is_known(tmp_path, clip):
    planner = Planner(tmp_path / "store")
    assert (planner.plan(asked(), clip).seconds or 0) > 0
    kept = Speeds(tmp_path / "store").get("", "cpu", "float32")
    assert kept is not None
    assert kept.size == (96, 128)
    assert kept.seconds > 0
    assert kept.extra["upscale"] >= 0


@pytest.mark.parametrize(("size", "kept"), [((96, 128), 1.0), ((90, 160), 3.0)])
def test_a_start_measures_again_and_keeps_the_fastest_unless_a_job_did_better(tmp_path, monkeypatch, size, kept):
    found = iter([4.0, 1.0, 2.0])
    monkeypatch.setattr(plan, "calibrate", lambda facts: Speed((96, 128), Settings().to_dict(), next(found)))
    planner = Planner(tmp_path)
    planner.warm_up(pauses=())
    planner.speeds.put("", "cpu", "float32", Speed(size, Settings().to_dict(), 3.0))
    planner.warm_up(pauses=(0, 0))
    speed = planner.speeds.get("", "cpu", "float32")
    assert speed is not None
    assert (speed.size, speed.seconds) == (size, kept)


def test_measured_speeds_of_other_kinds_stay(tmp_path):
    speeds = Speeds(tmp_path)
    speeds.put("", "cpu", "float32", MEASURED)
    speeds.put("", "cpu", "float32", Speed((48, 64), {}, 2.0, {"compare": 3.0}))
    found = speeds.get("", "cpu", "float32")
    assert found is not None
    assert (found.seconds, found.extra) == (2.0, {"upscale": 0.5, "compare": 3.0})
    assert speeds.get("", "cpu", "float16") is None


def test_an_upload_is_looked_at(clip, tmp_path):
    poster = tmp_path / "poster.jpg"
    assert probe(clip, poster) == Probe(width=128, height=96, frames=5, fps=4.0, seconds=1.25)
    assert poster.is_file()
    (tmp_path / "no.mp4").write_text("this is no video")
    with pytest.raises(InputError):
        probe(tmp_path / "no.mp4", poster)


def test_the_telling_frame_of_a_clip_that_begins_black_is_not_black(tmp_path):
    black, shown = np.zeros((48, 64, 3), np.uint8), pictures(1)[0]
    source = make_video(tmp_path / "black.mp4", [black] * 5 + [shown] * 5, rate=5)
    found = probe(source, tmp_path / "poster.jpg")
    assert found.telling == 5
    assert found.telling_at == pytest.approx(1.0)
    assert np.asarray(Image.open(tmp_path / "poster.jpg")).std() > 20


def test_a_second_video_of_another_size_is_refused_before_it_is_run(planner, clip, tmp_path):
    other = make_video(tmp_path / "theirs.mp4", pictures(5, 128, 96), rate=4)
    with pytest.raises(InputError, match=r"128x96; a second video must be 4 times .*, 512x384"):
        planner.plan(asked("compare", others=(f"material:{TOKEN}",)), clip, [other])


def test_every_precision_that_a_device_can_do_has_a_plan(planner, clip):
    """A machine that was not measured in it yet is measured."""
    assert (planner.plan(asked(dtype="bf16", frames=1), clip).seconds or 0) > 0


def test_a_fault_of_ours_is_an_answer_that_blames_no_file(planner, clip, monkeypatch):
    monkeypatch.setattr("workbench.app.planner_process.probe", lambda *paths: {}["no such thing"])
    reply = answer(planner, {"do": "probe", "path": str(clip), "poster": "poster.jpg"})
    assert reply["kind"] == "Fault"
    assert "a fault of the workbench: KeyError" in reply["error"]


def test_errors_are_answers(planner, tmp_path):
    reply = answer(planner, {"do": "probe", "path": str(tmp_path / "absent.mp4"), "poster": "poster.jpg"})
    assert reply["kind"] == "InputError"
    assert "absent.mp4" in reply["error"]


def test_the_process_answers_lines_in_order(tmp_path, clip):
    Speeds(tmp_path).put("", "cpu", "float32", MEASURED)
    poster = str(tmp_path / "poster.jpg")
    looks = [{"do": "probe", "path": path, "poster": poster} for path in (str(clip), "absent")]
    questions = [*looks, {"do": "hello"}]
    done = subprocess.run(
        [sys.executable, "-m", "workbench.app.planner_process", "--data", str(tmp_path)],
        input="".join(json.dumps(question) + "\n" for question in questions),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert first["ok"]["frames"] == 5
    assert second["kind"] == "InputError"
    cpu = third["ok"]["devices"][-1]
    assert cpu.pop("engines")[:2] == ["auto", "torch"]
    assert cpu == {"name": "cpu", "label": "CPU", "dtypes": ["auto", "fp32", "bf16"]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (7.4, "7 s"),
        (53, "55 s"),
        (198, "3 min 20 s"),
        (238, "4 min"),
        (1500, "25 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_as_precise_as_an_estimate(seconds, text):
    assert duration(seconds) == text
