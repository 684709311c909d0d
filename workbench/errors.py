"""Every error the workbench raises on purpose.

    WorkbenchError
    ├── InputError      a clip, frame or array that cannot be used      (also a ValueError)
    ├── SettingsError   a setting that is unknown or out of range       (also a ValueError)
    ├── ModelError      a model that is missing, partial or wrong
    ├── DeviceError     a device or precision that is not there
    ├── EngineError     an engine that cannot run here, or not what was asked of it
    ├── FlowError       an optical-flow estimator that cannot be had
    ├── TraceError      a tap that does not exist, or a trace over its budget
    ├── TrainingError   a recipe, data folder or checkpoint that cannot be used
    ├── MetricUnavailable  a metric whose package or weights cannot be had
    ├── NotFinite       a frame that came out as NaN or infinite numbers
    └── OutputError     an output that cannot be written

A message says what was expected, what came, and what to do. The command line prints it as one line
and exits with 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class WorkbenchError(Exception):
    """Base of all errors raised on purpose."""


class InputError(WorkbenchError, ValueError):
    """A clip, frame or array that cannot be used."""


class SettingsError(WorkbenchError, ValueError):
    """A setting that is unknown or out of range."""


class ModelError(WorkbenchError):
    """A model that is missing, partial, corrupt or of another architecture."""


class DeviceError(WorkbenchError):
    """A device or precision that this machine does not have."""


class EngineError(WorkbenchError):
    """An engine that cannot run here, or that does not run what was asked of it."""


class FlowError(WorkbenchError):
    """An optical-flow estimator that cannot be had, or a flow of the wrong shape."""


class TraceError(WorkbenchError):
    """A tap that does not exist, or a trace over its budget."""


class TrainingError(WorkbenchError):
    """A recipe, data folder or checkpoint that cannot be used."""


class MetricUnavailable(WorkbenchError):  # noqa: N818 (a state to report, not a fault)
    """A metric whose package or weights cannot be had here."""


class NotFinite(WorkbenchError):  # noqa: N818 (said of the frame)
    """A frame that came out as NaN or infinite numbers: it is no picture, and the run ends there."""


class OutputError(WorkbenchError):
    """An output that cannot be written; what was made before it is kept."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`` Did you mean 'steps'?`` for a near one, else nothing: to be put after the first sentence of a message."""
    near = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def counted(count: int, noun: str) -> str:
    """``1 frame``, ``3 frames``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
