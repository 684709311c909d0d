"""Arrays, tensors and iterators as clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video_material import pictures
from workbench.errors import InputError
from workbench.types import Frame
from workbench.video import open_clip

STACK = np.stack(pictures(5, 12, 8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integer_arrays_come_back_as_they_are(dtype: type) -> None:
    frames = STACK.astype(dtype) * (257 if dtype is np.uint16 else 1)
    clip = open_clip(frames, fps=10)
    assert (len(clip), clip.size, clip.fps) == (5, (12, 8), 10)
    for frame, original in zip(clip, frames, strict=True):
        assert frame.image.dtype == dtype
        assert np.array_equal(frame.image, original)
    assert np.array_equal(np.asarray(clip[-1]), frames[-1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_every_eight_bit_value(dtype: Any) -> None:
    levels = np.arange(256, dtype=np.float64).reshape(1, 16, 16, 1).repeat(3, axis=-1) / 255
    image = open_clip(levels.astype(dtype))[0].image
    assert image.dtype == np.uint16
    assert np.array_equal(np.rint(image / 257), np.rint(levels[0] * 255))


def test_one_array_is_a_clip_of_one_frame() -> None:
    assert len(open_clip(STACK[0])) == 1


def test_tensors_have_their_channels_first() -> None:
    tensor = torch.from_numpy(STACK).permute(0, 3, 1, 2)
    for value in (tensor, tensor.float() / 255, (tensor.float() / 255).requires_grad_()):
        clip = open_clip(value)
        assert clip.size == (12, 8)
        image = clip[3].image
        assert np.array_equal(image if image.dtype == np.uint8 else image // 257, STACK[3])
    assert len(open_clip(tensor[0])) == 1
    assert open_clip(tensor.bfloat16() / 255).size == (12, 8)


def test_frames_are_copies() -> None:
    frames = STACK.copy()
    clip = open_clip(frames)
    clip[0].image[:] = 0
    assert np.array_equal(frames, STACK)


def _with(value: float) -> np.ndarray:
    frames = STACK / 255
    frames[2, 1, 1, 1] = value
    return frames


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (_with(np.nan), "frame 2 of the array holds NaN"),
        (_with(np.inf), "frame 2 .* NaN or infinity"),
        (_with(1.5), r"values from 0\.\d+ to 1\.5; expected"),
        (_with(-0.25), "divide 8-bit values by 255"),
        (STACK.astype(np.int64), "dtype int64"),
        (STACK > 3, "dtype bool"),
        (STACK.astype(np.complex64), "dtype complex64"),
        (STACK[..., :1], r"must be \(n, h, w, 3\)"),
        (STACK[..., 0, 0], r"must be \(n, h, w, 3\)"),
        (STACK[:0], "nothing empty"),
        (np.zeros((2, 0, 4, 3), np.uint8), "nothing empty"),
        (torch.zeros(2, 8, 12, 3), r"must be \(n, 3, h, w\)"),
        (torch.zeros(2, 3, 8, 12, dtype=torch.int32), "dtype int32"),
        ([], "holds no frames"),
        (3, "cannot open a int"),
        (None, "cannot open a NoneType"),
    ],
)
def test_what_is_no_clip_is_refused_at_once(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_clip(source)


def test_an_iterator_is_never_read_ahead() -> None:
    pulled = []

    def frames() -> Iterator[np.ndarray]:
        for place, frame in enumerate(STACK):
            pulled.append(place)
            yield frame

    clip = open_clip(frames())
    assert pulled == []
    for frame in clip[1:4:2]:
        assert pulled[-1] == (1, 3)[frame.index]
    assert pulled == [0, 1, 2, 3]


def test_an_iterator_has_no_length_and_is_read_once() -> None:
    clip = open_clip(iter(STACK))
    with pytest.raises(TypeError, match="not known"):
        len(clip)
    with pytest.raises(InputError, match="from its start"):
        clip[:-1]
    with pytest.raises(TypeError, match="from its end"):
        clip[-1]
    assert "unknown number of frames" in repr(clip)
    assert len(list(clip)) == 5
    with pytest.raises(InputError, match="read once"):
        list(clip)


def test_asking_an_iterator_for_its_size_loses_no_frame() -> None:
    clip = open_clip(iter(STACK))
    assert clip.size == (12, 8)
    assert [frame.index for frame in clip] == list(range(5))
    with pytest.raises(InputError, match="holds no frames"):
        _ = open_clip(iter([])).size
    with pytest.raises(InputError, match="holds no frames"):
        list(open_clip(iter([])))


def test_frames_of_an_iterator_are_checked_as_they_come() -> None:
    clip = iter(open_clip(iter([STACK[0], STACK[1][:4]])))
    next(clip)
    with pytest.raises(InputError, match=r"frame 1 of the iterable is 12x4, the frames before it 12x8"):
        next(clip)
    with pytest.raises(InputError, match="frame 0 of the iterable has shape"):
        list(open_clip(iter([STACK[0][..., 0]])))
    with pytest.raises(InputError, match="frame 0 of the iterable has dtype"):
        list(open_clip(iter(["not a frame"])))


def test_frames_keep_their_own_times() -> None:
    frames = [Frame(image, place, time=place * 0.3 + 1, duration=0.3) for place, image in enumerate(STACK)]
    assert [frame.time for frame in open_clip(iter(frames))] == [frame.time for frame in frames]


def test_lists_have_a_length_and_can_be_read_again() -> None:
    clip = open_clip(list(STACK), fps=5)
    assert len(clip) == 5
    for _ in range(2):
        assert [frame.index for frame in clip] == list(range(5))
    assert np.array_equal(clip[-1].image, STACK[-1])


cuts = st.slices(9).filter(lambda cut: cut.step is None or cut.step > 0)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(cuts, max_size=3), known=st.booleans())
def test_slices_of_slices_are_those_of_a_list(cuts: list[slice], known: bool) -> None:
    frames = np.arange(9, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    if not known:
        cuts = [cut for cut in cuts if (cut.start or 0) >= 0 and (cut.stop or 0) >= 0]
    clip, expected = open_clip(frames if known else iter(frames)), list(range(9))
    for cut in cuts:
        clip, expected = clip[cut], expected[cut]
    assert [int(frame.image[0, 0, 0]) for frame in clip] == expected


def test_an_open_clip_opens_to_itself() -> None:
    clip = open_clip(STACK)
    assert open_clip(clip) is clip
    with pytest.raises(InputError, match="where the clip is opened"):
        open_clip(clip, fps=3)
