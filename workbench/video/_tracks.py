"""What a video file carries beside its pictures, and how an output takes each of it: the ways to try, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from workbench.errors import InputError
from workbench.video.container import open_media

# What players expect in MP4; other sound is encoded. Matroska takes nearly everything.
_IN_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_AAC_BITS = 96_000  # a second and channel
# Silence in gaps and before the first sound; samples from before the output's start are dropped.
_KEEP_TIME = "atrim=start=0,aresample=async=1:min_hard_comp=0.01:first_pts=0"
_OF_THE_FORMAT = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "software"})


@dataclass(frozen=True)
class Way:
    """How a track is written. ``options``: of the ffmpeg program, where {n} is the number of the output's stream."""

    words: str
    options: tuple[str, ...] = ("-c:{n}", "copy")

    @property
    def copies(self) -> bool:
        return self.words == "copied"


COPY = Way("copied")


@dataclass(frozen=True)
class Track:
    """A stream of the source."""

    index: int
    kind: str  # "sound", "subtitles", "attachment" or "cover"
    name: str
    ways: tuple[Way, ...]
    primed: bool = False  # the first packet is not heard; the next one needs it for decoding
    picture: bytes | None = None  # of a cover that Matroska takes as an attached file

    @property
    def timed(self) -> bool:
        return self.kind in ("sound", "subtitles")


@dataclass(frozen=True)
class Carried:
    """What goes from a source into an output."""

    path: Path | None = None
    tracks: tuple[Track, ...] = ()
    lost: tuple[str, ...] = ()
    start: Fraction = Fraction(0)
    """of the file, in seconds"""
    sound_start: Fraction | None = None
    """of its sound, in seconds"""
    chapters: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    picture_tags: dict[str, str] = field(default_factory=dict)

    @property
    def comment(self) -> str:
        return next((text for key, text in self.tags.items() if key.lower() == "comment"), "")


def read_carried(path: Path | None, suffix: str) -> Carried:
    """``suffix``: of the output, ".mp4", ".mkv" or ".png"."""
    if path is None or not path.is_file():
        return Carried()
    try:
        with open_media(path) as source:
            return _read(source, path, suffix)
    except InputError:  # a picture, which no container holds
        return Carried()


def _read(source: InputContainer, path: Path, suffix: str) -> Carried:
    tracks, lost = [], []
    for name, kind, stream in _named(source):
        ways = _WAYS[kind](stream, suffix)
        if ways:
            primed = _codec(stream) == "aac" and source.format.name.startswith(("mov", "matroska"))
            picture = _bytes_of(path, stream.index) if kind == "cover" and suffix == ".mkv" else None
            tracks.append(Track(stream.index, kind, name, ways, primed, picture))
        else:
            lost.append(f"{name} is left out: {suffix} files do not hold it")
    chapters = len(source.chapters())
    if chapters and suffix == ".png":
        lost.append(f"{chapters} chapters are left out: .png files do not hold them")
    starts = [_seconds(stream.start_time, stream.time_base) for stream in source.streams.audio]
    main = next((stream for stream in source.streams.video if not _is_cover(stream)), None)
    return Carried(
        path,
        # Attached files come last in what the ffmpeg program writes.
        tuple(sorted(tracks, key=lambda track: list(_WAYS).index(track.kind))),
        tuple(lost),
        Fraction(source.start_time or 0, av.time_base),
        min((start for start in starts if start is not None), default=None),
        chapters,
        {key: value for key, value in source.metadata.items() if key.lower() not in _OF_THE_FORMAT},
        {key: main.metadata[key] for key in ("language", "title") if main is not None and key in main.metadata},
    )


def _named(source: InputContainer) -> Iterator[tuple[str, str, Any]]:
    """(name, kind, stream) of all streams but the pictures: "sound 2 (aac, ger)"."""
    counts: dict[str, int] = {}
    for stream in source.streams:
        kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
        if _is_cover(stream):
            kind = "cover"
        elif kind == "video" or (kind == "data" and _codec(stream) == "bin_data" and source.chapters()):
            continue  # MP4 keeps the titles of chapters in a stream of their own
        counts[kind] = counts.get(kind, 0) + 1
        about = (_codec(stream), stream.metadata.get("language"), stream.metadata.get("title"))
        about = (*about, stream.metadata.get({"attachment": "filename", "data": "timecode"}.get(kind, "")))
        words = ", ".join(word for word in about if word and word != "und")
        yield f"{kind} {counts[kind]}" + (f" ({words})" if words else ""), kind, stream


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return "" if context is None else context.codec.canonical_name


def _seconds(stamp: int | None, time_base: Fraction | None) -> Fraction | None:
    return None if stamp is None or time_base is None else stamp * time_base


def _bytes_of(path: Path, index: int) -> bytes:
    with open_media(path) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _sound(stream: Any, suffix: str) -> tuple[Way, ...]:
    codec = _codec(stream)
    if suffix == ".mkv":
        return (
            COPY,
            Way(
                "encoded as FLAC, since .mkv files do not take it as it is",
                ("-c:{n}", "flac", "-filter:{n}", _KEEP_TIME),
            ),
        )
    if suffix != ".mp4":
        return ()
    if not codec:
        return (COPY,)
    channels = stream.codec_context.layout.nb_channels
    # MPEG-4 names mono, stereo, 5.1 and 7.1 in a way that all players know.
    fits, layout = {1: (1, "mono"), 2: (2, "stereo"), 8: (8, "7.1")}.get(channels, (6, "5.1"))
    words = f"encoded as AAC, since .mp4 files hold no {codec}"
    if channels not in (1, 2, 6, 8):
        words += f", {channels} channels brought to {layout}"
    filters = f"{_KEEP_TIME},aformat=channel_layouts={layout}"
    encode = Way(words, ("-c:{n}", "aac", "-b:{n}", str(fits * _AAC_BITS), "-filter:{n}", filters))
    return (COPY, encode) if codec in _IN_MP4 else (encode,)


def _subtitles(stream: Any, suffix: str) -> tuple[Way, ...]:
    codec = _codec(stream)
    text = stream.codec_context is not None and stream.codec_context.codec.text_sub
    if suffix == ".mp4" and text:
        if codec == "mov_text":
            return (COPY,)
        lost = ", without their styles" if codec == "ass" else ""
        return (Way(f"written as mov_text{lost}", ("-c:{n}", "mov_text")),)
    if suffix != ".mkv":
        return ()
    plain = Way("written as SubRip", ("-c:{n}", "subrip"))
    return (plain,) if codec == "mov_text" else (COPY, plain) if text else (COPY,)


def _attachment(stream: Any, suffix: str) -> tuple[Way, ...]:
    return (COPY,) if suffix == ".mkv" else ()


def _cover(stream: Any, suffix: str) -> tuple[Way, ...]:
    if suffix == ".mkv":
        mime = {"mjpeg": "image/jpeg"}.get(_codec(stream), f"image/{_codec(stream)}")
        return (Way("copied", ("-metadata:s:{n}", f"mimetype={mime}")),)
    return (COPY,) if suffix == ".mp4" else ()


def _data(stream: Any, suffix: str) -> tuple[Way, ...]:
    return ()


_WAYS = {"sound": _sound, "subtitles": _subtitles, "data": _data, "attachment": _attachment, "cover": _cover}
