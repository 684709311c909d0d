"""Chains of libav's filters, and deinterlacing with one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import av
from av.filter import Graph

Steps = tuple[tuple[str, str], ...]
"""Filters by name, each with its arguments as the ffmpeg program takes them."""

_BWDIF: Steps = (("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),)
_SMALLEST_FOR_BWDIF = 4  # rows and columns


class Chain:
    """Filters in a row, for frames of one size and pixel format."""

    def __init__(self, frame: av.VideoFrame, steps: Steps) -> None:
        graph = Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
        nodes = [source, *(graph.add(name, arguments) for name, arguments in steps), graph.add("buffersink")]
        for one, next_one in pairwise(nodes):
            one.link_to(next_one)
        graph.configure()
        self._graph = graph
        self._count = 0

    def __call__(self, frame: av.VideoFrame | None) -> list[av.VideoFrame]:
        """The frames that come out when this one goes in; None asks for the last ones."""
        if frame is not None:
            frame.pts, frame.time_base = self._count, Fraction(1)
            self._count += 1
        self._graph.vpush(frame)
        out: list[av.VideoFrame] = []
        while True:
            try:
                out.append(self._graph.vpull())
            except (BlockingIOError, EOFError):
                return out


def deinterlaced(numbered: Iterable[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, av.VideoFrame]]:
    """(place, frame) in order -> the same with whole pictures where two fields were woven into one.

    Only frames that are flagged interlaced change. The filter (bwdif) looks at one frame before and one after each.
    """
    chain: Chain | None = None
    layout: object = None
    waiting: deque[int] = deque()
    for place, frame in numbered:
        if layout != (layout := (frame.width, frame.height, frame.format.name)):
            if chain is not None:
                yield from _paired(waiting, chain(None))
            large = min(frame.width, frame.height) >= _SMALLEST_FOR_BWDIF
            chain = Chain(frame, _BWDIF) if large else None
        if chain is None:
            yield place, frame
            continue
        waiting.append(place)
        yield from _paired(waiting, chain(frame))
    if chain is not None:
        yield from _paired(waiting, chain(None))


def _paired(waiting: deque[int], frames: list[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
    for frame in frames:
        yield waiting.popleft(), frame
