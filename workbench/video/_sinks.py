"""The two kinds of output: pictures in a folder, and one video file."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from workbench.errors import OutputError, SettingsError
from workbench.video._clock import Clock
from workbench.video._join import Job, check_joinable, join
from workbench.video._program import ffmpeg_path
from workbench.video._segments import (
    PICTURE_NAME,
    Segment,
    count_frames,
    find_segments,
    frames_in,
    part_path,
    parts_of,
    picture_path,
)
from workbench.video._tracks import read_carried
from workbench.video.clip import Clip
from workbench.video.encode import HDR, PartEncoder, choose_coding, with_bits
from workbench.video.mark import Mark
from workbench.video.place import is_picture


class Sink(Protocol):
    """Where frames go. ``append`` and ``finish`` raise OSError or FFmpegError; ``finish`` is called once."""

    notes: list[str]
    bits: int  # of a sample

    @property
    def count(self) -> int: ...
    @property
    def files(self) -> list[Path]: ...
    def append(self, image: np.ndarray) -> None: ...
    def finish(self) -> None: ...


class PictureSink:
    """PNG files 000000.png, 000001.png, ... in a folder, or one file that is named itself.

    What is there is the output's own (see ``check_place``); its frames from ``resume_at`` on are removed.
    """

    bits = 8

    def __init__(self, path: Path, clip: Clip | None, *, resume_at: int | None, mark: Mark) -> None:
        self._single = is_picture(path)
        self._path, self._mark = path, mark
        self.files = [path]
        self.count = resume_at or 0
        self.notes = list(read_carried(None if clip is None else clip.path, ".png").lost)
        self._pixel_aspect = Fraction(1) if clip is None else clip.info.pixel_aspect
        if clip is not None:
            _check_depth(clip, path, self.notes)
        _check_resume(path, resume_at)
        if self._single:
            path.parent.mkdir(parents=True, exist_ok=True)
            return
        path.mkdir(parents=True, exist_ok=True)
        for file in path.iterdir():
            if PICTURE_NAME.fullmatch(file.name) and int(file.stem) >= self.count:
                file.unlink()
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")

    def append(self, image: np.ndarray) -> None:
        if self._single and self.count:
            raise OutputError(f"{self._path} is one picture and is written; use a folder for more frames")
        target = self._path if self._single else picture_path(self._path, self.count)
        unfinished = self._mark.unfinished(target)
        try:
            picture = Image.fromarray(with_bits(image, 8))
            about = {"pnginfo": self._mark.png(), **_density(self._pixel_aspect)}
            picture.save(unfinished, format="PNG", compress_level=3, **about)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        self.count += 1

    def finish(self) -> None:
        """Nothing is left to do: every file was finished when it was written."""


class VideoSink:
    """One video file, made of parts (see ``segments``)."""

    def __init__(
        self,
        path: Path,
        clip: Clip | None,
        *,
        rate: Fraction | None,
        crf: int,
        resume_at: int | None,
        mark: Mark,
    ) -> None:
        if not 0 <= crf <= 51:
            raise SettingsError(f"crf must be 0 to 51, not {crf}")
        self.notes: list[str] = []
        self._output, self._mark = path, mark
        self._pixel_aspect = Fraction(1) if clip is None else clip.info.pixel_aspect
        ffmpeg_path()  # without it, hours of work could not be joined
        self._coding = choose_coding(path.suffix.lower(), None if clip is None else clip.info, crf)
        self.bits = self._coding.bits
        if clip is not None:
            _check_depth(clip, path, self.notes, self.bits)
            if clip.info.light.words and self._coding.codec != "libx265":
                what = f"{clip.info.light.words} of HDR"
                self.notes.append(f"{what}: left out, since only 10-bit .mp4 files are written with it")
        self._clock = Clock(clip, rate, self.notes)
        self._carried = read_carried(None if clip is None else clip.path, path.suffix.lower())
        self.notes += self._carried.lost
        self._encoder: PartEncoder | None = None
        self._start = resume_at or 0
        self._new = self._good_bytes = 0
        self._finished = False
        self._earlier = self._prepare(resume_at)
        self._part = part_path(path, self._start)
        # Fails here, before hours of work, where the folder cannot be written.
        self._part.open("xb").close()

    def _prepare(self, resume_at: int | None) -> list[Segment]:
        """Clear the way for a new part; returns what comes before it."""
        path = self._output
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_resume(path, resume_at)
        earlier = find_segments(path) if resume_at else []
        for start, part in parts_of(path):
            if start >= self._start:
                part.unlink()
        return [
            Segment(segment.path, segment.start, min(segment.stop, self._start))
            for segment in earlier
            if segment.start < self._start
        ]

    @property
    def count(self) -> int:
        return self._start + self._new

    @property
    def files(self) -> list[Path]:
        if self._finished:
            return [self._output]
        return [segment.path for segment in self._segments()]

    def _segments(self) -> list[Segment]:
        new = [Segment(self._part, self._start, self.count)] if self._new else []
        return self._earlier + new

    def append(self, image: np.ndarray) -> None:
        pts = self._clock.stamp(self.count)
        if self._encoder is None:
            self._encoder = self._open_encoder(image)
        self._encoder.write(image, pts)
        self._good_bytes = self._part.stat().st_size
        if not self._new and self._earlier:
            check_joinable(self._earlier[-1].path, self._part)
        self._new += 1

    def _open_encoder(self, image: np.ndarray) -> PartEncoder:
        height, width = image.shape[:2]
        encoder = PartEncoder(
            self._part,
            (width, height),
            coding=self._coding,
            rate=self._clock.rate,
            time_base=self._clock.time_base,
            pixel_aspect=self._pixel_aspect,
            comment=self._mark.line,
        )
        if encoder.padded:
            self.notes.append(
                f"{self._output.suffix} needs even sizes: {width}x{height} shows its last column or row twice"
            )
        return encoder

    def finish(self) -> None:
        if self._encoder is not None:
            try:
                self._encoder.close()
            except OSError:  # the disk may be full: cut off what is not a whole frame
                os.truncate(self._part, self._good_bytes)
        if not self._new:
            self._part.unlink(missing_ok=True)
        if not self.count:
            return
        if not self._is_complete():
            job = Job(
                self._output, self._segments(), self._clock, self._coding, self._carried, self._pixel_aspect, self._mark
            )
            self.notes += join(job)
        for _, part in parts_of(self._output):
            part.unlink()
        self._finished = True

    def _is_complete(self) -> bool:
        """Whether the output is there already and holds what it should, so that there is nothing to join."""
        if self._new or not self._output.exists():
            return False
        return self._segments() == [Segment(self._output, 0, count_frames(self._output))]


def _check_depth(clip: Clip, path: Path, notes: list[str], bits: int = 8) -> None:
    """What 8 bits cannot hold is an error for PQ and HLG, which would show bands, and else a note."""
    if clip.info.bits <= bits:
        return
    if clip.info.transfer in HDR:
        raise OutputError(
            f"{path}: PQ and HLG need 10 bits; write .mp4 or .mkv, or have them tone-mapped: open the clip with "
            "colours='bt709' (--colours bt709)"
        )
    notes.append(f"frames of {clip.info.bits} bits are written with {bits}")


def _density(pixel_aspect: Fraction) -> dict[str, tuple[float, float]]:
    """Pillow's option for the pHYs chunk: wide pixels are fewer to the metre across than down (about 72 an inch)."""
    if pixel_aspect == 1:
        return {}
    scale = max(1, round(2835 / max(pixel_aspect.as_integer_ratio())))
    across, down = pixel_aspect.denominator * scale, pixel_aspect.numerator * scale
    return {"dpi": (across * 0.0254, down * 0.0254)}


def _check_resume(path: Path, resume_at: int | None) -> None:
    if resume_at is None:
        return
    there = frames_in(path)
    if not 0 <= resume_at <= there:
        raise OutputError(f"cannot resume at frame {resume_at}: {path} holds {there} frames; start anew (overwrite)")
