"""The command that makes a comparison of the app again, from a person's own files: its report carries it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from workbench.app.request import UPSCALERS, Request
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize


def command_of(request: Request, clip: str, others: Sequence[str]) -> str:
    """A line for a shell: the same frames, settings, size and damage.

    ``clip``, ``others``: what the person calls the clip, and the videos among what it is compared with.
    """
    part = f"[{request.start}:{'' if request.frames is None else request.start + request.frames}]"
    frames = part if part != "[0:]" else ""
    recorded = [f"Recorded(wb.open_clip({name!r}){frames}, {name!r})" for name in others]
    against = [repr(other) for other in request.others if other in UPSCALERS] + recorded
    about = [_pipeline(request), "degraded(clip, " + repr(request.damage) + ")" if request.truth else "clip"]
    about += [_settings(settings) for settings in request.variants]
    about += ["reference=cropped(clip)"] if request.truth else []
    about += [f"against=[{', '.join(against)}]"]
    about += [f"size=wb.{request.size!r}"] if request.size != OutputSize() else []
    lines = ["import workbench as wb"]
    lines += ["from workbench.degrade import cropped, degraded"] if request.truth else []
    lines += ["from workbench.comparison import Recorded"] if recorded else []
    lines += [f"clip = wb.open_clip({clip!r}){frames}"]
    lines += [f"wb.compare({', '.join(about)}).report({Path(clip).stem + '_report.html'!r})"]
    return shlex.join(["python", "-c", "; ".join(lines)])


def _pipeline(request: Request) -> str:
    given = {"device": request.device, "dtype": request.dtype, "engine": request.engine}
    words = [repr(request.model)] if request.model else []
    words += [f"{name}={value!r}" for name, value in given.items() if value != "auto"]
    return f"wb.load_pipeline({', '.join(words)})"


def _settings(settings: Settings) -> str:
    changed = settings.diff(Settings())
    return f"wb.Settings({', '.join(f'{name}={mine!r}' for name, (mine, _) in changed.items())})"
