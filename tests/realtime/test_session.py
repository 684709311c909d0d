"""Frames that are passed over: the loop spans the gap, counts it, and ghosts nowhere."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import workbench as wb
from workbench.realtime import Captured, Session
from workbench.realtime.session import LONGEST_GAP

SAMPLE = Path(__file__).parents[2] / "samples" / "forest-1280x720.mp4"
STEP = 16  # output pixels that the pan moves in a frame: 4 of the LR frame


def captured(number: int, at: float | None = None, epoch: int = 0) -> Captured:
    return Captured(lambda: np.zeros(0), number, number / 25 if at is None else at, epoch)


@pytest.fixture(scope="module")
def pan() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(LR frames, their truth): 9 frames of a camera that moves over a still picture."""
    picture = wb.open_clip(SAMPLE)[4].image
    truth = [picture[200:456, 100 + STEP * k : 484 + STEP * k] for k in range(9)]
    return [cv2.resize(t, (96, 64), interpolation=cv2.INTER_AREA) for t in truth], truth


def test_dropping_every_second_frame_of_a_pan_costs_next_to_nothing_and_ghosts_nowhere(pan) -> None:
    frames, truth = pan
    pipe = wb.load_pipeline(device="cpu")

    def errors(which: range, **settings) -> np.ndarray:
        """Squared, of the last two frames that both runs have."""
        session = Session(pipe, wb.Settings(steps=1, **settings))
        made = {k: session.step(captured(k), frames[k]).image.astype(float) for k in which}
        return np.stack([(made[k] - truth[k]) ** 2 for k in (6, 8)])

    every, second = errors(range(9)), errors(range(0, 9, 2))
    assert 10 * np.log10(second.mean() / every.mean()) < 0.1  # dB
    # No past at all cannot ghost: nowhere is a block of 16x16 pixels much worse than there.
    alone = errors(range(6, 9, 2), artg=0.0, tpm=False)
    blocks = [e.reshape(2, 16, 16, 24, 16, 3).mean((2, 4, 5)) for e in (second, alone)]
    assert (np.sqrt(blocks[0]) - np.sqrt(blocks[1])).max() < 2.0  # of 255


def test_a_gap_is_counted_and_the_rest_is_the_loops_own(tiny_pipe, moving_frames) -> None:
    session = Session(tiny_pipe, wb.Settings(steps=1))
    first, after = session.step(captured(3), moving_frames[0]), session.step(captured(6), moving_frames[3])
    assert session.passed == 2
    assert (first.index, after.index) == (0, 3)
    plain, _ = tiny_pipe.step(moving_frames[3], first.state.skip(2), wb.Settings(steps=1))
    assert (after.frame == plain.frame).all()


@pytest.mark.parametrize(
    ("then", "size", "words"),
    [
        (captured(1), 20, "frames are 20x20 now, and were 32x24"),
        (captured(1, epoch=1), None, "opened again"),
        (captured(1, at=LONGEST_GAP + 0.1), None, "no frame came for 2.1 s"),
    ],
)
def test_what_begins_a_new_state_is_said(tiny_pipe, moving_frames, then: Captured, size, words: str) -> None:
    said: list[str] = []
    session = Session(tiny_pipe, wb.Settings(steps=1), said.append)
    session.step(captured(0), moving_frames[0])
    image = moving_frames[1] if size is None else moving_frames[1][:size, :size]
    output = session.step(then, image)
    assert words in said[0]
    fresh, _ = tiny_pipe.step(image, None, wb.Settings(steps=1))
    assert (output.frame == fresh.frame).all()


def test_settings_and_model_change_between_two_frames(tiny_pipe, moving_frames) -> None:
    session = Session(tiny_pipe, wb.Settings(steps=1))
    session.step(captured(0), moving_frames[0])
    session.settings = wb.Settings(steps=2, tpm=False)
    assert session.step(captured(1), moving_frames[1]).state.settings.steps == 2
    session.pipe = tiny_pipe
    assert session.step(captured(2), moving_frames[2]).index == 0
