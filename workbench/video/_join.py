"""Joining the parts of an output into one file, without encoding the pictures anew, with all that the source carries.

The bundled ffmpeg program does it: the pictures go to it through a pipe, with exact time stamps; everything else it
takes from the source, moved to the output's clock. The result is opened again and compared with the source.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
from av.bitstream import BitStreamFilterContext

from workbench.errors import OutputError
from workbench.video._clock import Clock, Window
from workbench.video._program import ProgramError, run_ffmpeg
from workbench.video._segments import Segment
from workbench.video._tracks import Carried, Track, Way
from workbench.video._verify import verify
from workbench.video.container import CONTAINERS
from workbench.video.encode import Coding
from workbench.video.files import media_path
from workbench.video.mark import Mark

_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
_PIPES = {".mp4": {"movflags": "empty_moov+frag_keyframe+default_base_moof"}, ".mkv": {}}
_Choice = list[tuple[Track, Way]]


@dataclass(frozen=True)
class Job:
    """What is joined into one file."""

    output: Path
    segments: list[Segment]
    clock: Clock
    coding: Coding
    carried: Carried = field(default_factory=Carried)
    pixel_aspect: Fraction = Fraction(1)
    mark: Mark = field(default_factory=Mark)
    """goes into the comment tag, after the source's own comment"""

    @property
    def suffix(self) -> str:
        return self.output.suffix.lower()

    @property
    def unfinished(self) -> Path:
        return self.mark.unfinished(self.output)

    @property
    def count(self) -> int:
        return self.segments[-1].stop

    @property
    def window(self) -> Window | None:
        return self.clock.window(self.count)

    @property
    def lead(self) -> Fraction:
        """Seconds of sound before the first picture."""
        window, sound = self.window, self.carried.sound_start
        return max(Fraction(0), window.start - sound) if window and window.begins and sound is not None else Fraction(0)


def join(job: Job) -> list[str]:
    """Write the output whole, or not at all; it takes the place of what was there. Returns notes on what it carries.

    Raises OSError, FFmpegError or OutputError; then the parts are as they were.
    """
    notes: list[str] = []
    tracks = job.carried.tracks
    if job.window is None:
        if timed := [track.name for track in tracks if track.timed]:
            notes.append(f"left out, since with another frame rate it is not in step: {', '.join(timed)}")
        tracks = tuple(track for track in tracks if not track.timed)
    try:
        choice = _write(job, tracks, notes)
        notes += verify(job.unfinished, job.count, job.carried, choice, job.window)
        job.unfinished.replace(job.output)
    finally:
        job.unfinished.unlink(missing_ok=True)
    return notes


def _write(job: Job, tracks: tuple[Track, ...], notes: list[str]) -> _Choice:
    """Every track in the first way that works."""
    try:
        choice = [(track, track.ways[0]) for track in tracks]
        notes += _mux(job, choice)
        return choice
    except ProgramError:
        if job.carried.path is None:
            raise
    choice = []
    for track in tracks:  # one that fails alone must not cost the others
        way = next((way for way in track.ways if _works(job, track, way)), None)
        if way is None:
            notes.append(f"{track.name} could not be carried over")
        else:
            choice.append((track, way))
    try:
        notes += _mux(job, choice)
        return choice
    except ProgramError as error:
        notes += [*_mux(job, None), f"nothing but the pictures could be carried over ({error})"]
        return []


def _works(job: Job, track: Track, way: Way) -> bool:
    try:
        _mux(job, [(track, way)], pictures=False)
    except ProgramError:
        return False
    return True


def _mux(job: Job, choice: _Choice | None, *, pictures: bool = True) -> list[str]:
    """``choice``: tracks of the source; None leaves the source out altogether. Returns notes on damage."""
    arguments: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        if pictures:
            arguments += ["-itsoffset", _decimal(job.lead), "-f", _FORMATS[job.suffix], "-i", "pipe:0"]
        if choice is not None and job.carried.path is not None:
            arguments += _source(job)
        if pictures:
            arguments += _picture_options(job)
        if choice is not None and job.carried.path is not None:
            arguments += _track_options(job, choice, int(pictures), Path(folder))
        arguments += ["-metadata", f"comment={job.mark.after(job.carried.comment)}"]
        if job.suffix == ".mp4":
            arguments += ["-movflags", "+faststart"]
        arguments += ["-f", _FORMATS[job.suffix], f"file:{media_path(job.unfinished)}"]
        complaints = run_ffmpeg(arguments, (lambda pipe: _feed(job, pipe)) if pictures else None)
    if not complaints or not any(track.timed for track, _ in choice or []):  # its pictures are none of this
        return []
    return [f"damaged parts in the source's sound or subtitles: {complaints[0]}"]


def _source(job: Job) -> list[str]:
    """The source as an input, moved so that the clip's first picture is where the output's is."""
    path, window = job.carried.path, job.window
    shift = Fraction(0) if window is None else job.carried.start - window.start + job.lead
    options = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-itsoffset", _decimal(shift)]
    return [*options, "-i", f"file:{media_path(path)}"] if path else []


