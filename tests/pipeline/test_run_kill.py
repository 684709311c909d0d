"""Twenty runs of one output, each killed at some moment (SIGKILL), then one that ends: every frame is there, exact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.video_material import make_video, pictures
from workbench.pipeline.run import upscale_to_file
from workbench.pipeline.settings import Settings
from workbench.video import frames_in, open_clip

ROOT = Path(__file__).parents[2]
FRAMES, KILLS = 14, 20

# The parent imports all and runs nothing; each child is a copy of it that is killed after a while.
KILLER = """
import os, random, signal, sys, time
import workbench.pipeline.run as run
from workbench.pipeline.load import load_pipeline
from workbench.pipeline.settings import Settings
from workbench.video import open_clip
source, output, model, kills = sys.argv[1:]
run.SAVE_STATE_EVERY = 0.02
rng = random.Random(0)
died = 0
for _ in range(int(kills)):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        pipe = load_pipeline(model, device="cpu")
        os.write(tell, b".")
        run.upscale_to_file(pipe, open_clip(source), output, Settings(steps=1), resume=True)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready), os.close(tell)
    time.sleep(rng.uniform(0.005, 0.3))
    os.kill(child, signal.SIGKILL)
    died += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(died)
"""


def test_twenty_kills_cost_nothing(tiny_pipe, tmp_path: Path) -> None:
    name = "out.mkv"
    model = tiny_pipe.save_pretrained(tmp_path / "model")
    source = make_video(tmp_path / "in.mp4", pictures(FRAMES, 32, 24))
    before = source.read_bytes()
    command = [sys.executable, "-c", KILLER, str(source), str(tmp_path / name), str(model), str(KILLS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    assert killed.returncode == 0, killed.stderr
    assert int(killed.stdout) > 0, "all of them were done before they were killed"

    from workbench.pipeline.load import load_pipeline

    pipe = load_pipeline(model, device="cpu")
    run = upscale_to_file(pipe, open_clip(source), tmp_path / name, Settings(steps=1), resume=True)
    assert run.finished
    assert frames_in(tmp_path / name) == FRAMES
    expected = [out.image for out in pipe.stream(open_clip(source), Settings(steps=1))]
    assert np.array_equal([frame.image for frame in open_clip(tmp_path / name)], expected)
    assert source.read_bytes() == before
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"in.mp4", "model", name, f"{name}.json"}
