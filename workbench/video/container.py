"""Opening a video file safely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from workbench.errors import InputError
from workbench.video.files import media_path

# Only containers that hold their own media: a playlist or script format could name other files or addresses.
CONTAINERS = (
    "mov,mp4,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,ivf,mxf,gxf,nut,h261,h263,h264,hevc,"
    "vvc,m4v,mjpeg,obu,av1,dirac,vc1,vc1test,cavsvideo,yuv4mpegpipe,dv,rm,wtv,ty,pva,nsv,nuv,dhav,cine,lxf,flic,smk,"
    "bink,roq,vivo,xmv,swf,mp3,wav,flac,aac,aiff,ac3"
)


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """An open container. Raises InputError for what is no media file, here or while it is used inside the block."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected a video or an image")
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        container = av.open(media_path(path), container_options=options, metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{path} cannot be opened as a video ({reason}); it may be cut short, or be no video at all"
        ) from error
    with container:
        yield container


def video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The first video stream that is not cover art. Raises InputError where there is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    if container.streams.audio:
        raise InputError(f"{path} holds sound but no video")
    raise InputError(f"{path} holds no video")


def audio_stream(container: InputContainer) -> av.AudioStream | None:
    """The first sound track that can be decoded, if there is one."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
