"""A recipe: everything a training run is, read from one TOML file.

[model.*]   the networks, in diffusers' own configuration words
[data]      how material becomes training clips
[[stages]]  what is trained, in order
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import TrainingError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser under its name outside the standard library
    import tomli as tomllib  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Lesson:
    """What one kind of stage is."""

    parts: tuple[str, ...]
    """the parameters that learn: beginnings of their names, ``temporal`` for the decoder's part of TPM"""
    frames: int = 1
    """the fewest frames it needs"""
    in_turn: bool = False
    """whether each frame of a rollout is learnt from in its turn"""
    regresses: bool = False
    """whether it learns from pictures alone, on rollouts with gradients through all of their frames"""


NETWORKS = ("unet", "controlnet", "conditioning", "vae.encoder", "vae.decoder", "temporal")
TRAINS = {
    "all": Lesson(NETWORKS, regresses=True),
    "artg": Lesson(("controlnet", "conditioning"), regresses=True),
    "tpm": Lesson(("vae.encoder", "temporal"), regresses=True),
    "decoder": Lesson(("vae.decoder.trunk", "vae.decoder.enlarge", "vae.decoder.correct")),
    "code": Lesson(("vae.decoder.layers", "code")),
    "embedding": Lesson(("conditioning",), frames=2),
    "diffusion": Lesson(("unet", "controlnet", "conditioning"), frames=2),
    "samples": Lesson((*NETWORKS[:4], "vae.decoder.layers", "temporal"), in_turn=True),
    "memory": Lesson(("vae.encoder", "temporal"), in_turn=True),
    "denoiser": Lesson(("unet",)),
    "fusion": Lesson(("vae.decoder", "temporal"), frames=2),
    "guidance": Lesson(("controlnet", "conditioning"), frames=2),
}
"""A regressing model learns all at once, then ARTG without TPM, or TPM. A generative one learns its ``decoder`` from
the LR frame alone, the ``code`` of what that lacks, an ``embedding`` that reads that code in a true past, the
``diffusion`` of the code, guided by such a past, and then from ``samples`` after its own past; TPM's ``memory`` alone
may learn from those last. The published one learns its ``denoiser`` on its own steps, ``fusion`` (TPM) after the true
neighbour, ``guidance`` (ARTG) after an own frame.
"""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Configurations of the parts, passed on as they are: a smaller model is a smaller table, never other code."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    controlnet: dict[str, Any]
    scheduler: dict[str, Any]
    prompt: dict[str, int]
    properties: dict[str, Any] = field(default_factory=dict)
    initialisation: str = "identity"


@dataclass(frozen=True, kw_only=True)
class Material:
    """How pictures become training clips (probabilities per clip)."""

    photos: float = 0.7
    """share of moving photos (known flow); the rest is cut from real clips (DIS flow on LR)"""
    still: float = 0.2
    """share of the moving photos that do not move"""
    pan: float = 2.0
    """largest pan, in LR pixels per frame"""
    objects: float = 0.0
    """share of the moving photos before which something else moves, so that flow is wrong around it"""
    object_speed: float = 3.0
    """largest speed of that, in LR pixels per frame"""
    flat: float = 0.0
    """share of clips of one colour, often a saturated one"""
    noise: float = 0.3
    """share of clips whose LR frames carry noise; the truth stays clean"""
    sigma: float = 5.0
    """largest standard deviation of that noise, in 1/255"""
    dis: float = 0.5
    """share of moving photos whose flow is estimated as at inference, not known"""


