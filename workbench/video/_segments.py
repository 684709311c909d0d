"""The files that one output consists of while it is being made.

A video output ``clip.mp4`` is written to a part beside it, ``clip.mp4.part-000000.nut``; the number is the frame that
the part starts with. Every frame is handed to the system as soon as it is written, so a part plays up to its last frame
whatever ends the process. Closing joins the parts into ``clip.mp4``, without encoding anew, and removes them. A resumed
run starts a new part after what is there: the finished file, parts, or both. Where two overlap, the later one counts,
so a part that was joined already but not yet removed does no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import av
from av.error import FFmpegError

from workbench.errors import OutputError
from workbench.video.files import companion, media_path

PICTURE_NAME = re.compile(r"\d{6,}\.png")
OUTPUT_SUFFIXES = (".mp4", ".mkv")


@dataclass(frozen=True)
class Segment:
    """A file and the frames of the output that are taken from it."""

    path: Path
    start: int
    """the first of them"""
    stop: int
    """one after the last"""


def part_path(output: Path, start: int) -> Path:
    return companion(output, f".part-{start:06d}.nut")


def parts_of(output: Path) -> list[tuple[int, Path]]:
    """(first frame, file) of the parts that lie beside an output, in order."""
    pattern = re.compile(re.escape(companion(output, "").name) + r"\.part-(\d{6,})\.nut")
    if not output.parent.is_dir():
        return []
    matches = [(pattern.fullmatch(path.name), path) for path in output.parent.iterdir()]
    return sorted((int(match[1]), path) for match, path in matches if match)


def find_segments(output: Path) -> list[Segment]:
    """What there is of a video output, in order and without gaps or overlaps.

    Raises OutputError where the parts do not follow on each other, as after one was deleted by hand.
    """
    files = parts_of(output)
    if output.exists():
        files = [(0, output), *files]
    segments: list[Segment] = []
    reached = 0
    for place, (start, path) in enumerate(files):
        if start > reached:
            raise OutputError(
                f"frames {reached} to {start - 1} are missing beside {output}: a part was removed; "
                "start anew with overwrite"
            )
        reached = start + count_frames(path)
        later = [start for start, _ in files[place + 1 : place + 2]]
        stop = min([reached, *later])
        if stop > start:
            segments.append(Segment(path, start, stop))
    return segments


def count_frames(video: Path) -> int:
    """Packets of the video stream; 0 for a part that was not begun. Raises OutputError for what is no video."""
    if video.stat().st_size == 0:
        return 0
    try:
        with av.open(media_path(video)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (FFmpegError, IndexError) as error:
        raise OutputError(f"{video} is no video that can be continued ({error}); start anew with overwrite") from error


def frames_in(path: str | Path) -> int:
    """How many frames an output holds so far, finished or not: what a resumed run can go on from.

    ``path``: the output as given to ``ClipWriter``. 0 where there is nothing.
    """
    output = Path(path).expanduser()
    if output.suffix.lower() in OUTPUT_SUFFIXES:
        segments = find_segments(output)
        return segments[-1].stop if segments else 0
    if output.suffix.lower() == ".png":
        return int(output.is_file())
    count = 0
    while picture_path(output, count).is_file():
        count += 1
    return count


def picture_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.png"
