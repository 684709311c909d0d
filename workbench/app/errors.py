"""What the app refuses, and why; every message is meant for the person who asked.

WorkbenchError
└── AppError
    ├── RequestError   a request that makes no sense, or a token that is none
    ├── NotFound       a job or an upload that is not there (any more)
    ├── LimitError     larger, longer or more than this server takes
    ├── Fault          an error of ours: nobody asked for anything wrong
    ├── ModelRefused   a model that is not on this server's list
    └── QueueFull      too many jobs wait already
"""

from __future__ import annotations

from workbench.errors import WorkbenchError


class AppError(WorkbenchError):
    """Base of what the app refuses."""


class RequestError(AppError, ValueError):
    """A request that makes no sense, or a token that is none."""


class NotFound(AppError):  # noqa: N818 (a state to report, not a fault)
    """A job or an upload that is not there (any more)."""


class LimitError(AppError):
    """Larger, longer or more than this server takes."""


class Fault(AppError):  # noqa: N818 (not the error of who asked)
    """An error of ours: nobody asked for anything wrong."""


class ModelRefused(AppError):  # noqa: N818 (a state to report, not a fault)
    """A model that is not on this server's list."""


class QueueFull(AppError):  # noqa: N818 (a state to report, not a fault)
    """Too many jobs wait already."""
