"""The table of taps: every name the loop gives to a value, and what is known about it.

The tables of ``docs/taps.md`` are made from it, and names are checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from workbench.errors import TraceError

EVERY_FRAME = "once a frame"
WITH_PREVIOUS = "once a frame, from the second on, with ARTG or TPM on"
WITH_ARTG = "from the second frame on, with ARTG on"
WITH_TPM = "from the second frame on, with TPM on"
EVERY_STEP = "at every step"

MANY = 64  # stands for "any number of blocks" until a model is known


@dataclass(frozen=True)
class TapRow:
    """One tap."""

    name: str
    """``{k}`` in it counts what ``counted`` names"""
    meaning: str
    shape: str
    range: str
    unit: str
    fires: str
    group: str
    instead: str = ""
    """why it cannot be edited, and what to edit instead"""
    counted: str = ""
    picture: bool = False
    """whether it has three channels in about [-1, 1]"""

    @property
    def editable(self) -> bool:
        return not self.instead

    def names(self, counts: Mapping[str, int]) -> list[str]:
        """The row's names in a model with so many blocks."""
        if not self.counted:
            return [self.name]
        return [self.name.replace("{k}", str(k)) for k in range(counts.get(self.counted, MANY))]


INSIDE = ("tpm.", "decoder.")  # names of values inside a network
MEMORY = "tpm.{k}.previous"  # not inside: the loop hands it over
NETWORK = "about -1..1"
FREE = "unbounded"

# fmt: off
TABLE = (  # name, meaning / shape, range, unit, when it fires, group
    TapRow("lr", "The low-resolution frame as the networks see it.",
        "(3, h, w)", "-1..1", "network range", EVERY_FRAME, "Input", picture=True),
    TapRow("lr.upscaled", "That frame, bicubically x4: what the picture would be without any network.",
        "(3, H, W)", NETWORK, "network range", EVERY_FRAME, "Input", picture=True,
        instead="it is made only to be seen; edit 'lr'"),
    TapRow("noise", "The noise the frame starts from; a function of (seed, frame index).",
        "(L, h, w)", "standard normal", "latent", EVERY_FRAME, "Input"),
    TapRow("flow", "Optical flow: where in the previous frame each pixel of this one comes from; x, then y.",
        "(2, H, W)", FREE, "output pixels", WITH_PREVIOUS, "Motion"),
    TapRow("flow.backward", "Flow the other way, from the previous frame to this one; estimated only when asked for.",
        "(2, H, W)", FREE, "output pixels", WITH_PREVIOUS, "Motion",
        instead="it is made only to be seen; edit 'flow'"),
    TapRow("flow.round_trip",
        "How far from its start a pixel comes back along this flow and the backward one: the magnitude behind "
        "'occlusion'. Costs a second flow; computed only when asked for.",
        "(1, H, W)", "0 and above", "output pixels", WITH_PREVIOUS, "Motion",
        instead="it is made only to be seen; edit 'flow'"),
    TapRow("occlusion",
        "Where the two flows contradict each other (forward/backward check): 1 is occluded. Costs a second flow; "
        "computed only when asked for.",
        "(1, H, W)", "0 or 1", "mask", WITH_PREVIOUS, "Motion",
        instead="it is made only to be seen; edit 'flow' or 'warped'"),
    TapRow("previous", "The previous output as the loop keeps it: raw, neither clamped nor quantised.",
        "(3, H, W)", NETWORK, "network range", WITH_PREVIOUS, "Motion", picture=True),
    TapRow("warped", "The previous output, warped along the flow to where things are now.",
        "(3, H, W)", NETWORK, "network range", WITH_PREVIOUS, "Motion", picture=True),
    TapRow("fitted", "The warped frame, less what this LR frame contradicts; only in models that declare a fit.",
        "(3, H, W)", NETWORK, "network range", WITH_PREVIOUS, "Motion", picture=True),
    TapRow("base", "What the decoder makes of this frame's colours alone; only in models that read the past beside it.",
        "(3, H, W)", NETWORK, "network range", WITH_PREVIOUS, "Motion", picture=True),
    TapRow("residual", "The warped frame less the base, which ARTG and TPM then read; only in such models.",
        "(3, H, W)", "about -0.5..0.5", "network range", WITH_PREVIOUS, "Motion"),
    TapRow("artg.embedding", "The ControlNet's embedding of the warped frame; the same for all steps.",
        "(C, h, w)", FREE, "features", WITH_ARTG, "ARTG"),
    TapRow("artg.down.{k}",
        "Residual that ARTG adds to the UNet's k-th skip connection, finest first, scaled by settings.artg.",
        "(C_k, h_k, w_k)", FREE, "features", f"{EVERY_STEP}, {WITH_ARTG}", "ARTG", counted="residuals"),
    TapRow("artg.mid", "Residual that ARTG adds in the middle of the UNet, scaled by settings.artg.",
        "(C, h_m, w_m)", FREE, "features", f"{EVERY_STEP}, {WITH_ARTG}", "ARTG"),
    TapRow("unet.input", "What UNet and ControlNet read: the latent so far, then the LR frame.",
        "(L + 3, h, w)", FREE, "latent; network range", EVERY_STEP, "Denoising"),
    TapRow("noise_pred",
        "The UNet's prediction: noise, velocity or the clean latent, as the scheduler's prediction_type says.",
        "(L, h, w)", FREE, "latent", EVERY_STEP, "Denoising"),
    TapRow("x0", "The clean latent that the prediction of this step implies.",
        "(L, h, w)", FREE, "latent", EVERY_STEP, "Denoising",
        instead="the scheduler has used it by then; edit 'noise_pred' (before it) or 'latent' (after it)"),
    TapRow("latent", "The latent after the step; after the last step it is decoded.",
        "(L, h, w)", FREE, "latent", EVERY_STEP, "Denoising"),
    TapRow("x0.picture",
        "x0 decoded with this frame's temporal memory, cropped, without any blend. Costs a decoding a step, after the "
        "frame is done.",
        "(3, H, W)", "0..1", "picture", EVERY_STEP, "Denoising",
        instead="it is made only to be seen; edit 'noise_pred' or 'latent'"),
    TapRow("latent.picture", "The latent of the step, decoded in the same way.",
        "(3, H, W)", "0..1", "picture", EVERY_STEP, "Denoising",
        instead="it is made only to be seen; edit 'latent'"),
    TapRow("tpm.{k}.current", "4x4 averages of decoder block k's own features, before fusion.",
        "(C_k, y/4, x/4)", FREE, "features", WITH_TPM, "TPM", counted="blocks"),
    TapRow("tpm.{k}.previous",
        "4x4 averages of the encoder's features of the warped frame: the temporal memory of block k.",
        "(C_k, y/4, x/4)", "0 and above", "features", WITH_TPM, "TPM", counted="blocks"),
    TapRow("tpm.{k}.alpha",
        "Learned weight of the current half of the fused sequence; 1 - alpha weighs the previous half.",
        "()", "usually 0..1", "weight", WITH_TPM, "TPM", counted="blocks"),
    TapRow("tpm.{k}.fused", "What block k's temporal module makes of the two.",
        "(C_k, y/4, x/4)", FREE, "features", WITH_TPM, "TPM", counted="blocks"),
    TapRow("tpm.{k}.contribution",
        "What fusion adds to block k's branch: 0.1 x the fused map, bilinearly enlarged. With vae_slicing it does not "
        "fire for the blocks at output resolution.",
        "(C_k, y, x)", FREE, "features", WITH_TPM, "TPM", counted="blocks"),
    TapRow("decoder.{k}",
        "Output of decoder block k. With vae_slicing it does not fire for the blocks at output resolution.",
        "(C_k, y, x)", "0 and above", "features", EVERY_FRAME, "Output", counted="blocks"),
    TapRow("decoded", "The decoder's picture: raw, not clamped.",
        "(3, H, W)", NETWORK, "network range", EVERY_FRAME, "Output", picture=True),
    TapRow("projected", "The picture after back-projection onto the LR frame; only in models that declare it.",
        "(3, H, W)", NETWORK, "network range", EVERY_FRAME, "Output", picture=True),
    TapRow("blended",
        "The picture with its share of the warped frame, where both agree; only in models that declare a blend.",
        "(3, H, W)", NETWORK, "network range", WITH_ARTG, "Output", picture=True),
    TapRow("frame", "The frame that is handed out: clamped, cropped.",
        "(3, H, W)", "0..1", "picture", EVERY_FRAME, "Output",
        instead="the next frame builds on the raw picture, not on this one; edit 'decoded', 'projected' or 'blended'"),
)
# fmt: on


