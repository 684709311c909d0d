"""Small synthetic clips for the tests of workbench.video, made with PyAV alone, not with the code under test."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

SAMPLE_RATE = 48_000


def pictures(n: int, width: int = 64, height: int = 48, seed: int = 0) -> list[np.ndarray]:
    """n distinct (h, w, 3) uint8 pictures: smooth colours that move, so that every codec keeps them apart."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, 3)
    y, x = np.mgrid[:height, :width]
    frames = []
    for k in range(n):
        waves = [np.sin(x / 9 + phase[c] + 0.35 * k) * np.cos(y / 7 + 0.2 * k * (c + 1)) for c in range(3)]
        frames.append((np.stack(waves, -1) * 100 + 128).astype(np.uint8))
    return frames


def noise(seconds: float, seed: int = 1) -> np.ndarray:
    """(1, samples) float32 low-passed noise: no two moments are alike, and AAC keeps it well."""
    white = np.random.default_rng(seed).normal(size=round(seconds * SAMPLE_RATE) + 31)
    return (np.convolve(white, np.hanning(32) / 16, "valid")[None] * 0.1).astype(np.float32)


def make_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """RGB frames -> a video file; ``pts`` in units of ``time_base`` for variable frame rates."""
    time_base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(rate), options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        voice: Any = None
        if sound is not None:
            voice = container.add_stream(sound_codec, rate=SAMPLE_RATE)
            voice.layout = "mono"
        for place, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (place if pts is None else pts[place]), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None and sound is not None:
            _add_sound(container, voice, sound)
    return path


def make_sound(path: Path, sound: np.ndarray, codec: str = "aac") -> Path:
    with av.open(str(path), "w") as container:
        voice: Any = container.add_stream(codec, rate=SAMPLE_RATE)
        voice.layout = "mono"
        _add_sound(container, voice, sound)
    return path


def _add_sound(container: Any, voice: Any, sound: np.ndarray) -> None:
    resampler = av.AudioResampler(format=voice.codec_context.format, layout="mono", rate=SAMPLE_RATE)
    for start in range(0, sound.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1024]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        for resampled in resampler.resample(frame):
            container.mux(voice.encode(resampled))
    container.mux(voice.encode(None))


def heard(path: Path) -> tuple[np.ndarray, float]:
    """(samples,) float32 of the first sound track, and when it starts in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    start = frames[0].time
    assert start is not None
    samples = [frame.to_ndarray().astype(np.float32)[0] for frame in frames]
    return np.concatenate(samples), start


FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments: str | Path) -> None:
    """Run the bundled program; stops the test where it fails."""
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def program_times(path: Path) -> list[float]:
    """When the bundled program shows each frame, in seconds from the first one."""
    command = [
        FFMPEG,
        "-i",
        str(path),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-vf",
        "showinfo",
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL).stderr
    times = [float(time) for time in re.findall(r"pts_time:(-?[\d.]+)", said)]
    return [time - times[0] for time in times]


def program_frames(path: Path, size: tuple[int, int], *filters: str) -> np.ndarray:
    """(n, h, w, 3) uint8 RGB as the bundled program decodes and converts it, with accurate rounding."""
    scale = "scale=flags=bicubic+accurate_rnd+full_chroma_int:out_range=pc"
    command = [FFMPEG, "-v", "error", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-vf", ",".join([*filters, scale]), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def decoded(path: Path) -> list[np.ndarray]:
    """Every frame as libswscale gives it: for counting and comparing, not for judging colours."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def moving(seconds: float, rate: Fraction | int = 25) -> list[str]:
    """An input of the bundled program: a moving picture of 64x48."""
    return ["-f", "lavfi", "-i", f"testsrc2=s=64x48:r={rate}:d={seconds}"]


def tone(seconds: float, frequency: int = 440) -> list[str]:
    """An input of the bundled program: a mono tone."""
    return ["-f", "lavfi", "-i", f"sine=f={frequency}:r={SAMPLE_RATE}:d={seconds}"]
