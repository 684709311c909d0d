"""Opens a written file again: what was to be carried over is there, or a note tells of its loss."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from workbench.errors import InputError, OutputError
from workbench.video._clock import Window
from workbench.video._tracks import Carried, Track, Way
from workbench.video.container import open_media
from workbench.video.files import media_path

_SHORT = 0.1  # seconds of sound that codecs may round away
_LATE = 0.002  # seconds that a sound may begin late before a note tells so


@dataclass
class _Amount:
    packets: int = 0
    seconds: float = 0.0
    begins: float = float("inf")
    """When it is first heard or seen, in seconds."""

    def lacks(self, wanted: _Amount, *, exact: bool) -> bool:
        """``exact``: packet by packet; else by the time that they last, where it is known, but for one at each end."""
        if not self.packets:
            return wanted.packets > 0
        if exact or not self.seconds:
            return self.packets < wanted.packets - (0 if exact else 2)
        return self.seconds < wanted.seconds - max(_SHORT, 2 * wanted.seconds / wanted.packets)


def verify(
    result: Path, frames: int, carried: Carried, choice: list[tuple[Track, Way]], window: Window | None
) -> list[str]:
    """Notes: what was copied, what was converted, what did not arrive.

    ``choice``: the tracks in the order of the result's streams, after the pictures. Raises OutputError where the
    pictures are not all there.
    """
    with av.open(media_path(result), metadata_errors="replace") as container:
        there = _amounts(container)
        streams, tags = len(container.streams), {key.lower() for key in container.metadata}
        chapters = len(container.chapters())
    if there[0].packets != frames:
        raise OutputError(f"{there[0].packets} of {frames} frames arrived in the joined file")
    wanted = _wanted(carried, choice, window)
    whole = window is None or (window.begins and window.ends)
    start, lead = 0.0 if window is None else float(window.start), there[0].begins
    notes, copied = [], []
    for place, (track, way) in enumerate(choice, 1):
        amount, of = there[place], wanted[track.index]
        exact = whole and (way.copies or track.kind == "subtitles")
        if place >= streams:
            notes.append(f"{track.name} did not arrive")
        elif track.timed and amount.lacks(of, exact=exact):
            part = f"{amount.packets} of {of.packets} packets, {amount.seconds:.2f} of {of.seconds:.2f} s"
            notes.append(f"{track.name} is not whole: {part} ({way.words})")
        elif way.copies:
            copied.append(track.name)
            late = amount.begins - max(0.0, of.begins - start + lead)
            if track.kind == "sound" and late > _LATE:
                notes.append(f"{track.name} begins {late * 1000:.0f} ms late, with its first whole packet")
        else:
            notes.append(f"{track.name} {way.words}")
    if lost := [key for key in carried.tags if key.lower() not in tags]:
        notes.append(f"tags left out, since the format has no place for them: {', '.join(lost)}")
    if carried.chapters and whole and not chapters:
        notes.append(f"{carried.chapters} chapters left out")
    return [f"copied: {'; '.join(copied)}", *notes] if copied else notes


def _wanted(carried: Carried, choice: list[tuple[Track, Way]], window: Window | None) -> dict[int, _Amount]:
    if carried.path is None or window is None or not any(track.timed for track, _ in choice):
        return defaultdict(_Amount)
    start = float("-inf") if window.begins else float(window.start)
    end = float("inf") if window.ends else float(window.end)
    try:
        with open_media(carried.path) as source:
            wanted = _amounts(source, start, end)
    except InputError:  # damaged at its end: what can be read was carried over
        return defaultdict(_Amount)
    for amount in wanted.values():
        amount.seconds = min(amount.seconds, end - start)
    return wanted


def _amounts(container: InputContainer, start: float = float("-inf"), end: float = float("inf")) -> dict[int, _Amount]:
    """By stream: the packets that lie between ``start`` and ``end`` (seconds), at least in part."""
    found: dict[int, _Amount] = defaultdict(_Amount)
    for packet in container.demux():
        if not packet.size or packet.time_base is None:
            continue
        begins = float((packet.pts or 0) * packet.time_base)
        lasts = float((packet.duration or 0) * packet.time_base)
        if begins < end and begins + lasts > start:
            found[packet.stream.index].packets += 1
            found[packet.stream.index].seconds += lasts
    for stream in container.streams:
        if stream.start_time is not None and stream.time_base is not None:
            found[stream.index].begins = float(stream.start_time * stream.time_base)
    return found
