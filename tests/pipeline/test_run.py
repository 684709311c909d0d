"""A clip to a file: ending it from ``on_output`` is as clean as Ctrl-C, and nothing is lost or doubled."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.pipeline.output import Output
from workbench.pipeline.run import upscale_to_file
from workbench.pipeline.settings import Settings
from workbench.video import open_clip


@pytest.mark.parametrize("stop_at", [0, 2, 5])
def test_a_run_ends_when_on_output_says_false_and_goes_on(tiny_pipe, moving_frames, tmp_path, stop_at):
    clip, settings = open_clip(np.stack(moving_frames), fps=12), Settings(steps=1)
    seen: list[int] = []

    def until_then(out: Output) -> bool | None:
        seen.append(out.index)
        return False if out.index == stop_at else None  # None, as of a function that says nothing, does not end it

    output = tmp_path / "out.mkv"
    run = upscale_to_file(tiny_pipe, clip, output, settings, on_output=until_then)
    assert (run.finished, run.frames, seen) == (False, stop_at + 1, list(range(stop_at + 1)))
    assert run.state is not None
    assert len(open_clip(output)) == stop_at + 1
    assert not json.loads(run.sidecar.read_text())["finished"]

    run = upscale_to_file(tiny_pipe, clip, output, settings, resume=True, on_output=lambda out: seen.append(out.index))
    assert (run.finished, run.frames, run.state) == (True, 6, None)
    assert seen == list(range(6))
    whole = [out.image for out in tiny_pipe.stream(clip, settings)]
    assert np.array_equal(np.stack([frame.image for frame in open_clip(output)]), np.stack(whole))
