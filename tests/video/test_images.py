"""Folders of frames and single images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from PIL import Image, ImageCms

from tests.video_material import make_video, pictures
from workbench.errors import InputError
from workbench.video import is_picture, list_clips, list_skipped, open_clip


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


def test_what_a_folders_walk_passes_over_is_named(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", pictures(2))
    make_video(tmp_path / "B.VOB", pictures(2), codec="mpeg2video")
    moving(tmp_path / "c.apng")
    moving(tmp_path / "d.webp")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert [clip.name for clip in list_clips(tmp_path)] == ["a.mp4", "B.VOB", "c.apng", "d.webp"]
    assert list_skipped(tmp_path) == ["empty/", "notes.txt"]
    assert list_skipped(tmp_path / "a.mp4") == []


def moving(path: Path, **options: object) -> list[Image.Image]:
    """Six pictures of a red square that walks over transparency."""
    frames = [Image.new("RGBA", (64, 48), (0, 0, 0, 0)) for _ in range(6)]
    for place, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (8 * place, 10, 8 * place + 16, 30))
    first, *others = frames
    save_as: dict[str, Any] = {"save_all": True, "append_images": others, **options}
    first.save(path, format={"apng": "png"}.get(path.suffix[1:], path.suffix[1:]), **save_as)
    return frames


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"duration": [100, 100, 300, 100, 100, 100], "lossless": True}),
        ("a.png", {"duration": [100, 100, 300, 100, 100, 100], "disposal": 1}),
        ("a.apng", {"duration": [100, 100, 300, 100, 100, 100], "disposal": 1}),
        ("a.avif", {"duration": [100, 100, 300, 100, 100, 100], "quality": 95}),
    ],
)
def test_animated_images_are_clips_with_their_times(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    moving(tmp_path / name, **options)
    clip = open_clip(tmp_path / name)
    assert len(clip) == 6
    assert clip.times == pytest.approx([0, 0.1, 0.2, 0.5, 0.6, 0.7])
    assert clip.span == pytest.approx((0, 0.8))
    frames = list(clip)
    for place, frame in enumerate(frames):
        assert frame.image[20, 8 * place + 8].astype(int) == pytest.approx([255, 0, 0], abs=6)
        assert frame.image[2, 2].max() < 6
    assert np.array_equal(clip[4:][0].image, frames[4].image)
    assert not is_picture(tmp_path / name)
    assert open_clip(tmp_path / name, fps=5).times == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_the_content_decides_what_a_file_is(tmp_path: Path) -> None:
    save(tmp_path / "still.png", 90).rename(tmp_path / "still.mp4")
    make_video(tmp_path / "video.mp4", pictures(3)).rename(tmp_path / "video.png")
    moving(tmp_path / "moving.webp")
    (tmp_path / "moving.webp").rename(tmp_path / "moving.jpg")
    assert open_clip(tmp_path / "still.mp4")[0].image[0, 0].tolist() == [90, 90, 90]
    assert is_picture(tmp_path / "still.mp4")
    assert len(open_clip(tmp_path / "video.png")) == 3
    assert not is_picture(tmp_path / "video.png")
    assert len(open_clip(tmp_path / "moving.jpg")) == 6


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_tiff_is_turned_once(orientation: int, deep: bool, tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :16] = (255, 0, 0)
    path = tmp_path / "a.tif"
    if deep:
        assert cv2.imwrite(str(path), image[..., ::-1].astype(np.uint16) * 257)
        _tag_orientation(path, orientation)
    else:
        Image.fromarray(image).save(path, tiffinfo={274: orientation})
    clip = open_clip(path)
    turns = {3: 2, 6: 3, 8: 1}[orientation]
    assert np.array_equal(clip[0].image // (257 if deep else 1), np.rot90(image, turns))
    assert clip.size == ((64, 48) if orientation == 3 else (48, 64))
    assert clip.rotation == {3: 180, 6: 90, 8: 270}[orientation]


def _tag_orientation(path: Path, value: int) -> None:
    """A second directory at the end of the file, with one entry more."""
    data = bytearray(path.read_bytes())
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = [bytes(data[start + 2 + 12 * k : start + 14 + 12 * k]) for k in range(count)]
    entries.append(struct.pack("<HHIHH", 274, 3, 1, value, 0))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    data += bytes(len(data) % 2)
    struct.pack_into("<I", data, 4, len(data))
    path.write_bytes(data + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))


def test_colour_profiles_are_converted_to_srgb_and_said(tmp_path: Path) -> None:
    # The profile of linear light (XYZ primaries of sRGB, gamma 1): a half is shown far lighter than a half of sRGB.
    linear = _profile(gamma=1.0)
    cases: tuple[tuple[str, Image.Image, dict[str, Any]], ...] = (
        ("a.png", Image.new("RGB", (8, 6), (128, 128, 128)), {}),
        ("a.jpg", Image.new("RGB", (8, 6), (128, 128, 128)), {"quality": 98}),
        ("alpha.png", Image.new("RGBA", (8, 6), (128, 128, 128, 255)), {}),
        ("a.tif", Image.new("RGB", (8, 6), (128, 128, 128)), {}),
    )
    for name, image, options in cases:
        image.save(tmp_path / name, icc_profile=linear, **options)
        clip = open_clip(tmp_path / name)
        assert clip[0].image[3, 4].astype(int) == pytest.approx([188] * 3, abs=2)
        assert any("colour profile (test): converted to sRGB" in note for note in clip.notes)
    assert not any("16-bit" in note for note in open_clip(tmp_path / "a.png").notes)
    deep = Image.fromarray(np.full((6, 8), 128 * 257, np.uint16))
    deep.save(tmp_path / "deep.png", icc_profile=linear)
    assert any(
        "1 of 1 frames are 16-bit with such a profile: brought to 8" in n
        for n in open_clip(tmp_path / "deep.png").notes
    )
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 6), (128, 128, 128)).save(tmp_path / "srgb.png", icc_profile=plain)
    assert open_clip(tmp_path / "srgb.png")[0].image[3, 4].tolist() == [128] * 3
    assert open_clip(tmp_path / "srgb.png").notes == ()


def _profile(gamma: float) -> bytes:
    """An ICC profile (version 2) with the primaries of sRGB, adapted to D50, and one gamma."""

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(65536 * value)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(256 * gamma), 0)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79),
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data
    body = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + xyz(0.9642, 1, 0.8249)[8:]
    return head + bytes(128 - len(head)) + body


@pytest.mark.parametrize("name", ["a.jxl", "a.png", "a.mp4", "frames/a.jxl"])
@pytest.mark.parametrize("head", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_named_where_it_cannot_be_read(name: str, head: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delitem(Image.OPEN, "JXL", raising=False)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(head + bytes(200))
    with pytest.raises(InputError, match=r"a\.\w+ is a JPEG XL image, which the installed Pillow cannot read"):
        open_clip((tmp_path / name).parent if "/" in name else tmp_path / name)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1, 2, 3, 7, 8, 10), "4 to 6, 9 missing"),
        ((10, 20, 30, 50), "40 missing"),
        ((1, 2, 3), None),
        ((0, 24, 48), None),
    ],
)
def test_holes_in_a_numbered_sequence_are_said(numbers: tuple[int, ...], said: str | None, tmp_path: Path) -> None:
    for number in numbers:
        save(tmp_path / f"frame_{number:04d}.{'PNG' if number % 2 else 'png'}", number)
    clip = open_clip(tmp_path)
    assert len(clip) == len(numbers)
    holes = [note for note in clip.notes if "holes" in note]
    assert (said in holes[0]) if said else holes == []