@dataclass(frozen=True, kw_only=True)
class SceneMaterial(Material):
    """How pictures become scenes: clips that are damaged as real input is. The truth stays what the camera saw."""

    scenes: int = 1600
    """how many are made ahead; windows are cut from them"""
    frames: int = 10
    side: int = 96
    """of a scene, in LR pixels"""
    photos: float = 0.85
    still: float = 0.15
    objects: float = 0.35
    flat: float = 0.03
    dis: float = 0.8
    clean: float = 0.3
    """share whose LR frames are the truth made smaller, and nothing else; the shares below are of the rest"""
    blur: float = 0.15
    blur_sigma: float = 0.4
    """largest, in LR pixels"""
    noise: float = 0.25
    sigma: float = 8.0
    jpeg: float = 0.05
    codec: float = 0.8


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: ``iterations`` batches of ``batch`` clips of ``frames`` frames, ``patch`` LR pixels wide.

    Each batch is one step of Adam; for ``samples`` and ``memory``, each frame of it is.
    """

    name: str
    iterations: int
    batch: int = 8
    patch: int = 32
    frames: int = 1
    steps: int = 1
    scenes: float = 0.0
    """share of the batch that is cut from scenes"""
    trains: str = "all"
    """one of ``TRAINS``: which parts learn, and from what"""
    consistency: float = 0.0
    """weight of the picture, brought down to LR, being the LR frame (without its noise)"""
    learning_rate: tuple[float, float] = (5e-4, 1e-4)
    """at the start and at the end, along a half cosine"""
    back_projection: tuple[float, float] = (0.0, 0.0)
    """strength, drawn anew at every iteration between these"""
    dropout: float = 0.1
    """share of iterations without ARTG, and of those without TPM"""
    temporal: float = 1.0
    """weight of the temporal losses in this stage, beside their own"""
    autoencoder: float = 0.125
    """share of iterations that also train encoder and decoder on the ground truth"""
    plain: float = 0.25
    """``code``: share of samples without detail, so that the decoder stays what it was"""
    jitter: float = 0.15
    """``code``: largest standard deviation of noise on the detail, so that the decoder forgives the denoiser"""
    guided: float = 0.375
    """``diffusion``: share of samples that are guided by a past"""
    softened: float = 0.6
    """``diffusion``: share of the guided samples whose past is not sharp, as the model's own never is"""
    tpm_dropout: float = 0.1
    """``samples``: share of iterations without TPM"""
    other_steps: float = 0.0
    """``samples``: share of iterations with one, two or eight steps, so that those do not go astray"""
    energy: float = 0.0
    """``samples``: weight of the energy score between two noises, see ``losses.energy_score``"""
    diffusion: float = 0.0
    """``samples``: weight of ``diffusion``'s loss beside theirs"""
    lpips: float = 0.0
    """published lessons: weight of LPIPS"""
    adversarial: float = 0.0
    """published lessons: weight of what a critic says, which learns beside them"""

    def __post_init__(self) -> None:
        if self.trains not in TRAINS:
            raise TrainingError(f"stage {self.name!r}: trains must be one of {', '.join(TRAINS)}, got {self.trains!r}.")
        if self.frames < self.lesson.frames or (self.diffusion and self.frames < TRAINS["diffusion"].frames):
            raise TrainingError(f"stage {self.name!r}: a past needs frames of at least 2, got {self.frames}.")

    @property
    def lesson(self) -> Lesson:
        return TRAINS[self.trains]

    @property
    def turns(self) -> int:
        """Steps of Adam in one iteration: where a clip's frames are learnt from in turn, one for each."""
        return self.frames if self.lesson.in_turn else 1

    @property
    def fuses(self) -> bool:
        """Whether TPM takes part."""
        return self.frames > 1 and self.trains not in ("artg", "embedding", "diffusion")


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Weights of the losses; see ``losses``."""

    picture: float = 1.0
    gradient: float = 0.5
    decoded: float = 0.1
    autoencoder: float = 0.25
    difference: float = 0.3
    warping: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run. Two runs of one recipe on the same material and machine give the same weights."""

    model: Architecture
    stages: tuple[Stage, ...]
    data: Material = field(default_factory=Material)
    scenes: SceneMaterial = field(default_factory=SceneMaterial)
    losses: Losses = field(default_factory=Losses)
    seed: int = 0
    clip_gradient: float = 0.5
    warmup: int = 100
    average: float = 0.999
    """decay of the exponential moving average of the weights: what is evaluated and exported"""
    checkpoint_every: int = 200
    evaluate_every: int = 1000

    @property
    def iterations(self) -> int:
        return sum(stage.iterations for stage in self.stages)

    def stage_at(self, iteration: int) -> tuple[int, int]:
        """Iteration of the run -> (index of its stage, iteration within it)."""
        for index, stage in enumerate(self.stages):
            if iteration < stage.iterations:
                return index, iteration
            iteration -= stage.iterations
        raise TrainingError(f"the recipe has {self.iterations} iterations; there is no later one.")

    def scaled(self, share: float) -> Recipe:
        """The same recipe at a share of its compute."""
        stages = tuple(
            dataclasses.replace(stage, iterations=max(1, round(stage.iterations * share))) for stage in self.stages
        )
        return dataclasses.replace(
            self,
            stages=stages,
            scenes=dataclasses.replace(self.scenes, scenes=max(1, round(self.scenes.scenes * share))),
            warmup=max(1, round(self.warmup * share)),
            evaluate_every=max(1, round(self.evaluate_every * share)),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def load_recipe(path: str | Path) -> Recipe:
    """Reads a recipe; TrainingError names the file, the entry and what would have been right."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"the recipe {path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path} is not TOML: {error}.") from error
    model = _table(values, "model", path)
    stages = values.pop("stages", [])
    if not isinstance(stages, list) or not stages:
        raise TrainingError(f"{path}: a recipe needs at least one [[stages]] table.")
    return _build(
        Recipe,
        values
        | {
            "model": _build(Architecture, model, f"{path}: [model]"),
            "stages": tuple(_build(Stage, s, f"{path}: stage {i + 1}") for i, s in enumerate(stages)),
            "data": _build(Material, _table(values, "data", path), f"{path}: [data]"),
            "scenes": _build(SceneMaterial, _table(values, "scenes", path), f"{path}: [scenes]"),
            "losses": _build(Losses, _table(values, "losses", path), f"{path}: [losses]"),
        },
        str(path),
    )


def shipped(name: str) -> Path:
    """Where a recipe of the package lies; there may be none of this name."""
    return Path(__file__).parent / "configs" / f"{name}.toml"


def _table(values: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = values.pop(name, {})
    if not isinstance(table, dict):
        raise TrainingError(f"{path}: [{name}] must be a table, got {table!r}.")
    return table


def _build(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    """A dataclass from a table, with every name and type checked."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known)
            raise TrainingError(f"{where}: there is no entry {name!r}.{hint} The entries are: {', '.join(known)}.")
    missing = [
        name
        for name, f in known.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and name not in values
    ]
    if missing:
        raise TrainingError(f"{where}: {', '.join(missing)} must be given.")
    return kind(**{name: _checked(value, str(known[name].type), f"{where}: {name}") for name, value in values.items()})


def _checked(value: Any, kind: str, where: str) -> Any:
    wanted = {
        "int": ("a whole number of at least 0", lambda v: isinstance(v, int) and v >= 0),
        "float": ("a number of at least 0", lambda v: isinstance(v, (int, float)) and v >= 0),
        "str": ("a string", lambda v: isinstance(v, str)),
        "tuple[float, float]": (
            "two numbers of at least 0",
            lambda v: isinstance(v, list) and len(v) == 2 and all(isinstance(x, (int, float)) and x >= 0 for x in v),
        ),
    }.get(kind, ("a table", lambda v: dataclasses.is_dataclass(v) or isinstance(v, (dict, tuple))))
    if isinstance(value, bool) or not wanted[1](value):
        raise TrainingError(f"{where} must be {wanted[0]}, got {value!r}.")
    return tuple(value) if isinstance(value, list) else value
