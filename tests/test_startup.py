"""A command imports what it uses, ends as Python does, and leaves diffusers whole for everybody else."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from workbench import startup

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "workbench"

UPSCALE = """
import importlib.metadata, sys
scans, scan = [], importlib.metadata.packages_distributions
importlib.metadata.packages_distributions = lambda: scans.append(1) or scan()
from workbench.startup import COMPANIONS, own_process
own_process()
from workbench.cli import main
assert main(["upscale", sys.argv[1], "-o", sys.argv[2], "--quiet"]) == 0
assert "diffusers" in sys.modules
assert not {*COMPANIONS, "matplotlib", "gradio", "cv2"} & set(sys.modules), sys.modules.keys()
assert not scans
import scipy.special, torch._dynamo, torchvision
from transformers import CLIPTextConfig
"""

WHOLE = """
import sys
from workbench import startup
if sys.argv[1] == "own":
    startup.own_process()
    startup.COMPANIONS = (*startup.COMPANIONS, "safetensors")  # without it, diffusers cannot be imported
import torch
disable = torch.compiler.disable
from workbench.models.networks import ControlNetModel
from diffusers.utils import is_transformers_available
assert is_transformers_available()
assert torch.compiler.disable is disable
assert None not in sys.modules.values()
"""

PARENT = """
import subprocess, sys
from workbench import startup
startup.own_process()
asks = "import os, sys; from workbench import startup; sys.exit(3 if startup._OWNED in os.environ else 0)"
sys.exit(subprocess.call([sys.executable, "-c", asks]))
"""

LEAVE = """
import atexit, threading, time
from concurrent.futures import ThreadPoolExecutor
from workbench.startup import leave
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
pool = ThreadPoolExecutor(1)  # the compiler leaves one
pool.submit(print, "pool").result()
leave(3)
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_upscale_imports_no_companion_of_diffusers_and_each_can_be_had_later(tmp_path):
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / "in.png")
    done = run(UPSCALE, tmp_path / "in.png", tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()


def test_a_scan_that_is_put_off_gives_the_same_answer():
    scan = importlib.metadata.packages_distributions
    with startup._scan_put_off():
        later = importlib.metadata.packages_distributions()
    assert importlib.metadata.packages_distributions is scan
    assert dict(later) == scan()
    assert "no such package" not in later


def test_what_an_own_process_starts_is_its_own():
    done = run(PARENT)
    assert done.returncode == 3, done.stderr


def test_elsewhere_diffusers_is_whole():
    done = run(WHOLE, "shared")
    assert done.returncode == 0, done.stderr


def test_a_diffusers_that_cannot_do_without_is_imported_whole():
    done = run(WHOLE, "own")
    assert done.returncode == 0, done.stderr


def test_leaving_waits_for_threads_and_calls_what_is_registered():
    done = run(LEAVE)
    assert (done.returncode, done.stdout.split("\n")) == (3, ["pool", "thread", "at exit", ""])


def test_help_and_errors_load_no_torch():
    code = "import sys; from workbench.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    assert run(code, "upscale", "nothing-here.mp4").returncode == 0
    assert run(code).returncode == 0


def test_diffusers_has_one_door():
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(from|import) diffusers", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert found == ["models/networks.py"]
