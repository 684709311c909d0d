"""Reading and writing clips: lazy, in colour and in time."""

from workbench.video.clip import Clip, open_clip
from workbench.video.folders import list_clips
from workbench.video.segments import frames_in
from workbench.video.source import Audio
from workbench.video.write import ClipWriter

__all__ = ["Audio", "Clip", "ClipWriter", "frames_in", "list_clips", "open_clip"]
