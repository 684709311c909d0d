"""Folders of frames and single images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.video_material import make_video, pictures
from workbench.errors import InputError
from workbench.video import list_clips, open_clip


def save(path: Path, value: int | np.ndarray, size: tuple[int, int] = (8, 6), **options: object) -> Path:
    image = np.full((size[1], size[0], 3), value, np.uint8) if isinstance(value, int) else value
    Image.fromarray(image).save(path, **options)  # pyright: ignore[reportArgumentType]
    return path


def test_frames_come_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1, 100, 20):
        save(tmp_path / f"frame_{number}.png", number)
    clip = open_clip(tmp_path)
    assert [int(frame.image[0, 0, 0]) for frame in clip] == [1, 2, 10, 20, 100]
    assert [int(frame.image[0, 0, 0]) for frame in clip[1:4:2]] == [2, 20]
    assert (clip.size, clip.fps, clip.times, clip[0].time, clip.audio) == ((8, 6), None, None, None, None)


def test_fps_gives_a_folder_a_clock(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.png", number)
    clip = open_clip(tmp_path, fps=20)
    assert clip.times == pytest.approx([0, 0.05, 0.1, 0.15])
    assert clip[2].duration == pytest.approx(0.05)


def test_stray_files_are_ignored_and_reported(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "._0.png").write_bytes(b"macOS leaves these")
    (tmp_path / "sub").mkdir()
    clip = open_clip(tmp_path)
    assert len(clip) == 3
    note = next(note for note in clip.notes if "ignored 3" in note)
    assert "notes.txt" in note
    assert "sub/" in note


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    image = pictures(1, 40, 24)[0]
    save(tmp_path / f"a.{suffix}", image, size=(0, 0), **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    read = open_clip(tmp_path / f"a.{suffix}")[0].image
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - image).mean() <= (4 if suffix in ("jpg", "webp") else 0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(suffix: str, tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    alpha = np.full((6, 8, 1), 65535, np.uint16)
    alpha[0] = 0
    assert cv2.imwrite(str(tmp_path / f"colour.{suffix}"), colour[..., ::-1])
    assert cv2.imwrite(str(tmp_path / f"grey.{suffix}"), colour[..., 0])
    assert cv2.imwrite(str(tmp_path / f"alpha.{suffix}"), np.concatenate([colour[..., ::-1], alpha], axis=-1))
    assert np.array_equal(open_clip(tmp_path / f"colour.{suffix}")[0].image, colour)
    assert np.array_equal(open_clip(tmp_path / f"grey.{suffix}")[0].image, np.repeat(colour[..., :1], 3, axis=-1))
    composited = open_clip(tmp_path / f"alpha.{suffix}")[0].image
    assert np.array_equal(composited[1:], colour[1:])
    assert not composited[0].any()
    assert any("16-bit" in note for note in open_clip(tmp_path).notes)


def test_sixteen_bit_grey_with_alpha(tmp_path: Path) -> None:
    rows = b"".join(
        b"\0" + struct.pack(">HH", 40_000, 65_535) * 4 + struct.pack(">HH", 40_000, 0) * 4 for _ in range(6)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 6, 16, 4, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    image = open_clip(tmp_path / "a.png")[0].image
    assert image.dtype == np.uint16
    assert (image[:, :4] == 40_000).all()
    assert not image[:, 4:].any()


def test_alpha_is_composited_on_black_the_same_at_every_size(tmp_path: Path) -> None:
    for size in ((8, 6), (9, 7)):
        rgba = np.full((size[1], size[0], 4), (200, 100, 50, 255), np.uint8)
        rgba[:, 4:, 3] = 51  # a fifth
        path = tmp_path / f"{size[0]}.png"
        Image.fromarray(rgba).save(path)
        clip = open_clip(path)
        assert clip[0].image[0, 0].tolist() == [200, 100, 50]
        assert clip[0].image[0, 5].tolist() == [40, 20, 10]
        assert any("composited on black" in note for note in clip.notes)


def test_palette_grey_and_bilevel_files_become_rgb(tmp_path: Path) -> None:
    rgb = pictures(1, 16, 12)[0]
    palette = Image.fromarray(rgb).quantize(16)
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(open_clip(tmp_path / "palette.png")[0].image, np.array(palette.convert("RGB")))
    palette.save(tmp_path / "hole.png", transparency=0)
    hole = open_clip(tmp_path / "hole.png")[0].image
    assert not hole[np.array(palette) == 0].any()
    for mode in ("L", "1", "CMYK"):
        name = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.fromarray(rgb).convert(mode).save(name)
        image = open_clip(name)[0].image
        assert image.shape == (12, 16, 3)
        assert mode == "CMYK" or np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, tmp_path: Path) -> None:
    image = Image.fromarray(pictures(1, 16, 8)[0])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    flips = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's own Transpose methods
    expected = image if orientation == 1 else image.transpose(Image.Transpose(flips[orientation]))
    clip = open_clip(tmp_path / "a.png")
    assert clip.size == expected.size
    assert np.array_equal(clip[0].image, np.array(expected))
    assert clip.rotation == {3: 180, 4: 180, 6: 90, 7: 90, 5: 270, 8: 270}.get(orientation, 0)


def test_mixed_sizes_are_refused_at_once_by_name(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 0)
    save(tmp_path / "2.png", 0, size=(10, 6))
    with pytest.raises(InputError, match=r"2\.png is 10x6, but 1\.png is 8x6"):
        open_clip(tmp_path)


def test_a_folder_without_frames_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is empty"):
        open_clip(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"x")
    (tmp_path / "shot").mkdir()
    with pytest.raises(InputError, match=r"only clip\.mp4, shot/; name one"):
        open_clip(tmp_path)


@pytest.mark.parametrize("damage", ["text", "empty", "cut"])
def test_a_frame_that_is_no_image_is_named(damage: str, tmp_path: Path) -> None:
    save(tmp_path / "1.png", pictures(1)[0])
    bad = save(tmp_path / "2.png", pictures(1)[0])
    data = bad.read_bytes()
    bad.write_bytes({"text": b"not a picture", "empty": b"", "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(InputError, match=r"2\.png"):
        list(open_clip(tmp_path))


def test_deep_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((6, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="32-bit"):
        open_clip(tmp_path / "a.tif")


def test_one_pixel_is_readable(tmp_path: Path) -> None:
    save(tmp_path / "dot.png", 7, size=(1, 1))
    clip = open_clip(tmp_path / "dot.png")
    assert (len(clip), clip.size) == (1, (1, 1))
    assert clip[0].image.tolist() == [[[7, 7, 7]]]


def test_no_frame_stays_open_however_many_are_held(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / f"{number}.png", number)
    clip = open_clip(tmp_path)
    held = []
    for frame in clip:
        held.append(frame)
        names = [Path(file.path).parent for file in psutil.Process().open_files()]
        assert tmp_path.resolve() not in names
    assert len(held) == 40


def test_clips_of_a_folder(tmp_path: Path) -> None:
    for name in ("shot10", "shot2"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "0.png", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "readme.txt").write_text("no clip")
    video = make_video(tmp_path / "shot1.mp4", pictures(1))
    assert [clip.name for clip in list_clips(tmp_path)] == ["shot1.mp4", "shot2", "shot10"]
    assert list_clips(tmp_path / "shot2") == [tmp_path / "shot2"]
    assert list_clips(video) == [video]
    for nothing in (tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(InputError):
            list_clips(nothing)
