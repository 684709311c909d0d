"""Many clips over many devices and machines.

A causal clip cannot be cut, so the unit is one clip on one device. ``runner``: the next longest clip goes to a free
worker; ``processes`` and ``cluster`` are the two kinds of workers, plain processes and Ray actors. ``clips``: what
there is to do. ``upscaling``: what a worker does with a clip. ``storage``: clips and results that lie elsewhere.
"""

from workbench.batch.clips import Task, plan
from workbench.batch.crews import Load, crew
from workbench.batch.runner import Crew, Job, News, run
from workbench.batch.upscaling import Orders, UpscaleClip

__all__ = ["Crew", "Job", "Load", "News", "Orders", "Task", "UpscaleClip", "crew", "plan", "run"]
