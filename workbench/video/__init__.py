"""Reading and writing clips: lazy, in colour and in time."""

from workbench.video._pipe import read_raw
from workbench.video._segments import frames_in
from workbench.video.clip import Clip, is_picture, open_clip
from workbench.video.folders import list_clips, list_skipped
from workbench.video.source import Audio
from workbench.video.write import ClipWriter
from workbench.video.y4m import Y4MWriter, read_y4m, write_y4m

__all__ = [
    "Audio",
    "Clip",
    "ClipWriter",
    "Y4MWriter",
    "frames_in",
    "is_picture",
    "list_clips",
    "list_skipped",
    "open_clip",
    "read_raw",
    "read_y4m",
    "write_y4m",
]
