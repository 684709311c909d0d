"""What a person asks of the app, as one frozen value that goes through JSON into the job's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

from workbench.app.errors import RequestError
from workbench.pipeline.settings import Settings

Kind = Literal["upscale", "compare", "inside", "devices"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEEDS_SOURCE = ("upscale", "compare", "inside")
UPSCALERS = ("bicubic", "lanczos")  # what a comparison may hold beside Settings and a person's own video
DTYPES = ("auto", "fp32", "fp16", "bf16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
MATERIAL = "material:"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One job. Raises RequestError, or SettingsError, for a value that is not allowed.

    ``source``: token of the uploaded clip; ``devices`` needs none. ``model``: "" is the embedded one, else a hub id.
    ``frames``: only the first so many. ``lossless``: FFV1 in .mkv, else H.264 in .mp4. ``other``: what a comparison
    sets against ``settings``: other Settings, ``bicubic``, ``lanczos``, or ``material:TOKEN`` (another upload).
    ``truth``: the upload is HR; the clip to upscale is made from it (x1/4), and metrics are taken against it.
    """

    kind: Kind
    source: str | None = None
    settings: Settings = field(default_factory=Settings)
    model: str = ""
    device: str = "auto"
    dtype: str = "auto"
    frames: int | None = None
    lossless: bool = False
    other: Settings | str | None = None
    truth: bool = False

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, KINDS)
        if self.source is None:
            if self.kind in NEEDS_SOURCE:
                raise RequestError(f"{self.kind} needs a clip: upload one first, or pick a sample.")
        else:
            _token("source", self.source)
        if not isinstance(self.settings, Settings):
            raise RequestError(f"settings must be Settings, got a {type(self.settings).__name__}.")
        if not isinstance(self.model, str):
            raise RequestError(f"model must be a hub id, or empty for the embedded model; got {self.model!r}.")
        if not isinstance(self.device, str) or not DEVICE.fullmatch(self.device):
            raise RequestError(f"device must be auto, cpu, mps, cuda or cuda:N; got {self.device!r}.")
        _one_of("dtype", self.dtype, DTYPES)
        if self.frames is not None and (type(self.frames) is not int or self.frames < 1):
            raise RequestError(f"frames must be a whole number from 1 on, or nothing for all; got {self.frames!r}.")
        for name in ("lossless", "truth"):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"{name} must be true or false, got {getattr(self, name)!r}.")
        self._check_other()

    def _check_other(self) -> None:
        if isinstance(self.other, str):
            if self.other.startswith(MATERIAL):
                _token("other", self.other.removeprefix(MATERIAL))
            elif self.other not in UPSCALERS:
                raise RequestError(
                    f"other must be settings, {', '.join(UPSCALERS)} or material:TOKEN; got {self.other!r}."
                )
        elif not isinstance(self.other, (Settings, type(None))):
            raise RequestError(f"other must be settings or a word, got a {type(self.other).__name__}.")
        if (self.kind == "compare") != (self.other is not None):
            raise RequestError("other says what to compare with: a comparison needs it, and no other job takes it.")
        if self.truth and self.kind != "compare":
            raise RequestError("truth belongs to a comparison; leave it out.")

    @property
    def other_material(self) -> str | None:
        """Token of the second upload, where ``other`` is one."""
        return self.other.removeprefix(MATERIAL) if isinstance(self.other, str) and ":" in self.other else None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Request:
        try:
            values = json.loads(text)
        except ValueError as error:
            raise RequestError(f"a request must be a JSON object, and this is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise RequestError(f"a request must be a JSON object, got a {type(values).__name__}.")
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """From plain values: ``settings`` (and ``other``) as dictionaries of setting names."""
        known = [f.name for f in fields(cls)]
        for name in values:
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise RequestError(f"a request has no {name!r}.{hint} It has: {', '.join(known)}.")
        if "kind" not in values:
            raise RequestError(f"a request must say its kind: one of {', '.join(KINDS)}.")
        made = {n: Settings.from_dict(v) for n, v in values.items() if n in ("settings", "other") and _is_object(v)}
        return cls(**{**values, **made})


def check_token(value: object, what: str = "token") -> str:
    """The token itself, or RequestError; nothing that is no token ever becomes part of a path."""
    return _token(what, value)


def _token(name: str, value: object) -> str:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise RequestError(f"{name} must be the 22 letters that an upload or a job was given; this is something else.")
    return value


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RequestError(f"{name} must be one of {', '.join(allowed)}; got {value!r}.")


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)
