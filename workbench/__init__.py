"""Stream-DiffVSR workbench: upscale video x4 frame by frame, look inside, compare.

    import workbench as wb

    clip = wb.open_clip("clip.mp4")[:24]
    pipe = wb.load_pipeline()
    for out in pipe.stream(clip, wb.Settings(steps=4)):
        wb.show(out)

Names are imported on first use (PEP 562), so that importing the package loads no torch, gradio or matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench._version import __version__ as __version__

_HOMES = {
    "Clip": "workbench.video",
    "ClipWriter": "workbench.video",
    "Frame": "workbench.types",
    "Output": "workbench.pipeline.output",
    "OutputSize": "workbench.pipeline.size",
    "Pipeline": "workbench.pipeline.pipeline",
    "Settings": "workbench.pipeline.settings",
    "State": "workbench.pipeline.state",
    "Trace": "workbench.trace",
    "WorkbenchError": "workbench.errors",
    "ablate": "workbench.views.widgets",
    "compare": "workbench.comparison",
    "errors": "",
    "explore": "workbench.views.widgets",
    "live": "workbench.views.widgets",
    "load_pipeline": "workbench.pipeline.load",
    "metrics": "",
    "open_clip": "workbench.video",
    "plots": "workbench.views",
    "read_raw": "workbench.video",
    "read_y4m": "workbench.video",
    "show": "workbench.views.show",
    "write_y4m": "workbench.video",
}

if TYPE_CHECKING:
    from workbench import errors, metrics
    from workbench.comparison import compare
    from workbench.errors import WorkbenchError
    from workbench.pipeline.load import load_pipeline
    from workbench.pipeline.output import Output
    from workbench.pipeline.pipeline import Pipeline
    from workbench.pipeline.settings import Settings
    from workbench.pipeline.size import OutputSize
    from workbench.pipeline.state import State
    from workbench.trace import Trace
    from workbench.types import Frame
    from workbench.video import Clip, ClipWriter, open_clip, read_raw, read_y4m, write_y4m
    from workbench.views import plots
    from workbench.views.show import show
    from workbench.views.widgets import ablate, explore, live

__all__ = [
    "Clip",
    "ClipWriter",
    "Frame",
    "Output",
    "OutputSize",
    "Pipeline",
    "Settings",
    "State",
    "Trace",
    "WorkbenchError",
    "ablate",
    "compare",
    "errors",
    "explore",
    "live",
    "load_pipeline",
    "metrics",
    "open_clip",
    "plots",
    "read_raw",
    "read_y4m",
    "show",
    "write_y4m",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    value = import_module(f"workbench.{name}") if not home else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