def _picture_options(job: Job) -> list[str]:
    options = ["-map", "0:v:0", "-c:0", "copy"]
    if job.clock.even:
        options += ["-r:0", str(job.clock.rate)]
    for name, value in job.coding.colours.items():
        options += [f"-{name}:0", value]
    if job.coding.codec == "libx265":
        options += ["-tag:0", "hvc1"] if job.suffix == ".mp4" else []  # the name that Apple's players know
    if job.pixel_aspect != 1:
        width, height = _size(job.segments[-1])
        shape = job.pixel_aspect * width / height
        options += ["-aspect:0", f"{shape.numerator}:{shape.denominator}"]
    for key, value in job.carried.picture_tags.items():
        options += ["-metadata:s:0", f"{key}={value}"]
    return options


def _track_options(job: Job, choice: _Choice, first: int, folder: Path) -> list[str]:
    """``first``: the number of input of the source, and of the first output stream that is a track."""
    window = job.window
    options = ["-map_metadata", str(first), "-map_chapters", str(first) if window else "-1"]
    for key in ("major_brand", "minor_version", "compatible_brands"):
        options += ["-metadata", f"{key}="]
    for place, (track, way) in enumerate(choice, first):
        if track.picture is None:
            options += ["-map", f"{first}:{track.index}"]
        else:
            cover = folder / ("cover.png" if track.picture.startswith(b"\x89PNG") else "cover.jpg")
            cover.write_bytes(track.picture)
            options += ["-attach", str(cover)]
        options += [option.replace("{n}", str(place)) for option in way.options]
        if window and (filters := _cut(track, way, job, window)):
            options += [f"-bsf:{place}", filters]
    if window and not window.ends:
        options += ["-t", _decimal(window.end - window.start + job.lead)]
    return options


def _cut(track: Track, way: Way, job: Job, window: Window) -> str:
    """The bitstream filters that cut a track to the clip's time; encoded sound is cut where it is encoded."""
    length = _decimal(window.end - window.start + job.lead)
    if track.kind == "sound" and way.copies and not window.begins:
        # MP4 can begin within a packet (edit list), so the one across the cut is kept; Matroska cannot, so there the
        # sound begins with the first whole packet, after the one that is not heard.
        across = job.suffix == ".mp4" or track.primed
        return r"noise=drop=lte(pts+duration\,0)" if across else r"noise=drop=lt(pts\,0)"
    if track.kind == "subtitles" and not (window.begins and window.ends):
        end = r"PTS+DURATION" if window.ends else rf"min(PTS+DURATION\,{length}/TB)"
        start = r"max(PTS\,0)"
        return rf"noise=drop=lte(pts+duration\,0),setts=pts={start}:dts={start}:duration={end}-{start}"
    return ""


def _decimal(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}"


def _feed(job: Job, pipe: IO[bytes]) -> None:
    """All pictures in order, each with its time stamp and with the duration up to the next one."""
    clock = job.clock
    with (
        av.open(pipe, "w", format=_FORMATS[job.suffix], options=_PIPES[job.suffix]) as container,
        # The last part is one of ours, whose stream describes itself in the way that all formats take.
        av.open(media_path(job.segments[-1].path)) as last,
    ):
        stream = container.add_stream_from_template(last.streams.video[0])
        stream.time_base = clock.time_base
        for segment in job.segments:
            for place, packet in enumerate(_packets(segment, stream), segment.start):
                packet.pts = packet.dts = clock.stamp(place)
                packet.duration = round(clock.duration(place) / clock.time_base)
                packet.time_base, packet.stream = clock.time_base, stream
                container.mux(packet)


def _packets(segment: Segment, stream: Any) -> Iterator[av.Packet]:
    count = segment.stop - segment.start
    with av.open(media_path(segment.path)) as container:
        source = container.streams.video[0]
        filters = None
        if _has_lengths(source) and not _has_lengths(stream):
            filters = BitStreamFilterContext(f"{source.codec_context.codec.canonical_name}_mp4toannexb", source)
        for packet in container.demux(source):
            if not packet.size:
                continue
            yield from [packet] if filters is None else filters.filter(packet)
            count -= 1
            if count == 0:
                return
    raise OutputError(f"{segment.path} lost {count} frames since the run began")


def _has_lengths(stream: Any) -> bool:
    """Whether units are stored with lengths, as in MP4 (avcC, hvcC), not with start codes as in our parts."""
    extradata = stream.codec_context.extradata
    codec = stream.codec_context.codec.canonical_name
    return codec in ("h264", "hevc") and bool(extradata) and extradata[0] == 1


def _size(segment: Segment) -> tuple[int, int]:
    with av.open(media_path(segment.path)) as container:
        context = container.streams.video[0].codec_context
        return context.width, context.height


def check_joinable(earlier: Path, later: Path) -> None:
    """Raise OutputError unless the streams of two files can be one stream.

    H.264 and HEVC of ours repeat their parameters in the stream, so only size, format and codec matter; FFV1 keeps them
    in the header.
    """
    with av.open(media_path(earlier)) as first, av.open(media_path(later)) as second:
        a, b = first.streams.video[0].codec_context, second.streams.video[0].codec_context
        same = (a.name, a.width, a.height, a.pix_fmt) == (b.name, b.width, b.height, b.pix_fmt)
        if same and a.name == "ffv1":
            same = a.extradata == b.extradata
        if not same:
            raise OutputError(
                f"{earlier} ({a.name} {a.width}x{a.height}) cannot be continued with {b.name} {b.width}x{b.height} "
                "of this version; start anew with overwrite"
            )
