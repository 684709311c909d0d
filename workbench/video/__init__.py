"""Reading and writing clips: lazy, in colour and in time."""

from workbench.video.clip import Clip, is_picture, open_clip
from workbench.video.folders import list_clips, list_skipped
from workbench.video.segments import frames_in
from workbench.video.source import Audio
from workbench.video.write import ClipWriter

__all__ = ["Audio", "Clip", "ClipWriter", "frames_in", "is_picture", "list_clips", "list_skipped", "open_clip"]
