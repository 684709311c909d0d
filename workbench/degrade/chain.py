"""Damage as it is met, written as a chain: ``bicubic+noise:3+h264:28`` is made small, made noisy, then compressed.

    chain     = step ("+" step)*
    step      = resize | "realesrgan" | name ":" strength
    resize    = "bicubic" | "matlab" | "area" | "bd"

Steps are taken in their order, on frames of 8 bit. Chance depends on (seed, step, frame) only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.degrade._codecs import CODECS, compressed
from workbench.degrade._damage import blurred, jpeg, noisy
from workbench.degrade._random_chain import realesrgan
from workbench.degrade._resize import DEGRADATIONS, Changed, cropped
from workbench.errors import SettingsError
from workbench.pixels import SCALE, eight_bit, image_to_unit, unit_to_image
from workbench.types import Frame
from workbench.video import Clip

GROUP = 250  # frames that codecs see at once: x264's distance of key frames, so a longer clip has them where these end
REALESRGAN = "realesrgan"


@dataclass(frozen=True)
class Kind:
    """A row of ``DAMAGES``: something that has a strength."""

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    """(T, h, w, 3) uint8 RGB, strength, chance -> the same, damaged"""
    low: float
    high: float
    usual: float
    """a strength that is met often"""
    unit: str
    stands_for: str
    whole: bool = False
    """whether frames depend on each other, as in a codec"""
    rising: bool = True
    """whether more is worse"""


def _codec(name: str, usual: float, worst: float, stands_for: str) -> Kind:
    def apply(frames: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
        return compressed(frames, name, strength)

    return Kind(apply, 0 if CODECS[name].quality == "crf" else 2, worst, usual, CODECS[name].quality, stands_for, True)


DAMAGES: dict[str, Kind] = {
    "h264": _codec("h264", 28, 51, "phones, cameras, most files and sites: 18 looks like the source, 23 is x264's own "
                   "choice, 28 an upload, 35 a poor stream"),
    "h265": _codec("h265", 30, 51, "phones' space-saving setting, UHD broadcasts: 28 is x265's own choice, 37 poor"),
    "vp9": _codec("vp9", 40, 63, "what large video sites serve: 31 at their best, 40 usual, 50 poor"),
    "av1": _codec("av1", 45, 63, "what they serve to newer devices: 35 usual for 720p, 45 small, 55 poor"),
    "mpeg2": _codec("mpeg2", 8, 31, "DVDs and television: 3 a good disc, 8 usual, 16 a crowded channel"),
    "mpeg4": _codec("mpeg4", 8, 31, "DivX and Xvid files of the 2000s"),
    "mjpeg": _codec("mjpeg", 8, 31, "old digital cameras and webcams"),
    "jpeg": Kind(lambda f, s, _: jpeg(f, round(s)), 1, 100, 75, "quality",
                 "pictures saved one by one: 95 a camera, 75 a web page, 30 a messenger", rising=False),
    "noise": Kind(lambda f, s, random: noisy(f, s, random), 0, 100, 5, "sigma of 255",
                  "a sensor: 2 in daylight, 5 indoors, 15 at night"),
    "blur": Kind(lambda f, s, _: blurred(f, s), 0, 20, 1, "sigma in pixels",
                 "a lens out of focus, or enlarging done before: 0.5 soft, 1 clearly, 2 badly"),
}  # fmt: skip
"""Name -> damage with a strength."""


RESIZES = {
    "bicubic": "x1/4 as picture programs do it, with antialiasing",
    "matlab": "x1/4 as MATLAB does it: the field's benchmarks (BI)",
    "area": "x1/4 by the mean of 4x4 pixels: a camera's sensor that bins",
    "bd": "x1/4 by a wide blur and every fourth pixel: the field's benchmarks (BD)",
    REALESRGAN: "x1/4 through Real-ESRGAN's random chain: blur, resize, noise and JPEG twice, old material of any kind",
}
"""What makes frames small, and what it stands for."""


@dataclass(frozen=True)
class Chain:
    """A parsed chain."""

    resize: str
    """the step that makes frames small; empty where none does"""
    steps: tuple[tuple[str, float], ...]
    """those that follow it: (name, strength)"""

    def but_last(self, strength: float) -> Chain:
        """The same with another strength of its last step."""
        return Chain(self.resize, (*self.steps[:-1], (self.steps[-1][0], strength)))

    def __str__(self) -> str:
        return "+".join([*([self.resize] if self.resize else []), *(f"{name}:{s:g}" for name, s in self.steps)])


def parse(text: str) -> Chain:
    """The chain that ``text`` writes; raises SettingsError with what would have been right."""
    words = [word.strip() for word in text.split("+")]
    resize = words.pop(0) if words[0] in RESIZES else ""
    return Chain(resize, tuple(_step(word, text) for word in words))


def _step(word: str, text: str) -> tuple[str, float]:
    name, colon, strength = word.partition(":")
    kind = DAMAGES.get(name)
    if kind is None:
        resizes = ", ".join(RESIZES)
        raise SettingsError(
            f"{word!r} in the degradation {text!r} must be one of {resizes} (first), or NAME:STRENGTH with a name of "
            f"{', '.join(DAMAGES)}; for example bicubic+noise:3+h264:28."
        )
    try:
        value = float(strength) if colon else kind.usual
    except ValueError as error:
        raise SettingsError(f"{name}'s strength must be a number ({kind.unit}), got {strength!r}.") from error
    if not kind.low <= value <= kind.high:
        raise SettingsError(f"{name} takes {kind.low:g} to {kind.high:g} ({kind.unit}), got {strength!r}.")
    return name, value


def degraded(clip: Clip, chain: str = "matlab", *, seed: int = 0) -> Clip:
    """The lazy low-resolution clip of a high-resolution one, in 8 bit. Without a resize in the chain, ``matlab`` is it.

    Codecs see up to 250 frames at once, which are then held in memory. Raises SettingsError for a chain it cannot read.
    """
    parsed = parse(chain)
    resize = _resize(parsed.resize or "matlab", seed)
    clip = cropped(clip)
    small = Clip(Changed(clip, (clip.width // SCALE, clip.height // SCALE), resize))
    return _damaged(small, parsed, seed)


def damaged(clip: Clip, chain: str, *, seed: int = 0) -> Clip:
    """The clip at its own size, damaged; lazy. Raises SettingsError for a chain that would make it smaller."""
    parsed = parse(chain)
    if parsed.resize:
        raise SettingsError(
            f"{parsed.resize} in {chain!r} makes frames smaller; leave it out to damage a clip as it is."
        )
    return _damaged(clip, parsed, seed)


def _resize(name: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    if name == REALESRGAN:
        return lambda image, index: realesrgan(image, seed=seed, index=index)
    return lambda image, _: unit_to_image(DEGRADATIONS[name](image_to_unit(image)))


def _damaged(clip: Clip, chain: Chain, seed: int) -> Clip:
    return Clip(_Damaged(clip, chain, seed)) if chain.steps else clip


class _Damaged:
    """A clip that is damaged when it is read: frame by frame, or in groups where a codec is among the steps."""

    def __init__(self, clip: Clip, chain: Chain, seed: int) -> None:
        self.clip = clip
        self.steps = chain.steps
        self.seed = seed
        self.info = replace(clip.info, length=None if clip.info.length is None else len(clip), rate=clip.rate,
                            size=clip.size, bits=8, boundaries=None)  # fmt: skip
        self.group = GROUP if any(DAMAGES[name].whole for name, _ in self.steps) else 1
        self._held: tuple[int, list[Frame]] = (-1, [])

    def read(self, indices: range) -> Iterator[Frame]:
        for index in indices:
            start = index - index % self.group
            if self._held[0] != start:
                self._held = (start, self._make(start))
            if index - start >= len(self._held[1]):
                return
            yield self._held[1][index - start]

    def _make(self, start: int) -> list[Frame]:
        """A group of damaged frames."""
        frames = list(self.clip[start : start + self.group])
        if not frames:
            return []
        images = np.stack([eight_bit(frame.image) for frame in frames])
        for place, (name, strength) in enumerate(self.steps):
            images = self._step(images, place, name, strength, start)
        return [
            replace(f, image=image, index=start + k) for k, (f, image) in enumerate(zip(frames, images, strict=True))
        ]

    def _step(self, images: np.ndarray, place: int, name: str, strength: float, start: int) -> np.ndarray:
        kind = DAMAGES[name]
        chance = [np.random.default_rng([self.seed, place, start + k]) for k in range(len(images))]
        if kind.whole:
            return kind.apply(images, strength, chance[0])
        return np.concatenate([kind.apply(images[k : k + 1], strength, chance[k]) for k in range(len(images))])
