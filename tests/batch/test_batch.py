"""``workbench batch`` from end to end: the results are those of one clip after the other, whatever is killed."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.batch_jobs import Loader, SmallDisk
from tests.video_material import make_video, pictures
from workbench.batch._processes import Processes
from workbench.batch.clips import plan
from workbench.batch.crews import crew
from workbench.batch.progress import Progress
from workbench.batch.runner import Job, News, run_jobs
from workbench.batch.upscaling import Orders, UpscaleClip
from workbench.cli import main
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.settings import Settings
from workbench.video import open_clip

ROOT = Path(__file__).parents[2]
ONE = Settings(steps=1)


@pytest.fixture(scope="module")
def model(tiny_pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_pipe.save_pretrained(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def alone(model: str) -> Any:
    """The pipeline that the workers have: the very file's, whose place in memory is worth a last bit."""
    return load_pipeline(model, device="cpu")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Six clips of 2 to 12 frames, the same name twice, and a folder of frames."""
    folder = tmp_path / "in"
    folder.mkdir()
    for k, name in enumerate(("a.mkv", "b.mp4", "c.mov", "b.mkv", "d.avi")):
        make_video(folder / name, pictures(2 + 2 * k, 32, 24, seed=k))
    (folder / "frames").mkdir()
    for k, picture in enumerate(pictures(12, 32, 24, seed=9)):
        Image.fromarray(picture).save(folder / "frames" / f"{k}.png")
    return folder


NAMES = {"a.mkv": "a.mkv", "b.mp4": "b_mp4.mkv", "c.mov": "c.mkv", "b.mkv": "b_mkv.mkv", "d.avi": "d.mkv"}
NAMES["frames"] = "frames"
COUNTS = {"a.mkv": 2, "b_mp4.mkv": 4, "c.mkv": 6, "b_mkv.mkv": 8, "d.mkv": 10, "frames": 12}


def check(pipe: Any, clips: Path, out: Path) -> None:
    for source, result in NAMES.items():
        expected = [made.image for made in pipe.stream(open_clip(clips / source), ONE)]
        assert np.array_equal([frame.image for frame in open_clip(out / result)], expected), source
        assert json.loads((out / f"{result}.json").read_text())["finished"]
        assert not list(out.glob(f"{result}.part-*")) + list(out.glob(f"{result}.state*"))


class Watched(Processes):
    """Knows which of its workers told last."""

    told = 0

    def wait(self, inners: Sequence[Any], seconds: float) -> list[tuple[Any, str, Any]]:
        news = super().wait(inners, seconds)
        self.told = next((worker.process.pid for worker, kind, _ in reversed(news) if kind == "told"), self.told)
        return news


def test_kills_and_bad_clips_cost_no_other(alone: Any, model: str, clips: Path, tmp_path: Path) -> None:
    make_video(clips / "crash.mp4", pictures(30, 32, 24))
    (clips / "broken.mp4").write_bytes(b"no video" * 100)
    Image.new("1", (60_000, 40_000)).save(tmp_path / "huge.png")
    tasks, _ = plan([str(clips), str(tmp_path / "huge.png")], str(tmp_path / "out"), lossless=True)
    jobs = [Job(task.name, UpscaleClip(task, Orders(ONE)), task.weight) for task in tasks]
    workers = Watched(["cpu", "cpu"], Loader(model), threads=1, imports=("workbench.pipeline.load",))
    progress = Progress(tasks, jobs, str(tmp_path / "out"), lambda words: None)
    chance, kills = random.Random(0), 0
    for news in run_jobs(workers, jobs):
        progress.hear(news)
        if kills < 10 and news.kind == "told" and chance.random() < 0.6:
            os.kill(workers.told, signal.SIGKILL)  # one that gets on, so that chance does not give up a clip
            kills += 1
    words = progress.end()
    assert kills == 10
    check(alone, clips, tmp_path / "out")
    failed = {Path(row.source).name: row.error for row in progress.rows if row.state == "failed"}
    assert set(failed) == {"crash.mp4", "broken.mp4", "huge.png"}
    assert "SIGSEGV" in failed["crash.mp4"]
    assert "cannot be opened" in failed["broken.mp4"]
    assert all(error in words for error in failed.values())
    with (tmp_path / "out" / "batch.csv").open() as file:
        assert sorted(row["state"] for row in csv.DictReader(file)) == ["done"] * 6 + ["failed"] * 3


def test_a_killed_driver_is_begun_again_and_metrics_are_of_the_result(
    alone: Any, model: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["batch", str(clips), "-o", str(out), "--devices", "cpu:2", "--steps", "1", "--lossless", "--model", model]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen([sys.executable, "-m", "workbench", *words], env=environment, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(out.glob("*.safetensors")) and time.monotonic() < until:
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert not (out / "d.mkv.json").exists() or not json.loads((out / "d.mkv.json").read_text())["finished"]
    (tmp_path / "originals").mkdir()
    for name in ("a.mkv", "d.avi"):
        large = [np.asarray(Image.fromarray(frame.image).resize((128, 96))) for frame in open_clip(clips / name)]
        make_video(tmp_path / "originals" / f"{Path(name).stem}.mkv", large, codec="ffv1", pix_fmt="bgr0")
    again = [*words, "--references", str(tmp_path / "originals"), "--metrics", "psnr"]
    assert main(again) == 0
    check(alone, clips, out)
    rows = {Path(row["source"]).name: row for row in json.loads((out / "batch.json").read_text())["clips"]}
    assert rows["a.mkv"]["metrics"]["psnr"] > 5
    assert not rows["c.mov"]["metrics"]
    said = capsys.readouterr()
    assert "6 of 6 clips are done" in said.out
    assert "no original of its name" in said.err
    assert main([*again, "--seed", "1"]) == 1  # refused by the record, clip by clip
    assert "settings seed 1 (was 0)" in capsys.readouterr().out


def test_a_full_disk_costs_the_clips_that_do_not_fit_and_they_go_on_with_more_room(
    alone: Any, model: str, tmp_path: Path
) -> None:
    """One fits; of one the frames do not, of another the state does not."""
    (tmp_path / "in").mkdir()
    for name, count, width in (("fits.mkv", 2, 32), ("long.mkv", 24, 32), ("large.mkv", 3, 64)):
        make_video(tmp_path / "in" / name, pictures(count, width, 24))
    tasks, _ = plan([str(tmp_path / "in")], str(tmp_path / "out"), lossless=True)
    left = [Job(task.name, UpscaleClip(task, Orders(ONE)), task.weight) for task in tasks]
    for load, done in ((SmallDisk(model, 200_000), {"fits.mkv"}), (Loader(model), {"long.mkv", "large.mkv"})):
        workers = Processes(["cpu"], load, threads=1, imports=("workbench.pipeline.load",))
        ended = {news.job: news for news in run_jobs(workers, left) if news.job and news.kind in ("done", "failed")}
        assert {job.name for job in left if ended[job].kind == "done"} == done
        left = [job for job in left if ended[job].kind == "failed"]
        assert all("written" in ended[job].value for job in left), ended
    for task in tasks:
        expected = [made.image for made in alone.stream(open_clip(task.source), ONE)]
        assert np.array_equal([frame.image for frame in open_clip(task.output)], expected), task


def test_each_clip_has_the_engine_that_its_length_pays(
    model: str, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[tuple[int, int], int]] = []
    monkeypatch.setattr(
        "workbench.pipeline.automatic.choose_engine", lambda pipe, size, settings, frames: asked.append((size, frames))
    )
    pipe, (task,) = load_pipeline(model, device="cpu"), plan([str(clips / "c.mov")], str(tmp_path), lossless=True)[0]
    for _ in range(2):  # what is there goes on with the engine that its record names
        UpscaleClip(task, Orders(ONE))(pipe, lambda told: None)
    assert asked == [((24, 32), 6)]


def test_the_table_reads_in_a_log() -> None:
    tasks, _ = plan([__file__], "out")
    job = Job("clip.mp4", print, 10.0)
    said: list[str] = []
    progress = Progress(tasks, [job], "out", said.append)
    for kind, value in (("begun", None), ("told", (2, 8, 0.5)), ("told", (4, 8, 0.5))):
        progress.hear(News(kind, job, "cuda:1", value))  # type: ignore[arg-type]
    heading, columns, line = progress.table().splitlines()
    assert "[0/1] clips, 0 failed, about" in heading
    assert columns.split() == ["clip", "frames", "s/frame", "device", "left"]
    assert line.split()[:2] == ["clip.mp4", "4/8"]
    assert "cuda:1" in line
    assert "\r" not in progress.table()


@pytest.fixture(scope="module")
def ray_here() -> Iterator[Any]:
    import ray

    yield ray
    ray.shutdown()


def test_ray_actors_do_the_same_and_three_are_killed(
    ray_here: Any, alone: Any, model: str, clips: Path, tmp_path: Path
) -> None:
    tasks, _ = plan([str(clips)], str(tmp_path / "out"), lossless=True)
    jobs = [Job(task.name, UpscaleClip(task, Orders(ONE)), task.weight) for task in tasks]
    workers = crew(Loader(model), devices="cpu:2", ray="local")
    chance, kills = random.Random(0), 0
    ended: list[str] = []
    for news in run_jobs(workers, jobs):
        if kills < 3 and news.kind == ("begun" if kills == 0 else "told"):
            ray_here.kill(chance.choice(workers.actors))  # type: ignore[attr-defined]
            kills += 1
        if news.kind == "told" and news.job:
            assert news.value[1] == COUNTS[news.job.name]  # no news of the clip before
        if news.kind in ("done", "failed", "stopped") and news.job:
            ended.append(f"{news.kind} {news.job.name}")
    assert sorted(ended) == sorted(f"done {job.name}" for job in jobs)
    check(alone, clips, tmp_path / "out")
