"""What a worker does: it begins with the model that most jobs ask for, and then does one job.

Its server may be gone before it is done: it ends after the frame at hand, and the job can go on from there. The server
makes what is here without importing torch.
"""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from workbench.app import zerogpu
from workbench.app.kinds import KINDS
from workbench.app.names import sentence
from workbench.app.request import Request
from workbench.batch.crews import IMPORTS, processes
from workbench.batch.runner import Crew, Tell
from workbench.errors import InputError, SettingsError, WorkbenchError

if TYPE_CHECKING:
    from workbench.app.work.task import Task, Warm

log = logging.getLogger(__name__)


def worker_of(device: str, model: str) -> Crew:
    """A crew of one, which begins with what every kind of job needs imported."""
    return processes([device], Load(model), (*zerogpu.first(), *IMPORTS, *(kind.module for kind in KINDS.values())))


@dataclass(frozen=True)
class Load:
    """The pipeline most jobs ask for; None where it cannot be had, which is the job's to tell."""

    model: str
    """as ``Request.model``"""

    def __call__(self, device: str) -> Warm | None:
        from workbench.app.work.task import Warm
        from workbench.pipeline.load import load_pipeline

        try:
            return Warm(load_pipeline(self.model or None, device=device), self.model)
        except WorkbenchError as error:
            log.warning("a worker begins without a model: %s", error)
            return None


@dataclass(frozen=True)
class Order:
    """One job: its folder, and the uploads that it is about."""

    folder: Path
    source: Path | None = None
    others: tuple[Path, ...] = ()

    def __call__(self, warm: Warm | None, tell: Tell) -> None:
        with FileLock(self.folder / "lock"):  # an earlier server's worker may still be at its last frame
            zerogpu.on_gpu(lambda order: order.do(warm, tell), Order.foreseen)(self)

    @property
    def request(self) -> Request:
        return Request.from_json((self.folder / "request.json").read_text(encoding="utf-8"))

    def foreseen(self) -> float | None:
        """Seconds that it should take; None: unknown."""
        from workbench.app.planner import Planner

        return Planner(self.folder.parent.parent).plan(self.request, self.source, self.others).seconds

    def do(self, warm: Warm | None, tell: Tell) -> None:
        """Leaves the job's status final, whatever happens to it."""
        from workbench.app.work.task import Task

        task = Task(self.request, self.folder, self.source, self.others, warm, lambda: _alone(tell))
        task.say(state="running", position=None, error=None, message="starting")
        try:
            KINDS[task.request.kind].function()(task)
        except KeyboardInterrupt:
            end(task, "interrupted" if task.alone() else "stopped")
        except (InputError, SettingsError) as error:  # the same frames would end it again
            end(task, "failed", task.told(str(error)), resumable=False)
        except WorkbenchError as error:
            end(task, "failed", task.told(str(error)))
        except Exception as error:
            with (self.folder / "log").open("a", encoding="utf-8") as log:
                log.write(time.strftime("%Y-%m-%d %H:%M:%S\n") + traceback.format_exc())
            end(task, "failed", told_of_fault(task, error))
        else:
            end(task, "done")


def _alone(tell: Tell) -> bool:
    """Whether the server is gone."""
    try:
        tell(None)
    except KeyboardInterrupt:
        return True
    return False


def end(task: Task, state: str, error: str | None = None, *, resumable: bool = True) -> None:
    task.say(state=state, error=error and sentence(error), resumable=resumable, message="", seconds_left=None)


def told_of_fault(task: Task, error: Exception) -> str:
    """What went wrong that nobody foresaw, in the person's terms where it is a lack of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            f"memory ran out after {task.status.done} frames. Turn VAE slicing on, estimate the flow at input size, "
            f"or give a smaller clip; then resume."
        )
    if isinstance(error, OSError) and error.strerror:
        return task.told(f"a file could not be read or written: {error.strerror}.")
    return task.told(f"a fault of the workbench: {type(error).__name__}: {error}. The server's log has more.")
