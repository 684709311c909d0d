"""What the page of taps tells a stranger to type works as it stands, top to bottom, with the embedded model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.views.plots.style import Plot

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "taps.md").read_text(encoding="utf-8")
SIZE = (32, 48)  # of the low-resolution frames


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The names that all code of the page leaves behind, and what a run without any trace makes."""
    folder = tmp_path_factory.mktemp("page")
    sample = wb.open_clip(ROOT / "samples" / "forest-320x180.mp4")
    corner = np.stack([frame.image[80 : 80 + SIZE[0], 100 : 100 + SIZE[1]] for frame in sample[:8]])
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 8
    names: dict = {"opened": lambda path: wb.open_clip(corner, fps=24)}
    shown: list = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(wb, "show", shown.append)
        for block in blocks:
            exec(compile(block.replace("wb.open_clip(", "opened("), "taps.md", "exec"), names)
    names["plain"] = list(names["pipe"].stream(names["clip"]))
    names["shown"] = shown
    return names


def differ(a, b) -> list[bool]:
    return [not torch.equal(x.frame, y.frame) for x, y in zip(a, b, strict=True)]


def test_the_flow_of_frame_3_is_an_array(typed):
    assert isinstance(typed["field"], np.ndarray)
    assert typed["field"].shape == (2, 4 * SIZE[0], 4 * SIZE[1])
    assert typed["field"].dtype == np.float32
    assert np.abs(typed["field"]).max() > 0


def test_x0_of_all_steps_of_frame_5_are_pictures(typed):
    assert len(typed["pictures"]) == 4
    for picture in typed["pictures"]:
        assert picture.shape == (3, 4 * SIZE[0], 4 * SIZE[1])
        assert 0 <= picture.min() <= picture.max() <= 1
    assert typed["shown"][-1] is typed["pictures"][0]
    assert isinstance(typed["figure"], Plot)


def test_artg_is_halved_from_frame_4_on_and_only_there(typed):
    assert differ(typed["artg_halved"], typed["plain"]) == [False] * 4 + [True] * 2


def test_the_first_tpm_block_is_muted(typed):
    first, *later = differ(typed["block_0_muted"], typed["plain"])
    assert not first  # it has no past
    assert any(later)  # a frame that TPM changes by less than a level stays as it was
    assert not any(typed["trace"]["tpm.0.contribution", frame].any() for frame in range(1, 6))
    assert typed["block_0_muted"][5].metadata["edits"] == {"tpm.0.contribution": 5}


def test_edits_count_and_end_as_the_page_says(typed):
    assert typed["outputs"][-1].metadata["edits"] == {"flow": 2, "noise": 3}
    assert list(typed["still"].metadata["edits"]) == ["flow"]
    assert torch.allclose(typed["still"].image("warped", 1), typed["outputs"][0].frame, atol=1e-5)


def test_parts_and_files_are_what_the_page_says(typed):
    assert {"unet.down_blocks.0", "unet.down_blocks.1", "unet.mid_block"} <= set(typed["parts"].names)
    assert typed["parts"]["unet.down_blocks.0", 1].ndim == 4
    assert typed["again"].frames("x0") == [0, 2, 4]
    assert typed["again"]["x0", 4].dtype == torch.float16
