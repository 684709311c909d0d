"""The command line: one clear line for what is wrong, nothing lost, and the published words still work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.cli import main
from workbench.video import ClipWriter, frames_in, open_clip

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def model(tiny_pipe, tmp_path_factory) -> str:
    return str(tiny_pipe.save_pretrained(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture
def clip(tmp_path, moving_frames) -> Path:
    with ClipWriter(tmp_path / "clip.mkv", fps=12) as writer:
        for frame in moving_frames:
            writer.write(frame)
    return tmp_path / "clip.mkv"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def upscale(*words: object) -> int:
    return main(["upscale", *map(str, words), "--quiet", "--steps", "1"])


def pixels(path: Path) -> np.ndarray:
    return np.stack([frame.image for frame in open_clip(path)])


def test_a_clip_becomes_four_times_as_large_and_tells_how(clip, model, capsys):
    assert upscale(clip, "--model", model) == 0
    assert "clip_x4.mp4: 6 frames, 128x96" in capsys.readouterr().out
    result = open_clip("clip_x4.mp4")
    assert (len(result), result.size, result.fps) == (6, (128, 96), 12)
    about = json.loads(Path("clip_x4.mp4.json").read_text())
    assert about["finished"]
    assert about["settings"]["steps"] == 1
    assert about["in_use"]["flow"] == "dis"
    assert not Path("clip_x4.mp4.state.safetensors").exists()


def test_every_setting_is_an_option(clip, model):
    words = [
        "--seed",
        "3",
        "--artg",
        "0.5",
        "--tpm",
        "off",
        "--flow",
        "none",
        "--flow-size",
        "input",
        "--reuse-residuals",
        "--reuse-deep-features",
        "off",
        "--attention-slicing",
        "--vae-slicing",
        "on",
    ]
    assert upscale(clip, "--model", model, "--frames", "0:1", *words) == 0
    assert json.loads(Path("clip_x4.mp4.json").read_text())["settings"] == {
        "steps": 1, "seed": 3, "artg": 0.5, "tpm": False, "flow": "none", "flow_size": "input",
        "reuse_residuals": True, "reuse_deep_features": False, "attention_slicing": True, "vae_slicing": True,
    }  # fmt: skip


def test_the_published_words_work(moving_frames, model, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for k, frame in enumerate(moving_frames[:2]):
            Image.fromarray(frame).save(tmp_path / "in" / name / f"frame_{k}.png")
    words = ["--in_path", "in", "--out_path", "out", "--model_id", model, "--num_inference_steps", "1", "--quiet"]
    assert main([*words, "--device", "cpu"]) == 0
    assert [frames_in(Path("out") / name) for name in ("a", "b")] == [2, 2]
    assert sorted(p.name for p in Path("out/a").iterdir()) == ["000000.png", "000001.png"]


def test_a_lossless_result_is_the_pipelines_frames(clip, model, moving_frames, tiny_pipe):
    from workbench.pipeline.settings import Settings

    assert upscale(clip, "--model", model, "--lossless") == 0
    expected = [out.image for out in tiny_pipe.stream(moving_frames, Settings(steps=1))]
    assert np.array_equal(pixels(Path("clip_x4.mkv")), np.stack(expected))


def test_an_output_is_not_overwritten_unasked(clip, model, capsys):
    assert upscale(clip, "--model", model, "-o", "out.mp4") == 0
    before = Path("out.mp4").read_bytes()
    assert upscale(clip, "--model", model, "-o", "out.mp4") == 2
    assert "out.mp4 exists" in capsys.readouterr().err
    assert Path("out.mp4").read_bytes() == before
    assert upscale(clip, "--model", model, "-o", "out.mp4", "--frames", ":2", "--overwrite") == 0
    assert frames_in("out.mp4") == 2


STOP = """
import sys, workbench.pipeline.pipeline as p
step = p.Pipeline.step
def slow(self, *a, **k):
    out = step(self, *a, **k)
    if out[0].index == 2:
        {how}
    return out
