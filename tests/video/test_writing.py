"""Writing clips: what is written is there, in time, with its sound, whatever ends the run."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.video_material import SAMPLE_RATE, decoded, heard, make_video, noise, pictures
from workbench.errors import InputError, OutputError, SettingsError
from workbench.types import Frame
from workbench.video import ClipWriter, frames_in, open_clip
from workbench.video.encode import PartEncoder

OUTPUTS = ["out.mp4", "out.mkv", "out"]


def write_all(path: Path, clip: Any, **options: Any) -> ClipWriter:
    with ClipWriter(path, clip, **options) as writer:
        for frame in clip:
            writer.write(frame)
    return writer


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_frame_arrives_once_and_in_order(name: str, tmp_path: Path) -> None:
    clip = open_clip(np.stack(pictures(12)), fps=25)
    writer = write_all(tmp_path / name, clip)
    back = open_clip(tmp_path / name)
    assert writer.frames_written == len(back) == frames_in(tmp_path / name) == 12
    assert str(writer) == f"12 frames in {tmp_path / name}"
    for frame, original in zip(back, clip, strict=True):
        limit = 4 if name.endswith("mp4") else 0
        assert np.abs(frame.image.astype(int) - original.image).mean() <= limit
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.mkv", "out"])
def test_lossless_outputs_give_back_the_very_bytes(name: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 33, 47, 3), dtype=np.uint8)
    write_all(tmp_path / name, open_clip(frames, fps=25))
    assert np.array_equal(np.stack([frame.image for frame in open_clip(tmp_path / name)]), frames)


def test_mp4_is_ready_to_play(tmp_path: Path) -> None:
    write_all(tmp_path / "out.mp4", open_clip(np.stack(pictures(5)), fps=Fraction(24000, 1001)))
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # faststart
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(24000, 1001)
        assert stream.start_time == 0


def test_all_kinds_of_frames_can_be_written(tmp_path: Path) -> None:
    image = pictures(1)[0]
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    kinds = [image, Frame(image, 0), image.astype(np.uint16) * 257, image / 255, tensor, tensor.float() / 255]
    with ClipWriter(tmp_path / "out") as writer:
        for kind in kinds:
            writer.write(kind)
        for wrong in (image[..., 0], image.astype(int), image / 200, "picture"):
            with pytest.raises(InputError):
                writer.write(wrong)
        with pytest.raises(InputError, match="frame 6 is 64x40, the frames before it"):
            writer.write(image[:40])
    for frame in open_clip(tmp_path / "out"):
        assert np.array_equal(frame.image, image)


def test_one_png(tmp_path: Path) -> None:
    image = pictures(1)[0]
    with ClipWriter(tmp_path / "one.png") as writer:
        writer.write(image)
        with pytest.raises(OutputError, match="one picture"):
            writer.write(image)
    assert np.array_equal(np.array(Image.open(tmp_path / "one.png")), image)


def test_odd_sizes_are_made_even_and_reported(tmp_path: Path) -> None:
    writer = write_all(tmp_path / "out.mp4", open_clip(np.full((2, 33, 47, 3), 90, np.uint8), fps=25))
    assert open_clip(tmp_path / "out.mp4").size == (48, 34)
    assert any("even sizes: 47x33" in note for note in writer.notes)


def test_a_missing_frame_rate_is_assumed_and_reported(tmp_path: Path) -> None:
    writer = write_all(tmp_path / "out.mp4", open_clip(np.stack(pictures(3))))
    assert open_clip(tmp_path / "out.mp4").fps == 25
    assert any("25 frames per second assumed" in note for note in writer.notes)
    assert not write_all(tmp_path / "b.mp4", open_clip(np.stack(pictures(3))), fps=10).notes
    assert open_clip(tmp_path / "b.mp4").fps == 10


def test_variable_time_stamps_are_kept(tmp_path: Path) -> None:
    stamps = [0, 40, 120, 130, 300, 333, 400]
    source = make_video(tmp_path / "vfr.mp4", pictures(7), pts=stamps, time_base=Fraction(1, 1000))
    for clip in (open_clip(source), open_clip(source)[1:6]):
        expected = np.array(clip.times) - clip.times[0]  # pyright: ignore
        for name, tolerance in (("out.mp4", 1e-9), ("out.mkv", 6e-4)):
            write_all(tmp_path / name, clip, overwrite=True)
            back = open_clip(tmp_path / name)
            assert back.times == pytest.approx(expected, abs=tolerance)
            # Matroska's last frame is the one whose end is not stored.
            until = None if name == "out.mp4" else -1
            durations = [frame.duration for frame in back][:until]
            assert durations == pytest.approx([frame.duration for frame in clip][:until], abs=2 * tolerance + 1e-6)


def test_the_pixel_aspect_is_kept(tmp_path: Path) -> None:
    clip = open_clip(make_video(tmp_path / "pal.mp4", pictures(2), pixel_aspect=Fraction(16, 15)))
    for name in ("out.mp4", "out.mkv"):
        write_all(tmp_path / name, clip)
        assert open_clip(tmp_path / name).info.pixel_aspect == Fraction(16, 15)
    write_all(tmp_path / "out", clip)
    data = (tmp_path / "out" / "000000.png").read_bytes()
    chunk = data.index(b"pHYs")
    across, down = (int.from_bytes(data[chunk + place : chunk + place + 4], "big") for place in (4, 8))
    assert Fraction(down, across) == Fraction(16, 15)


def loudest_match(voice: np.ndarray, part: np.ndarray) -> int:
    """Where in ``voice`` the samples of ``part`` are, by correlation."""
    size = 1 << (len(voice) + len(part)).bit_length()
    product = np.fft.rfft(voice, size) * np.conj(np.fft.rfft(part, size))
    return int(np.fft.irfft(product, size)[: len(voice)].argmax())


@pytest.mark.parametrize("cut", [slice(None), slice(10, 34), slice(7, 40, 3)])
@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize(("source", "codec"), [("in.mp4", "aac"), ("in.mkv", "pcm_s16le"), ("in.mov", "pcm_s16le")])
def test_sound_stays_in_step(source: str, codec: str, output: str, cut: slice, tmp_path: Path) -> None:
    video = make_video(tmp_path / source, pictures(50), sound=noise(2.0), sound_codec=codec)
    clip = open_clip(video)[cut]
    writer = write_all(tmp_path / output, clip)
    copied = codec == "aac" or output == "out.mkv"
    assert any(("copied" if copied else "encoded as AAC") in note for note in writer.notes)
    voice, began = heard(video)
    part, starts = heard(tmp_path / output)
    assert clip.span is not None
    scale = 32768 if part.max() > 1 else 1
    inner = part[4800:-4800] / scale  # 0.1 s in, past the first packets of a cut
    lag = loudest_match(voice, inner) / SAMPLE_RATE + began  # where the source says the same
    shown = starts + 0.1 + clip.span[0]  # where the output says it, on the source's clock
    assert shown == pytest.approx(lag, abs=0.002)
    length = clip.span[1] - clip.span[0]
    assert starts < 0.03
    assert starts + len(part) / SAMPLE_RATE == pytest.approx(length, abs=0.05)


def test_another_rate_leaves_the_sound_out(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", pictures(5), sound=noise(0.2))
    writer = write_all(tmp_path / "out.mp4", open_clip(video), fps=10)
    assert open_clip(tmp_path / "out.mp4").audio is None
    assert any("not in step: sound 1 (aac)" in note for note in writer.notes)
    assert any("sound 1 (aac) is left out" in note for note in write_all(tmp_path / "out", open_clip(video)).notes)


def test_sound_that_cannot_be_carried_costs_the_sound_only(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", pictures(5), sound=noise(0.2))
    clip = open_clip(video)
    with ClipWriter(tmp_path / "out.mp4", clip) as writer:
        for frame in clip:
            writer.write(frame)
        video.write_bytes(b"gone bad meanwhile" * 100)
    assert len(open_clip(tmp_path / "out.mp4")) == 5
    assert any("sound 1 (aac) could not be carried over" in note for note in writer.notes)


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_exception_leaves_a_finished_output(name: str, stop: type[BaseException], tmp_path: Path) -> None:
    clip = open_clip(np.stack(pictures(8)), fps=25)
    writer = ClipWriter(tmp_path / name, clip)
    with pytest.raises(stop), writer:
        for frame in clip:
            if frame.index == 5:
                raise stop
            writer.write(frame)
    assert writer.frames_written == 5
    assert len(list(open_clip(tmp_path / name))) == 5
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_closed_generator_leaves_a_finished_output(tmp_path: Path) -> None:
    def run() -> Iterator[int]:
        with ClipWriter(tmp_path / "out.mp4", fps=25) as writer:
            for image in pictures(8):
                writer.write(image)
                yield writer.frames_written

    job = run()
    assert [next(job), next(job), next(job)] == [1, 2, 3]
    job.close()  # pyright: ignore
    assert len(open_clip(tmp_path / "out.mp4")) == 3


@pytest.mark.parametrize("name", OUTPUTS)
def test_frames_are_on_disk_while_the_run_goes_on(name: str, tmp_path: Path) -> None:
    with ClipWriter(tmp_path / name, fps=25) as writer:
        for count, image in enumerate(pictures(6), 1):
            writer.write(image)
            assert frames_in(tmp_path / name) == count
            files = list(tmp_path.glob("out*.nut"))
            assert len(decoded(files[0]) if files else list(open_clip(tmp_path / name))) == count
            assert str(writer).startswith(f"{count} frame")


@pytest.mark.parametrize("name", [*OUTPUTS, "one.png"])
def test_nothing_is_overwritten_unless_asked(name: str, tmp_path: Path) -> None:
    first, second = pictures(2)
    with ClipWriter(tmp_path / name, fps=25) as writer:
        writer.write(first)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="exists"):
        ClipWriter(tmp_path / name, fps=25)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    with ClipWriter(tmp_path / name, fps=25, overwrite=True) as writer:
        writer.write(second)
    assert np.abs(open_clip(tmp_path / name)[0].image.astype(int) - second).mean() < 4


def test_an_old_video_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    write_all(tmp_path / "out.mp4", open_clip(np.stack(pictures(4)), fps=25))
    with ClipWriter(tmp_path / "out.mp4", fps=25, overwrite=True) as writer:
        writer.write(pictures(1)[0])
        assert len(open_clip(tmp_path / "out.mp4")) == 4
    assert len(open_clip(tmp_path / "out.mp4")) == 1


def test_the_source_is_never_the_output(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", pictures(2))
    with pytest.raises(OutputError, match="being read"):
        ClipWriter(tmp_path / "sub" / ".." / "in.mp4", open_clip(video), overwrite=True)
    assert len(open_clip(video)) == 2


@pytest.mark.parametrize("name", OUTPUTS)
def test_no_frames_leave_nothing(name: str, tmp_path: Path) -> None:
    with ClipWriter(tmp_path / name, fps=25) as writer:
        assert str(writer) == f"no frame in {tmp_path / name}"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "out.gif", "out.avi"])
def test_other_formats_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"use \.mp4"):
        ClipWriter(tmp_path / name)
    with pytest.raises(SettingsError, match="crf must be 0 to 51"):
        ClipWriter(tmp_path / "out.mp4", crf=60)


@pytest.mark.parametrize("name", OUTPUTS)
def test_places_that_cannot_be_written_are_refused_before_any_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        ClipWriter(tmp_path / "file" / name)
    if name != "out":
        (tmp_path / name).mkdir()
        with pytest.raises(OutputError, match=r"is a folder|exists"):
            ClipWriter(tmp_path / name)


def test_a_full_disk_keeps_and_tells_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PartEncoder.write

    def fill(self: PartEncoder, image: np.ndarray, pts: int) -> None:
        if pts == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(self, image, pts)

    monkeypatch.setattr(PartEncoder, "write", fill)
    with (
        pytest.raises(OutputError, match=r"the disk is full; 4 frames in .*out\.mp4$"),
        ClipWriter(tmp_path / "out.mp4", fps=25) as writer,
    ):
        for image in pictures(8):
            writer.write(image)
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 4


def test_a_disk_too_full_to_finish_keeps_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("workbench.video._sinks.join", full)
        with (
            pytest.raises(OutputError, match=r"could not be finished: the disk is full; 8 frames in .*000000\.nut"),
            ClipWriter(tmp_path / "out.mkv", fps=25) as writer,
        ):
            for image in pictures(8):
                writer.write(image)
    assert frames_in(tmp_path / "out.mkv") == 8
    ClipWriter(tmp_path / "out.mkv", fps=25, resume_at=8).close()  # with space again
    assert np.array_equal(open_clip(tmp_path / "out.mkv")[7].image, pictures(8)[7])


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Image.Image.save

    def fill(self: Image.Image, path: Path, **options: Any) -> None:
        whole(self, path, **options)
        if len(list(path.parent.glob("*.png"))) == 3:
            os.truncate(path, 100)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", fill)
    with pytest.raises(OutputError, match="disk is full; 3 frames in"), ClipWriter(tmp_path / "out") as writer:
        for image in pictures(8):
            writer.write(image)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"00000{n}.png" for n in range(3)]


def test_frames_beyond_the_clip_have_no_time(tmp_path: Path) -> None:
    clip = open_clip(np.stack(pictures(2)), fps=25)
    with ClipWriter(tmp_path / "out.mp4", clip) as writer:
        for frame in clip:
            writer.write(frame)
        with pytest.raises(InputError, match="the clip has 2 frames"):
            writer.write(pictures(1)[0])
    with pytest.raises(OutputError, match="is closed"):
        writer.write(pictures(1)[0])
