"""What is varied, and the numbers that came of it: values only, so that reading them needs no model and no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from workbench.engines.table import TORCH
from workbench.files import table_text, table_values
from workbench.pipeline.settings import Settings

NOTHING = 0.01  # of the memory; a smaller change is not mentioned
FORMAT = "stream-diffvsr-ablation/3"
BASE = "default settings"
METRICS = ("psnr_y", "ssim_y", "haarpsi", "flicker")
TOLD = (("psnr_y", "PSNR-Y", " dB", 2), ("flicker", "flicker", "", 3))  # in sentences: metric, label, unit, digits


@dataclass(frozen=True)
class Variant:
    """The default settings with some changed."""

    name: str
    about: str
    """the field of ``Settings`` that it tells about; empty for none"""
    changes: dict[str, Any]
    engine: str = TORCH
    approximation: bool = False
    """whether it computes the same thing less exactly: these have a table of their own"""


# fmt: off
VARIANTS = (
    Variant("1 step", "steps", {"steps": 1}),
    Variant("2 steps", "steps", {"steps": 2}),
    Variant("8 steps", "steps", {"steps": 8}),
    Variant("another seed", "seed", {"seed": 1}),
    Variant("ARTG off", "artg", {"artg": 0.0}),
    Variant("TPM off", "tpm", {"tpm": False}),
    Variant("ARTG and TPM off", "", {"artg": 0.0, "tpm": False}),
    Variant("no flow", "flow", {"flow": "none"}),
    Variant("flow by raft-small", "flow", {"flow": "raft-small"}),
    Variant("flow by raft-large", "flow", {"flow": "raft-large"}),
    Variant("flow between frames as they are", "flow_size", {"flow_size": "input"}),
    Variant("VAE slicing on", "vae_slicing", {"vae_slicing": True}),
    Variant("attention slicing on", "attention_slicing", {"attention_slicing": True}),
    Variant("ControlNet on every other step", "reuse_residuals", {"reuse_residuals": True}, approximation=True),
    Variant("deep features on every other step", "reuse_deep_features", {"reuse_deep_features": True},
        approximation=True),
    Variant("both on every other step", "", {"reuse_residuals": True, "reuse_deep_features": True},
        approximation=True),
    *(Variant(f"engine {name}", "", {}, engine=name, approximation=True)
        for name in ("onnxruntime", "onnxruntime-int8", "openvino", "openvino-int8")),
)
# fmt: on


@dataclass(frozen=True)
class Value:
    """A metric over the clips."""

    mean: float
    """each clip weighs alike"""
    difference: float
    """to the base row over the same frames"""
    low: float
    high: float
    """its 95 % interval from clip to clip; zeros in the base row"""
    verdict: str = ""
    """what may be said of the difference (``comparison.statistics``); empty in the base row"""

    @property
    def certain(self) -> bool:
        """Whether it has a star."""
        return self.verdict in ("better", "worse")


@dataclass(frozen=True)
class StudyRow:
    """What came of a variant, or of another upscaler."""

    name: str
    about: str
    changes: dict[str, Any]
    """to the default settings"""
    values: dict[str, Value]
    time: float | None
    """seconds per frame, as a ratio to the base row's; None for what is not the pipeline"""
    memory: int | None
    """bytes of the peak beside the weights, for whole frames, estimated; None for what is not the pipeline"""
    approximation: bool = False
    """as in its ``Variant``"""


@dataclass(frozen=True)
class Study:
    """A whole table; the base row is the first."""

    model: str
    """fingerprint of the model's folder"""
    clips: dict[str, int]
    """name -> frames"""
    size: tuple[int, int]
    """(h, w) of the frames' window"""
    rows: list[StudyRow]
    missing: dict[str, str]
    """variants that could not be had, with the reason"""
    made: dict[str, str]
    """versions of what computed it"""

    @property
    def base(self) -> StudyRow:
        return self.rows[0]

    def row(self, name: str) -> StudyRow | None:
        return next((row for row in self.rows if row.name == name), None)

    def memory_ratio(self, row: StudyRow) -> float | None:
        return None if row.memory is None or not self.base.memory else row.memory / self.base.memory

    def to_json(self) -> str:
        return table_text(self, FORMAT)

    @classmethod
    def from_json(cls, text: str) -> Study:
        content = table_values(text, FORMAT)
        rows = [
            StudyRow(**row | {"values": {name: Value(**value) for name, value in row["values"].items()}})
            for row in content.pop("rows")
        ]
        return cls(rows=rows, size=tuple(content.pop("size")), **content)


def committed() -> Study:
    """The table that is shipped with the package."""
    return Study.from_json(shipped().read_text(encoding="utf-8"))


def shipped() -> Path:
    """Where the committed table lies."""
    return Path(str(files("workbench") / "data" / "ablation.json"))


def effects() -> dict[str, str]:
    """One sentence for every field of ``Settings``: what changing it did to the embedded model, measured."""
    study = committed()
    told: dict[str, str] = {}
    for known in fields(Settings):
        rows = [row for row in study.rows if row.about == known.name]
        told[known.name] = "; ".join(f"{row.name}: {effect(study, row)}" for row in rows) + "."
    return told


def effect(study: Study, row: StudyRow) -> str:
    """``PSNR-Y -0.12 dB, flicker +0.03, 0.78x the time, 0.95x the memory``.

    What does not hold has its verdict in place of a number; memory is spoken of where it changes."""
    words = []
    for name, label, unit, digits in TOLD:
        value = row.values[name]
        words.append(f"{label} {value.difference:+.{digits}f}{unit}" if value.certain else f"{label} {value.verdict}")
    if row.time is not None:
        words.append(f"{row.time:.2f}x the time")
    memory = study.memory_ratio(row)
    if memory is not None and abs(memory - 1) > NOTHING:
        words.append(f"{memory:.2f}x the memory")
    return ", ".join(words)
