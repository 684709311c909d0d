"""Colours: what the tags of a stream say, computed here from the equations of ITU-T H.273, is what a clip shows."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.video_material import make_video, pictures
from workbench.video import ClipWriter, open_clip

KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
TAG = {"bt601": 6, "bt709": 1, "bt2020": 9, None: 2}
LEVELS = (0, 0.25, 0.5, 0.75, 1)
BARS = np.array(list(itertools.product(LEVELS, repeat=3)))  # (125, 3) RGB
BAR = 16
CENTRES = (slice(BAR // 2, None, BAR), slice(BAR // 2, None, BAR))


def bars() -> np.ndarray:
    """(80, 400, 3) float RGB: 125 flat squares, each large enough that chroma does not bleed into its middle."""
    return BARS.reshape(5, 25, 3).repeat(BAR, axis=0).repeat(BAR, axis=1)


def to_yuv(rgb: np.ndarray, matrix: str, full: bool, bits: int) -> list[np.ndarray]:
    """H.273, 8.3: float RGB -> integer Y, Cb, Cr planes."""
    kr, kb = KR_KB[matrix]
    red, green, blue = np.moveaxis(rgb, -1, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    scale, top = 2 ** (bits - 8), 2**bits - 1
    if full:
        planes = [y * top, u * top + 128 * scale, v * top + 128 * scale]
    else:
        planes = [(16 + 219 * y) * scale, (128 + 224 * u) * scale, (128 + 224 * v) * scale]
    return [np.clip(np.round(plane), 0, top) for plane in planes]


def frame_of(planes: list[np.ndarray], pix_fmt: str) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    wide = max(component.bits for component in frame.format.components) > 8
    for plane, values in zip(frame.planes, planes, strict=True):
        step_y, step_x = height // plane.height, width // plane.width
        rows = np.ascontiguousarray(values[::step_y, ::step_x].astype("<u2" if wide else np.uint8))
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        raw = rows.view(np.uint8).reshape(plane.height, -1)
        padded[:, : raw.shape[1]] = raw
        plane.update(padded.tobytes())
    return frame


def encode(
    path: Path, frame: av.VideoFrame, *, codec: str = "ffv1", matrix: str | None = None, full: bool | None = None
) -> Path:
    """One frame, losslessly, with or without colour tags."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options={"qp": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        context = stream.codec_context
        context.colorspace = TAG[matrix]
        context.color_range = 0 if full is None else 2 if full else 1
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        frame.color_range, frame.colorspace = context.color_range, context.colorspace
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def error_in_levels(path: Path, expected: np.ndarray) -> float:
    """Largest difference at the squares' centres, in 8-bit levels."""
    image = open_clip(path)[0].image
    return float(np.abs(image[CENTRES] / np.iinfo(image.dtype).max - expected[CENTRES]).max() * 255)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_tagged_eight_bit_colours_are_exact_to_rounding(matrix: str, full: bool, codec: str, tmp_path: Path) -> None:
    frame = frame_of(to_yuv(bars(), matrix, full, 8), "yuv420p")
    path = encode(tmp_path / "bars.mkv", frame, codec=codec, matrix=matrix, full=full)
    clip = open_clip(path)
    assert (clip.color_space, clip.color_range) == (matrix, "full" if full else "limited")
    assert clip[0].image.dtype == np.uint8
    # Half a level each of Y, Cb and Cr is up to 2 levels of RGB before anything is decoded.
    assert error_in_levels(path, bars()) < 2.5
    wrong = "bt709" if matrix == "bt601" else "bt601"
    assert error_in_levels(encode(tmp_path / "wrong.mkv", frame, codec=codec, matrix=wrong, full=full), bars()) > 8


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt709", "bt2020"])
def test_deep_colours_fill_sixteen_bits(matrix: str, full: bool, bits: int, tmp_path: Path) -> None:
    frame = frame_of(to_yuv(bars(), matrix, full, bits), f"yuv420p{bits}le")
    path = encode(tmp_path / "deep.mkv", frame, matrix=matrix, full=full)
    clip = open_clip(path)
    assert any(f"{bits}-bit" in note for note in clip.notes)
    image = clip[0].image
    assert image.dtype == np.uint16
    assert image[4 * BAR + 8, -8].tolist() == [65535] * 3  # white
    assert image[8, 8].tolist() == [0] * 3  # black
    assert error_in_levels(path, bars()) < 2.5 / 2 ** (bits - 8)


@pytest.mark.parametrize(("height", "matrix"), [(80, "bt601"), (720, "bt709")])
def test_without_tags_the_size_decides_and_is_noted(height: int, matrix: str, tmp_path: Path) -> None:
    picture = np.pad(bars(), ((0, height - 80), (0, 0), (0, 0)), mode="edge")
    path = encode(tmp_path / "plain.mkv", frame_of(to_yuv(picture, matrix, False, 8), "yuv420p"))
    clip = open_clip(path)
    assert (clip.color_space, clip.color_range) == (matrix, "limited")
    assert sum("not tagged" in note for note in clip.notes) == 2
    assert error_in_levels(path, picture[:80]) < 2.5 if height == 80 else clip.height == 720