p.Pipeline.step = slow
from workbench.cli import main
sys.exit(main(sys.argv[1:]))
"""
INTERRUPT = "raise KeyboardInterrupt"
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    ("how", "code", "output"), [(INTERRUPT, 130, "out.mp4"), (KILL, -signal.SIGKILL, "out.mkv")], ids=["ctrl-c", "kill"]
)
def test_a_stopped_run_keeps_its_frames_and_goes_on(clip, model, output, how, code, monkeypatch):
    words = ["upscale", str(clip), "-o", output, "--model", model, "--quiet", "--steps", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-c", STOP.format(how=how), *words]
    stopped = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert stopped.returncode == code, stopped.stderr
    if how == INTERRUPT:
        assert "2 frames are in" in stopped.stderr
        assert len(open_clip(output)) == 2
    assert main([*words, "--resume"]) == 0
    assert main(["upscale", str(clip), "-o", "whole.mkv", *words[4:]]) == 0
    whole, joined = pixels(Path("whole.mkv")), pixels(Path(output))
    if output == "out.mp4":
        assert joined.shape == whole.shape
        assert np.abs(joined.astype(int) - whole).mean() < 8
    else:
        assert np.array_equal(joined, whole)
    assert not list(Path().glob("*.state.safetensors*"))


def test_resuming_a_finished_run_changes_nothing(clip, model):
    assert upscale(clip, "--model", model) == 0
    before = Path("clip_x4.mp4").stat().st_mtime_ns
    time.sleep(0.01)
    assert upscale(clip, "--model", model, "--resume") == 0
    assert Path("clip_x4.mp4").stat().st_mtime_ns == before


def bad_inputs(tmp_path: Path, clip: Path) -> dict[str, tuple[object, str]]:
    (tmp_path / "zero.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("hello, this is no video\n" * 50)
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:200])
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    for k, side in enumerate((32, 40)):
        Image.new("RGB", (side, 32)).save(tmp_path / "mixed" / f"{k}.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    return {
        "missing": ("absent.mp4", "absent.mp4"),
        "zero bytes": ("zero.mp4", "zero.mp4"),
        "text": ("text.mp4", "text.mp4"),
        "truncated": ("cut.mp4", "cut.mp4"),
        "empty folder": ("empty", "empty"),
        "mixed sizes": ("mixed", "40x32"),
        "1x1": ("dot.png", "at least 16x16"),
    }


@pytest.mark.parametrize("name", ["missing", "zero bytes", "text", "truncated", "empty folder", "mixed sizes", "1x1"])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, clip, model, capsys, name):
    source, word = bad_inputs(tmp_path, clip)[name]
    before = set(tmp_path.rglob("*"))
    assert upscale(source, "--model", model) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert word in said[-1]
    assert said[-1].startswith("workbench upscale: ")
    assert set(tmp_path.rglob("*")) == before, "nothing half-written is left"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nowhere/at-all/really"], "nowhere"),
        (["--steps", "0"], "steps must be a whole number"),
        (["--artg", "loud"], "artg must be a number"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--frames", "first"], "--frames must be"),
        (["-o", "/proc/nowhere/out.mp4"], "/proc/nowhere"),
        (["-o", "out.avi"], ".avi"),
        (["--engine", "tensorrt", "--device", "cpu"], "tensorrt"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(clip, model, capsys, words, message):
    assert main(["upscale", str(clip), "--model", model, "--quiet", *words]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_full_disk_keeps_what_was_made(clip, model, capsys, monkeypatch):
    import errno

    from workbench.video._sinks import PictureSink

    append, count = PictureSink.append, iter(range(100))

    def fail(self, image):
        if next(count) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, image)

    monkeypatch.setattr(PictureSink, "append", fail)
    assert upscale(clip, "--model", model, "-o", "frames") == 2
    said = capsys.readouterr().err
    assert "the disk is full" in said
    assert "3 frames in frames" in said
    assert frames_in(Path("frames")) == 3


def test_help_and_info_speak(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["upscale", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--steps", "--artg", "--resume", "--out_path", "examples:"):
        assert word in shown
    assert main([]) == 0
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert "devices" in shown
    assert "torch" in shown


def test_verify_prints_its_table_and_says_no_by_exit_code(capsys, tmp_path):
    import shutil

    golden = shutil.copytree(ROOT / "tests" / "golden", tmp_path / "golden")
    assert main(["verify", str(golden)]) == 0
    assert "decoded" in capsys.readouterr().out
    config = golden / "model" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("v_prediction", "epsilon"))
    assert main(["verify", str(golden)]) == 1
    assert main(["verify", str(tmp_path)]) == 2


def test_bench_prints_ratios(model, capsys):
    words = ["bench", "--model", model, "--size", "32x24", "--repeats", "1", "--json", "bench.json"]
    assert main(words) == 0
    assert "plain" in capsys.readouterr().out
    assert Path("bench.json").is_file()


def test_a_clip_that_is_cut_short_is_upscaled_as_far_as_it_goes_and_said(tmp_path, model, moving_frames, capsys):
    with ClipWriter(tmp_path / "long.mp4", fps=12, crf=1) as writer:
        for frame in moving_frames * 4:
            writer.write(frame)
    whole = (tmp_path / "long.mp4").read_bytes()
    (tmp_path / "broken.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    assert upscale("broken.mp4", "--model", model, "-o", "frames") == 0
    assert "the header names 2.0 s of video and the file holds 1." in capsys.readouterr().err
    assert 12 <= len(list(Path("frames").glob("*.png"))) < 24


def test_a_dry_run_tells_and_makes_nothing(clip, model, capsys):
    assert upscale(clip, "--model", model, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "clip_x4.mp4: 6 frames" in shown
    assert "32x24 -> 128x96 on cpu: about" in shown
    assert not Path("clip_x4.mp4").exists()


def test_what_cannot_fit_is_refused_before_any_work(clip, model, capsys, monkeypatch):
    import workbench.pipeline.memory as memory

    monkeypatch.setattr(memory, "available_memory", lambda device: 1000)
    assert upscale(clip, "--model", model) == 2
    assert "frames of 32x24 need about" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not Path("clip_x4.mp4").exists()
