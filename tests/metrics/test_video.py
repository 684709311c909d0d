"""Metrics of whole clips: cvvdp agrees with its package, XPSNR with the program; both fall as pictures get worse."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pycvvdp
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from workbench import metrics
from workbench.comparison import compare
from workbench.errors import InputError, MetricUnavailable, SettingsError
from workbench.metrics import METRICS, choose, cvvdp_heat_map
from workbench.metrics.cvvdp import BETA_TIME, JOD_A, JOD_EXPONENT, WINDOW, cvvdp, displays, pooled
from workbench.pixels import image_to_unit, unit_to_image


def clip(frames: int = 4, height: int = 48, width: int = 64) -> list[Tensor]:
    photo = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1) / 255
    return [photo[:, 60 + k : 60 + k + height, 180 + 2 * k : 180 + 2 * k + width] for k in range(frames)]


def noisy(pictures: Sequence[Tensor], sigma: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [(p + sigma * torch.randn(p.shape, generator=generator)).clamp(0, 1) for p in pictures]


@pytest.mark.parametrize(("display", "fps"), [("standard_4k", 24.0), ("standard_phone", 60.0)])
@pytest.mark.parametrize("frames", [1, 4])
def test_cvvdp_is_what_its_package_gives(display, fps, frames) -> None:
    truth = clip(frames)
    test = noisy(truth, 0.05)
    judge = pycvvdp.cvvdp(display_name=display, device=torch.device("cpu"), quiet=True)
    options = {"dim_order": "FCHW", "frames_per_second": fps}
    expected, _ = judge.predict(torch.stack(test), torch.stack(truth), **options)
    found = cvvdp(test, truth, fps, display=display)
    assert len(found) == frames
    assert pooled(found) == pytest.approx(float(expected), abs=1e-3)  # it halves the precision of arrays


def test_cvvdp_is_what_its_command_prints(tmp_path) -> None:
    truth = clip()
    pairs = {"test": noisy(truth, 0.05), "truth": truth}
    for name, pictures in pairs.items():
        (tmp_path / name).mkdir()
        for k, picture in enumerate(pictures):
            Image.fromarray(unit_to_image(picture)).save(tmp_path / name / f"{k:03d}.bmp")
    frames = {f"--{way}": str(tmp_path / name / "%03d.bmp") for way, name in (("test", "test"), ("ref", "truth"))}
    options = frames | {"--fps": "24", "--display": "standard_fhd", "--device": "cpu"}
    command = [sys.executable, "-m", "pycvvdp.run_cvvdp", *(word for pair in options.items() for word in pair)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    test, reference = ([image_to_unit(unit_to_image(picture)) for picture in saved] for saved in pairs.values())
    found = pooled(cvvdp(test, reference, 24.0, display="standard_fhd"))
    assert float(printed.split("cvvdp=")[1].split()[0]) == pytest.approx(found, abs=1e-3)


def test_its_constants_are_the_packages() -> None:
    judge = pycvvdp.cvvdp(device=torch.device("cpu"), quiet=True)
    assert float(judge.jod_a) == pytest.approx(JOD_A)
    assert float(judge.jod_exp) == pytest.approx(JOD_EXPONENT)
    assert float(judge.beta_t) == BETA_TIME


@pytest.mark.parametrize("name", ["cvvdp", "xpsnr"])
def test_equal_clips_are_best_and_noise_and_blur_worse(name) -> None:
    truth = clip()
    measure = METRICS[name]
    steps = [truth, noisy(truth, 0.02), noisy(truth, 0.1)]
    values = [measure.pool(measure(outputs=test, references=truth, fps=25.0)) for test in steps]
    assert values[0] == (10 if name == "cvvdp" else math.inf)
    assert values == sorted(values, reverse=True)
    blurred = [[gaussian_blur(p, [9, 9], [s, s]) for p in truth] for s in (0.5, 2.0)]
    soft, softer = (measure.pool(measure(outputs=test, references=truth, fps=25.0)) for test in blurred)
    assert values[0] > soft > softer


def test_frames_are_read_one_by_one_and_in_step() -> None:
    class Watched(Sequence):
        def __init__(self, pictures: list[Tensor], name: str) -> None:
            self.pictures, self.name = pictures, name

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
            read.append((self.name, index))
            return self.pictures[index]

    read: list[tuple[str, int]] = []
    truth = clip()
    cvvdp(Watched(noisy(truth, 0.05), "test"), Watched(truth, "truth"))
    assert list(dict.fromkeys(read)) == [(name, k) for k in range(4) for name in ("test", "truth")]


def test_the_heat_map_in_windows_is_that_of_the_whole_clip() -> None:
    truth = clip(WINDOW + 3, 32, 32)
    test = noisy(truth, 0.1)
    judge = pycvvdp.cvvdp(heatmap="supra-threshold", device=torch.device("cpu"), quiet=True)
    _, stats = judge.predict(torch.stack(test), torch.stack(truth), dim_order="FCHW", frames_per_second=25)
    whole = (stats["heatmap"][0].float().clamp(0, 1) * 255).round().permute(1, 2, 3, 0).numpy()
    found = np.stack(list(cvvdp_heat_map(test, truth, 25.0)))
    assert found.shape == (WINDOW + 3, 32, 32, 3)
    assert np.abs(found - whole).max() <= 1


def test_a_display_can_be_chosen(moving_frames) -> None:
    assert "standard_fhd" in displays()
    assert "standard_hdr_pq" not in displays()  # frames are sRGB
    truth = np.stack(moving_frames[:2]).repeat(4, 1).repeat(4, 2)
    names = ("cvvdp", "cvvdp:standard_phone")
    result = compare(None, moving_frames[:2], reference=truth, metrics=names, against=("bicubic",))
    near, far = (result.summary("bicubic", name).mean for name in names)
    assert near != far
    assert near == pytest.approx(pooled([v or 0.0 for v in result.values["bicubic"]["cvvdp"]]))
    with pytest.raises(SettingsError, match="display must be one of standard_4k"):
        choose(["cvvdp:cinema"])
    with pytest.raises(SettingsError, match="no metric 'psnr:standard_4k'"):
        choose(["psnr:standard_4k"])


def test_unequal_clips_and_a_missing_package_are_named(monkeypatch) -> None:
    with pytest.raises(InputError, match="equally many"):
        cvvdp(clip(2), clip(3))
    assert cvvdp([], []) == metrics.xpsnr([], []) == []
    monkeypatch.setitem(sys.modules, "pycvvdp", None)
    with pytest.raises(MetricUnavailable, match="pip install cvvdp"):
        choose(["cvvdp"])
