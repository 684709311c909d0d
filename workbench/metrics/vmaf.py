"""VMAF and XPSNR of two sequences, by imageio-ffmpeg's binary; the models are built in."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from torch import Tensor

from workbench.errors import InputError, MetricUnavailable
from workbench.metrics.images import batched
from workbench.pixels import unit_to_image

MODEL, MODEL_NEG = "vmaf_v0.6.1", "vmaf_v0.6.1neg"
MINIMUM = 32
LOG = "log"


def vmaf(
    outputs: Iterable[Tensor], references: Iterable[Tensor], *, model: str = MODEL, fps: float = 25.0
) -> list[float]:
    """Video multimethod assessment fusion (Netflix), one value a frame, 0..100; higher is better.

    Two equally long sequences of (3, H, W) float RGB in [0, 1] with even sides; rounded to 8 bit, compared as BT.601
    luma. Both are read lazily, in step. Frames are fed as pairs in one picture, so one pipe serves on every system.
    Raises InputError for unusable pictures, MetricUnavailable when the ffmpeg binary has no libvmaf.
    """
    log = _filtered(f"libvmaf=model=version={model}:log_fmt=json:log_path={LOG}", outputs, references, fps)
    return [frame["metrics"]["vmaf"] for frame in json.loads(log)["frames"]] if log else []


def xpsnr(outputs: Iterable[Tensor], references: Iterable[Tensor], *, fps: float = 25.0) -> list[float]:
    """Extended perceptually weighted PSNR (Helmrich et al., 2020) of luma in dB, one value a frame; higher is better.

    Errors weigh less where texture and motion hide them. Pictures as ``vmaf`` takes them; infinite for equal ones.
    """
    log = _filtered(f"xpsnr=stats_file={LOG}", outputs, references, fps)
    return [float(value) for value in re.findall(r"^n: *\d+  XPSNR y: (\S+)", log, re.MULTILINE)]


def vmaf_neg(outputs: Iterable[Tensor], references: Iterable[Tensor], *, fps: float = 25.0) -> list[float]:
    """VMAF with the "no enhancement gain" model, which does not reward sharpening; otherwise as ``vmaf``."""
    return vmaf(outputs, references, model=MODEL_NEG, fps=fps)


def _filtered(measure: str, outputs: Iterable[Tensor], references: Iterable[Tensor], fps: float) -> str:
    """The log that a filter of the ffmpeg binary writes of two sequences; "" for empty ones."""
    binary = ffmpeg_with_vmaf()
    pairs = _pairs(outputs, references)
    first = next(pairs, None)
    if first is None:
        return ""
    height, width = first.shape[:2]
    halves = "[0]split[a][b];[a]crop=iw:ih/2:0:0,format=yuv420p[out];[b]crop=iw:ih/2:0:ih/2,format=yuv420p[ref];"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:"]
    command = [binary, "-v", "error", *source, "-lavfi", f"{halves}[out][ref]{measure}", "-f", "null", "-"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+b") as errors:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stderr=errors)
        assert process.stdin is not None
        try:
            process.stdin.write(first.tobytes())
            for pair in pairs:
                process.stdin.write(pair.tobytes())
        except BrokenPipeError:
            pass  # its own words, below, say why
        finally:
            process.communicate()
        log = Path(folder) / LOG
        if process.returncode or not log.is_file():
            errors.seek(0)
            said = errors.read().decode()
            raise InputError(f"ffmpeg could not measure {measure} for {width}x{height // 2}: {said}")
        return log.read_text()


@lru_cache(maxsize=1)
def ffmpeg_with_vmaf() -> str:
    """Path of the binary; raises MetricUnavailable when there is none or it lacks libvmaf."""
    try:
        binary = imageio_ffmpeg.get_ffmpeg_exe()
        filters = subprocess.run([binary, "-v", "error", "-filters"], capture_output=True, text=True, check=True).stdout
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        raise MetricUnavailable(f"vmaf needs a working ffmpeg ({error}); reinstall imageio-ffmpeg.") from error
    if "libvmaf" not in filters:
        raise MetricUnavailable(f"{binary} has no libvmaf; unset IMAGEIO_FFMPEG_EXE or install a newer imageio-ffmpeg.")
    return binary


def _pairs(outputs: Iterable[Tensor], references: Iterable[Tensor]) -> Iterator[np.ndarray]:
    for count, (output, reference) in enumerate(zip_longest(outputs, references)):
        if output is None or reference is None:
            raise InputError(f"vmaf needs equally many outputs and references, and one of them ends after {count}.")
        yield _stacked(output, reference)


def _stacked(output: Tensor, reference: Tensor) -> np.ndarray:
    """(2H, W, 3) uint8, the output above its reference."""
    pair = np.concatenate([unit_to_image(p[0]) for p in batched(output, reference, minimum=MINIMUM, single=True)])
    if pair.shape[0] % 4 or pair.shape[1] % 2:
        raise InputError(f"vmaf takes single pictures (3, H, W) with even sides, got {tuple(output.shape)}.")
    return pair