def test_motion_jpeg_is_full_range_bt601_whatever_its_size(tmp_path: Path) -> None:
    frames = [np.full((16, 1280, 3), (200, 60, 30), np.uint8)]
    clip = open_clip(make_video(tmp_path / "a.avi", frames, codec="mjpeg", pix_fmt="yuvj420p", options={"q": "1"}))
    assert (clip.color_space, clip.color_range, clip.notes) == ("bt601", "full", ())
    assert np.abs(clip[0].image.astype(int) - (200, 60, 30)).max() <= 3


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10), ("gray16le", 16)])
@pytest.mark.parametrize("full", [True, False])
def test_grey_video(pix_fmt: str, bits: int, full: bool, tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64)[None].repeat(16, 0)
    scale, top = 2 ** (bits - 8), 2**bits - 1
    stored = np.round(ramp * top if full else (16 + 219 * ramp) * scale)
    path = encode(tmp_path / "grey.mkv", frame_of([stored], pix_fmt), full=full)
    clip = open_clip(path)
    image = clip[0].image
    assert clip.color_space == "grey"
    assert np.array_equal(image[..., 0], image[..., 2])
    # Rounding to the stored levels and to 8 bits; libswscale widens 10 to 16 bits to within one of 1023.
    tolerance = 0.5 / 219 + 0.51 / 255 if bits == 8 else 1.6 / top
    assert np.abs(image[..., 0] / np.iinfo(image.dtype).max - ramp).max() < tolerance


@pytest.mark.parametrize("pix_fmt", ["yuva420p", "yuva444p10le", "gbrap10le", "bgra"])
def test_alpha_is_composited_on_black_and_reported(pix_fmt: str, tmp_path: Path) -> None:
    deep = "10" in pix_fmt
    frame = av.VideoFrame(32, 16, pix_fmt)
    top = 1023 if deep else 255
    # White everywhere, with alpha a half on the left and none on the right.
    alpha = np.repeat(np.array([[top // 2] * 16 + [0] * 16]), 16, axis=0)
    white = np.full((16, 32), top)
    if pix_fmt == "bgra":
        pixels = np.stack([white, white, white, alpha], -1).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="bgra")
    elif pix_fmt.startswith("gbr"):
        frame = frame_of([white, white, white, alpha], pix_fmt)
    else:
        scale = 4 if deep else 1
        grey = np.full((16, 32), 128 * scale)
        frame = frame_of([np.full((16, 32), 235 * scale), grey, grey, alpha], pix_fmt)
    clip = open_clip(encode(tmp_path / "alpha.mkv", frame, matrix=None if "gb" in pix_fmt else "bt709"))
    assert any("composited on black" in note for note in clip.notes)
    image = clip[0].image / (65535 if deep else 255)
    assert image[:, 2:14] == pytest.approx(top // 2 / top, abs=0.005)
    assert image[:, 18:] == pytest.approx(0, abs=0.001)


def test_hdr_is_reported(tmp_path: Path) -> None:
    frame = frame_of(to_yuv(bars(), "bt2020", False, 10), "yuv420p10le")
    frame.color_trc = 16
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        stream.codec_context.color_trc, stream.codec_context.colorspace = 16, 9
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert any("HDR (PQ)" in note for note in open_clip(path).notes)


def test_written_mp4_is_bt709_limited_and_says_so(tmp_path: Path) -> None:
    image = np.round(bars() * 255).astype(np.uint8)
    with ClipWriter(tmp_path / "out.mp4", fps=25, crf=1) as writer:
        writer.write(image)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.colorspace, frame.color_range) == ("yuv420p", 1, 1)
    assert (frame.color_primaries, frame.color_trc) == (1, 1)
    planes = frame.to_ndarray()
    expected = to_yuv(image / 255, "bt709", False, 8)
    assert np.abs(planes[:80][CENTRES] - expected[0][CENTRES]).max() <= 2
    chroma = planes[80:].reshape(2, 40, 200)
    for plane, values in zip(chroma, expected[1:], strict=True):
        assert np.abs(plane[4::8, 4::8] - values[CENTRES]).max() <= 2
    assert error_in_levels(tmp_path / "out.mp4", image / 255) < 5


def test_written_colours_come_back(tmp_path: Path) -> None:
    frames = pictures(3, 96, 64)
    for name, tolerance in (("a.mp4", 2.5), ("a.mkv", 0), ("folder", 0)):
        with ClipWriter(tmp_path / name, fps=25, crf=4) as writer:
            for image in frames:
                writer.write(image)
        for frame, image in zip(open_clip(tmp_path / name), frames, strict=True):
            difference = frame.image.astype(int) - image
            assert np.abs(difference).mean() <= tolerance  # 4:2:0 halves the colour's resolution
            assert np.abs(difference.mean(axis=(0, 1))).max() <= 0.2
