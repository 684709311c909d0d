"""A camera, a network stream or a pipe in, upscaled frames out while they happen.

A reader of the loop like any other: a source is read in a thread of its own and keeps only its newest frame
(``newest``), ``session`` gives that frame to ``Pipeline.step`` with how many were passed over, and a sink takes what
comes out. ``run_live`` puts the three together and counts frames, drops and delay (``pace``). ``calibrate`` measures
the machine first, so that steps and size can follow from a wanted rate.
"""

from workbench.realtime._pace import Pace
from workbench.realtime.calibrate import Cost, calibrate, choose
from workbench.realtime.newest import Captured, Newest
from workbench.realtime.run import Report, run_live
from workbench.realtime.session import Session
from workbench.realtime.sinks import Sink, open_sink
from workbench.realtime.sources import Source, open_source

__all__ = [
    "Captured",
    "Cost",
    "Newest",
    "Pace",
    "Report",
    "Session",
    "Sink",
    "Source",
    "calibrate",
    "choose",
    "open_sink",
    "open_source",
    "run_live",
]
