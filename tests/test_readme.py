"""What the README tells a newcomer to type works as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(monkeypatch):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    opened, shown = [], []

    def small(source: str) -> wb.Clip:
        """The named sample's own frames, cut to a corner so that the test is quick."""
        clip = wb.open_clip(ROOT / source)
        scale = clip.height // 180
        opened.append(source)
        corner = np.stack([frame.image[: 32 * scale, : 48 * scale] for frame in clip[:6]])
        return wb.open_clip(corner, fps=clip.fps)

    monkeypatch.setattr(wb, "show", shown.append)
    names: dict[str, Any] = {}
    text = code[1].replace("wb.open_clip(", "small(")
    exec(compile(text, "README.md", "exec"), {"small": small}, names)
    assert len(opened) == 2
    assert len(shown) == 6
    latent = names["trace"]["latent", 5]
    assert (len(latent), *latent.shape[2:]) == (4, 32, 48)  # every step of the frame
    assert "tpm=off" in str(names["ab"])


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_link_into_the_project_leads_somewhere(path):
    assert (ROOT / path).exists()


def test_it_opens_with_the_two_commands():
    commands = re.search(r"```bash\n(.*?)```", README, re.DOTALL)
    assert commands
    assert [line.split("#")[0].strip() for line in commands[1].splitlines()] == ["make demo", "make test"]
