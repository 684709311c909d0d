"""What workers of the batch tests do; a module of its own, since other processes import it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.batch.runner import Tell
from workbench.errors import InputError, ModelError


def nothing(place: str) -> str:
    return place


def unable(place: str) -> str:
    raise ModelError(f"no model for {place}")


def dies(place: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return place


@dataclass(frozen=True)
class Steps:
    """Counts up to ``count`` in a file; what was counted stays when its worker dies. Dies by SIGSEGV at each number in
    ``deaths`` that it comes to for the first time, and every time at those in ``walls``."""

    file: Path
    count: int = 3
    deaths: tuple[int, ...] = ()
    walls: tuple[int, ...] = ()
    pause: float = 0.0

    def __call__(self, kept: Any, tell: Tell) -> tuple[str, int]:
        done = self.file.read_text().split() if self.file.exists() else []
        for k in range(sum(word != "x" for word in done), self.count):
            time.sleep(self.pause)
            if k in self.walls or (k in self.deaths and done[-1:] != ["x"]):
                with self.file.open("a") as file:
                    file.write("x ")
                os.kill(os.getpid(), signal.SIGSEGV)
            with self.file.open("a") as file:
                file.write(f"{k} ")
            done = [str(k)]
            tell(k + 1)
        return kept, os.getpid()


@dataclass(frozen=True)
class Meet:
    """Is done once the other one has begun as well."""

    mine: Path
    other: Path

    def __call__(self, kept: Any, tell: Tell) -> None:
        self.mine.touch()
        end = time.monotonic() + 60
        while not self.other.exists():
            assert time.monotonic() < end, "it was alone"
            time.sleep(0.01)


@dataclass(frozen=True)
class Bad:
    """``kind``: "input", "bug" or "stop"."""

    kind: str

    def __call__(self, kept: Any, tell: Tell) -> None:
        raise {"input": InputError("not  a\nclip"), "bug": ZeroDivisionError("a bug"), "stop": KeyboardInterrupt()}[
            self.kind
        ]


@dataclass(frozen=True)
class Loader:
    """A pipeline whose reading of ``crash.mp4`` takes the whole process with it."""

    model: str

    def __call__(self, place: str) -> Any:
        from workbench.pipeline.load import load_pipeline
        from workbench.video._decode import VideoSource

        read = VideoSource.read

        def dangerous(self: VideoSource, indices: range) -> Any:
            if self.path.name == "crash.mp4":
                os.kill(os.getpid(), signal.SIGSEGV)
            return read(self, indices)

        VideoSource.read = dangerous  # type: ignore[method-assign]
        return load_pipeline(self.model, device=place)


@dataclass(frozen=True)
class SmallDisk:
    """A pipeline in a process that may write no file of more than so many bytes: its disk is full then."""

    model: str
    bytes: int

    def __call__(self, place: str) -> Any:
        import resource

        from workbench.pipeline.load import load_pipeline

        pipe = load_pipeline(self.model, device=place)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error in its place
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.bytes, self.bytes))
        return pipe