def check(pattern: str, counts: Mapping[str, int] | None = None) -> None:
    """Raises TraceError unless the name or glob fits a tap (of a model with these counts)."""
    if matching(pattern, counts):
        return
    known = [row.name for row in TABLE]
    near = get_close_matches(re.sub(r"\d+", "{k}", pattern), known, n=3)
    hint = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    if pattern.split(".")[0] in ("unet", "controlnet", "conditioning", "vae"):
        hint += " Outputs of modules inside a network are recorded with trace.modules('unet', 'mid_block')."
    if counts is not None:
        hint += f" This model has {counts['blocks']} decoder blocks and {counts['residuals']} ARTG residuals."
    raise TraceError(f"no tap is called {pattern!r}.{hint} The taps are: {', '.join(known)}.")


def matching(pattern: str, counts: Mapping[str, int] | None = None) -> list[TapRow]:
    """The rows with a name that the glob fits; ``*`` matches anything, dots too."""
    counts = counts or {}
    return [row for row in TABLE if any(fnmatchcase(name, pattern) for name in row.names(counts))]


def inside(pattern: str) -> list[str]:
    """The rows that the glob fits and that only a network run by torch has."""
    return [row.name for row in matching(pattern) if row.name.startswith(INSIDE) and row.name != MEMORY]


def row_of(name: str) -> TapRow | None:
    """The row of one exact name; None for outputs of modules."""
    general = re.sub(r"(?<=\.)\d+(?=\.|$)", "{k}", name)
    return next((row for row in TABLE if row.name == general), None)


def check_editable(pattern: str) -> None:
    """Raises TraceError when a tap that the glob fits can only be observed."""
    for row in matching(pattern):
        if not row.editable:
            raise TraceError(f"{row.name!r} can be recorded but not edited: {row.instead}.")


def in_order(names: Iterable[str]) -> list[str]:
    """In the table's order, numbers as numbers; outputs of modules last."""
    order = {row.name: place for place, row in enumerate(TABLE)}

    def place(name: str) -> tuple[int, list[tuple[int, str]]]:
        row = row_of(name)
        parts = [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
        return (order[row.name] if row else len(order)), parts

    return sorted(names, key=place)


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """``tpm.{0..6}.fused`` -> its names: those of one row together, in order."""
    rows: dict[str, list[str]] = {}
    for name in in_order(names):
        row = row_of(name)
        rows.setdefault(row.name if row else name, []).append(name)
    return {_range_of(general, found): found for general, found in rows.items()}


def _range_of(general: str, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    first, last = (re.search(r"(?<=\.)\d+(?=\.|$)", name) for name in (names[0], names[-1]))
    assert first is not None
    assert last is not None
    return general.replace("{k}", f"{{{first[0]}..{last[0]}}}")
