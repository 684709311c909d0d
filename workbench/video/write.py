"""Writing clips frame by frame, so that nothing that was made is lost."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from av.error import FFmpegError

from workbench.errors import InputError, OutputError, counted
from workbench.video._arrays import checked_image
from workbench.video._sinks import PictureSink, Sink, VideoSink
from workbench.video.clip import Clip, open_clip
from workbench.video.encode import HDR
from workbench.video.mark import Mark
from workbench.video.place import check_format, check_place, check_vacant, hold, is_video
from workbench.video.source import as_rate


def open_for(source: Any, output: str | Path, open_with: Callable[..., Clip] = open_clip) -> Clip:
    """Opens a clip that is to become ``output``: PQ and HLG, which pictures of 8 bits cannot hold, are then mapped to
    BT.709 (a note of the clip says so).

    ``open_with``: ``open_clip`` with options of its own, as ``functools.partial`` makes it.
    """
    clip = open_with(source)
    if clip.info.transfer in HDR and not is_video(Path(output)):
        return open_with(source, colours="bt709")
    return clip


class ClipWriter:
    """Write frames to ``.mp4`` (H.264, for PQ and HLG 10-bit HEVC), ``.mkv`` (FFV1, lossless), a folder of PNG frames,
    or one ``.png``.

    ::

        with ClipWriter("out.mp4", clip) as writer:
            for output in pipe.stream(clip):
                writer.write(output)
        print(writer)                     # 24 frames in out.mp4

    ``clip``: what the frames are made from; it gives the time stamps (variable ones too), the pixel aspect, and all
    that its file carries: sound, subtitles and chapters, cut to the clip's time, attachments, cover and tags. ``notes``
    say what an output has no place for. ``fps``: an even frame rate instead of the clip's time stamps, without sound.
    ``crf``: H.264 quality, 0 (largest) to 51. ``overwrite``: replace what an earlier writer made there (a video only
    once the new one is complete). ``resume_at``: keep exactly this many frames of what is there, and go on after them;
    pass the same whole ``clip``. ``frames_in(path)`` tells how many there are. ``mark``: what each file says of its
    run, from a caller that holds the output already (see ``place``); only files with the same mark are then removed or
    replaced.

    Two writers never share an output. The clip itself, and files that no writer made, are never replaced: an output
    that is one of them, or a folder that holds one, is refused.

    Frames go to disk as they are written: PNG files directly, videos to a part beside the output, which closing turns
    into the output (see ``segments``). Leaving the ``with`` block, by whatever exception, closes. A failing write
    closes too and raises OutputError, which says how many frames are kept and where. After a kill, ``frames_in`` and
    ``resume_at`` find the part; the process that is killed within a write can leave that one frame torn.

    Raises OutputError for an output that exists, cannot be written, or cannot be resumed.
    """

    def __init__(
        self,
        path: str | Path,
        clip: Clip | None = None,
        *,
        fps: float | Fraction | None = None,
        crf: int = 16,
        overwrite: bool = False,
        resume_at: int | None = None,
        mark: Mark | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        if overwrite and resume_at is not None:
            raise OutputError("overwrite starts anew and resume_at goes on: choose one")
        self._size: tuple[int, int] | None = None
        self._closed = False
        check_format(self.path)
        with ExitStack() as held:
            try:
                if mark is None:
                    held.enter_context(hold(self.path))
                check_place(self.path, clip, run=None if mark is None else mark.run)
                if not overwrite and resume_at is None:
                    check_vacant(self.path)
                self._sink = _make_sink(self.path, clip, as_rate(fps), crf, resume_at, Mark() if mark is None else mark)
            except (OSError, FFmpegError) as error:
                raise OutputError(f"{self.path} cannot be written: {_reason(error)}") from error
            self._held = held.pop_all()

    @property
    def frames_written(self) -> int:
        """Frames that the output holds, those of earlier runs included."""
        return self._sink.count

    @property
    def where(self) -> str:
        """What holds the frames now: the output, or its parts while it is being written."""
        return " and ".join(str(file) for file in self._sink.files)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, changed or left out: frame rate, odd sizes, sound."""
        return tuple(self._sink.notes)

    def write(self, frame: Any) -> None:
        """Append a frame: an Output, a Frame, an (H, W, 3) array or a (3, H, W) tensor, as ``open_clip`` takes them.

        The n-th frame is shown when the clip's n-th frame is.
        """
        if self._closed:
            raise OutputError(f"{self.path} is closed")
        if self._sink.bits > 8 and hasattr(frame, "frame"):
            frame = frame.frame  # an Output holds floats
        image = checked_image(getattr(frame, "image", frame), f"frame {self.frames_written}")
        size = (image.shape[1], image.shape[0])
        if self._size not in (None, size):
            raise InputError(f"frame {self.frames_written} is {size[0]}x{size[1]}, the frames before it {self._size}")
        self._size = size
        try:
            self._sink.append(image)
        except (OSError, FFmpegError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the output. Raises OutputError where that fails; the frames are then kept in ``where``."""
        if self._closed:
            return
        self._closed = True
        with self._held:
            try:
                self._sink.finish()
            except (OSError, FFmpegError, OutputError) as error:
                raise OutputError(f"{self.path} could not be finished: {_reason(error)}; {self}") from error

    def _failed(self, error: Exception) -> OutputError:
        """Keep what there is, and say what and where."""
        try:
            self.close()
        except OutputError as second:
            self._sink.notes.append(str(second))
        return OutputError(f"{self.path} cannot be written any further: {_reason(error)}; {self}")

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except OutputError as second:  # the exception that ended the block is raised instead
            self._sink.notes.append(str(second))

    def __str__(self) -> str:
        count = self.frames_written
        return f"{counted(count, 'frame')} in {self.where}" if count else f"no frame in {self.path}"


def _make_sink(
    path: Path,
    clip: Clip | None,
    rate: Fraction | None,
    crf: int,
    resume_at: int | None,
    mark: Mark,
) -> Sink:
    if is_video(path):
        return VideoSink(path, clip, rate=rate, crf=crf, resume_at=resume_at, mark=mark)
    return PictureSink(path, clip, resume_at=resume_at, mark=mark)


def _reason(error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.ENOSPC:
        return "the disk is full"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
