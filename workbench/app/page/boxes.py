"""Small pieces of HTML: messages, the clip's card, the sentence about a run. All text of others is escaped here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from workbench.app.models import label
from workbench.app.names import sentence
from workbench.app.values import ClipShown, Plan, Probe
from workbench.engines.table import AUTO, ENGINES
from workbench.errors import counted


def _no_clip(title: str, words: str) -> str:
    return (
        '<div class="clip-card empty"><div class="clip-picture" aria-hidden="true"><span>▶</span></div>'
        f"<p><strong>{title}</strong><small>{words}</small></p></div>"
    )


SKIP = '<a class="skip" href="#main">Skip to the results</a>'
EMPTY_CLIP = _no_clip("Your clip", "Drop a video, an image or a few frames below, or pick a sample.")
LOOKING = _no_clip("Looking at it …", "Its size, length and sound are read, nothing more.")


def text(words: object) -> str:
    """Escaped, for ``gr.HTML``: braces and dollars too, which its templates would read."""
    return escape(str(words)).replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def error(words: object) -> str:
    """A refusal or a failure, as a box that screen readers say at once."""
    return f'<div class="note bad" role="alert">{text(sentence(str(words)))}</div>'


def note(words: object) -> str:
    return f'<div class="note">{text(words)}</div>'


def clip_card(clip: ClipShown, first: int, last: int, shown: int) -> str:
    """The chosen clip: a picture of it with its range picker, its name, what is known about it."""
    probe = clip.probe
    view = {
        "token": clip.token,
        "kind": probe.kind,
        "frames": probe.frames,
        "seconds": probe.seconds or "",
        "times": ",".join(f"{time:g}" for time in probe.times),
        "first": first,
        "last": last,
        "shown": shown,
    }
    data = " ".join(f'data-{name}="{value}"' for name, value in view.items())
    facts = " · ".join(text(fact) for fact in clip_facts(probe))
    notes = "".join(f"<small>{text(said)}</small>" for said in probe.notes)
    return (
        f'<div class="clip-card"><clip-view {data}></clip-view>'
        f'<p><strong title="{text(clip.name)}">{text(clip.name)}</strong><small>{facts}</small>{notes}</p></div>'
    )


def clip_facts(probe: Probe) -> list[str]:
    """Size in and out, frames, rate, length, sound: those that are known."""
    width, height = probe.size
    facts = [f"{width}×{height} → {4 * width}×{4 * height}", counted(probe.frames, "frame")]
    if probe.fps:
        facts.append(f"{probe.fps:.4g} frames/s")
    if probe.seconds:
        facts.append(f"{probe.seconds:.1f} s")
    if probe.audio:
        facts.append("sound")
    return facts


def plan(foreseen: Plan) -> str:
    """The sentence about time and memory before a run; a box when it cannot fit."""
    return f'<p class="plan">{text(foreseen.text)}</p>' if foreseen.fits else error(foreseen.text)


def job(kind: str, token: str = "", size: tuple[int, int] | None = None) -> str:
    """The element that follows a job; without a token it says what can be done here. ``size``: (w, h) of the clip."""
    shape = f' data-size="{4 * size[0]}x{4 * size[1]}"' if size else ""
    return f'<job-view data-kind="{kind}" data-token="{token}"{shape}></job-view>'


def live(models: Sequence[str], model: str) -> str:
    """The Live tab's view; ``models``: those that may be chosen while it runs; the engine is, before it begins."""
    choices = text(json.dumps([(name, label(name)) for name in models]))
    engines = text(json.dumps([AUTO, *ENGINES]))
    return f'<live-view data-models="{choices}" data-model="{text(model)}" data-engines="{engines}"></live-view>'


def webcam(into: str, most: float) -> str:
    """Records up to ``most`` seconds into the upload box that the selector ``into`` finds."""
    return f'<webcam-recorder data-into="{into}" data-most="{most:g}"></webcam-recorder>'
