"""What one frame leaves behind for the next: an explicit value that can be saved, sent and resumed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import InputError, OutputError
from workbench.files import replacing
from workbench.pipeline.settings import Settings

FORMAT = "stream-diffvsr-state/1"


@dataclass(frozen=True)
class State:
    """The stream after some frames."""

    index: int
    """how many frames there were"""
    previous_output: Tensor
    """(1, 3, H, W), the raw decoder output of the last frame, unclamped, padded"""
    previous_lr: Tensor
    """(1, 3, h, w), the last low-resolution frame in [-1, 1], padded to multiples of 4"""
    size: tuple[int, int]
    """(h, w) of the frames before padding"""
    settings: Settings
    """of the last frame"""
    model: str = ""
    """what it was loaded from"""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes one safetensors file; a crash while writing leaves the file that was there before.

        Raises OutputError where it cannot be written.
        """
        path = Path(path)
        tensors = {
            "previous_output": self.previous_output.cpu().contiguous(),
            "previous_lr": self.previous_lr.cpu().contiguous(),
        }
        about = {
            "format": FORMAT,
            "index": str(self.index),
            "size": json.dumps(list(self.size)),
            "settings": self.settings.to_json(),
            "model": self.model,
        }
        try:
            with replacing(path) as partial:
                save_file(tensors, partial, metadata=about)
        except (SafetensorError, OSError) as error:
            raise OutputError(
                f"{path} could not be written ({error}); is the disk full? Make room and resume."
            ) from error
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> State:
        """Reads a saved state; raises InputError when the file is missing or not a state."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"no saved state at {path}; run without resuming to start from the first frame.")
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no __iter__)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is not a readable state file ({error}); delete it to start again.") from error
        if about.get("format") != FORMAT:
            raise InputError(f"{path} is no state of this workbench: expected {FORMAT}, got {about.get('format')!r}.")
        height, width = json.loads(about["size"])
        return cls(
            index=int(about["index"]),
            size=(height, width),
            settings=Settings.from_json(about["settings"]),
            model=about["model"],
            **tensors,
        )

    def skip(self, frames: int) -> State:
        """The same state, after ``frames`` more of the source that the loop was not given.

        Flow, ARTG and TPM span the gap by themselves: they are between this state's frame and the next one given. Only
        the count must be told, because the next frame's index and noise follow it.
        """
        return replace(self, index=self.index + frames)

    def to(self, device: torch.device) -> State:
        """The same state with its tensors on ``device``."""
        return replace(self, previous_output=self.previous_output.to(device), previous_lr=self.previous_lr.to(device))
