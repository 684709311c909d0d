"""Degradations agree with what they name; benchmark folders are understood; the commands print and write."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import ttest_1samp

from workbench.cli.compare import varied
from workbench.cli.main import main
from workbench.comparison import Evaluation, evaluate
from workbench.comparison.datasets import find_clips
from workbench.degrade import DEGRADATIONS, area, bicubic, blur_down, cropped, degraded, matlab
from workbench.errors import InputError, SettingsError
from workbench.pipeline.settings import Settings
from workbench.video import open_clip


def picture(seed: int = 0, height: int = 40, width: int = 52) -> np.ndarray:
    """(H, W, 3) float in [0.2, 0.8], so that no overshoot is clamped."""
    return np.random.default_rng(seed).uniform(0.2, 0.8, (height, width, 3)).astype(np.float32)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


def as_image(tensor: torch.Tensor) -> np.ndarray:
    return tensor.permute(1, 2, 0).numpy()


def imresize_weights(length: int) -> np.ndarray:
    """(length / 4, length): MATLAB's imresize along one side, from its documentation: a cubic (a = -0.5) stretched by 4
    around u = 4 k + 1.5, weights summing to one, indices beyond the border mirrored."""

    def cubic(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    weights = np.zeros((length // 4, length))
    for k in range(length // 4):
        taps = range(4 * k - 10, 4 * k + 14)
        values = [cubic((4 * k + 1.5 - i) / 4) for i in taps]
        for i, value in zip(taps, values, strict=True):
            mirrored = i % (2 * length)
            weights[k, mirrored if mirrored < length else 2 * length - 1 - mirrored] += value / sum(values)
    return weights


def test_matlab_is_imresize() -> None:
    image = picture()
    expected = np.einsum("yj,xi,jic->yxc", imresize_weights(40), imresize_weights(52), image)
    assert as_image(matlab(as_tensor(image))) == pytest.approx(expected, abs=1e-5)


def test_bicubic_is_pillows_and_matlabs_inside() -> None:
    image = picture()
    planes = [np.asarray(Image.fromarray(image[..., c]).resize((13, 10), Image.Resampling.BICUBIC)) for c in range(3)]
    small = as_image(bicubic(as_tensor(image)))
    assert small == pytest.approx(np.stack(planes, -1), abs=1e-5)
    assert small[2:-2, 2:-2] == pytest.approx(as_image(matlab(as_tensor(image)))[2:-2, 2:-2], abs=1e-5)


def test_area_is_opencvs() -> None:
    image = picture()
    assert as_image(area(as_tensor(image))) == pytest.approx(
        cv2.resize(image, (13, 10), interpolation=cv2.INTER_AREA), abs=1e-6
    )


def test_blur_down_is_scipys_gaussian_every_fourth_pixel() -> None:
    image = picture()
    expected = gaussian_filter(image.astype(np.float64), (1.6, 1.6, 0), mode="mirror", truncate=4)[::4, ::4]
    assert as_image(blur_down(as_tensor(image))) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(sorted(DEGRADATIONS)), level=st.floats(0, 1), height=st.integers(4, 9), width=st.integers(4, 9)
)
def test_flat_pictures_stay_flat_in_range_and_in_batches(kind, level, height, width) -> None:
    flat = torch.full((2, 3, 4 * height, 4 * width), level)
    small = DEGRADATIONS[kind](flat)
    assert small.shape == (2, 3, height, width)
    assert torch.allclose(small, torch.full_like(small, level), atol=1e-5)
    rough = (torch.rand(2, 3, 4 * height, 4 * width) > 0.5).float()
    assert 0 <= DEGRADATIONS[kind](rough).min() <= DEGRADATIONS[kind](rough).max() <= 1
    assert torch.allclose(DEGRADATIONS[kind](rough)[1], DEGRADATIONS[kind](rough[1]), atol=1e-6)


def test_unusable_pictures_and_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="multiples of 4"):
        area(torch.rand(3, 18, 20))
    with pytest.raises(SettingsError, match="one of bicubic, matlab, area, bd, realesrgan"):
        degraded(open_clip(np.zeros((1, 16, 16, 3), np.uint8)), "nearest")


def test_degraded_clips_are_lazy_and_sliced_like_others() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 35, 50, 3), dtype=np.uint8)
    clip = open_clip(images, fps=10)
    small, whole = degraded(clip, "area"), cropped(clip)
    assert (small.size, whole.size, len(small), small.fps) == ((12, 8), (48, 32), 5, 10.0)
    blocks = images[:, :32, :48].reshape(5, 8, 4, 12, 4, 3).mean((2, 4))
    for places in (slice(None), slice(2, None), slice(1, 5, 2)):
        shown = np.stack([frame.image for frame in small[places]])
        assert np.abs(shown - blocks[places]).max() <= 0.5 + 1e-4
    assert [f.time for f in small] == [f.time for f in clip]
    assert np.array_equal(whole[3].image, images[3, :32, :48])


def write_clip(folder: Path, frames: int = 3, seed: int = 0, names: str = "{:08d}.png") -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    large = cv2.GaussianBlur(rng.integers(0, 256, (80, 96, 3), dtype=np.uint8), (0, 0), 2)
    for k in range(frames):
        cv2.imwrite(str(folder / names.format(k)), large[2 * k : 2 * k + 64, 4 * k : 4 * k + 80])


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        (["000", "011", "015", "020"], {"000": "000", "011": "011", "015": "015", "020": "020"}),
        (["GT/calendar", "GT/city", "BIx4/calendar"], {"calendar": "GT/calendar", "city": "GT/city"}),
        (["archpeople/truth", "archpeople/blur4"], {"archpeople": "archpeople/truth"}),
        (["sequences/00001/0266", "sequences/00002/0001"], {"00001/0266": "sequences/00001/0266"}),
        (["."], None),
    ],
)
def test_benchmark_folders_are_understood(tmp_path, layout, found) -> None:
    root = tmp_path / "set"
    for clip in layout:
        write_clip(root / clip)
    if "sequences/00001/0266" in layout:
        (root / "sep_testlist.txt").write_text("00001/0266\n")
    expected = {"set": root} if found is None else {name: root / path for name, path in found.items()}
    assert find_clips(root) == expected


def test_folders_without_clips_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no clips in"):
        find_clips(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        find_clips(tmp_path / "missing")
    (tmp_path / "sequences").mkdir()
    (tmp_path / "sep_testlist.txt").write_text("00001/0001\n00001/0002\n")
    with pytest.raises(InputError, match="00001/0001 and 1 more"):
        find_clips(tmp_path)


def test_an_evaluation_weighs_clips_alike_and_goes_on(tmp_path) -> None:
    write_clip(tmp_path / "set" / "one", frames=3, seed=1)
    write_clip(tmp_path / "set" / "two", frames=2, seed=2)
    options = {"metrics": ("psnr", "ssim_y"), "against": ("bicubic", "lanczos"), "resume": tmp_path / "kept"}
    seen: list[str] = []
    result = evaluate(None, tmp_path / "set", on_clip=lambda name, _: seen.append(name), **options)
    assert seen == ["one", "two"]
    assert [c.frames for c in result.clips.values()] == [3, 2]
    means = [np.mean(np.array(result.clips[name].values["lanczos"]["psnr"], float)) for name in seen]
    assert result.mean("lanczos", "psnr") == pytest.approx(np.mean(means))
    assert result.mean("lanczos", "psnr") > result.mean("bicubic", "psnr")
    assert json.loads(result.to_json())["mean"]["bicubic"]["psnr"] == result.mean("bicubic", "psnr")
    assert "2 clips" in str(result)
    again = evaluate(None, tmp_path / "set", **options)
    assert [c.seconds for c in again.clips.values()] == [c.seconds for c in result.clips.values()]


def test_an_evaluation_says_what_it_crops_and_where_frames_are_missing(tmp_path) -> None:
    write_clip(tmp_path / "set" / "holes", frames=5)
    for k in (1, 2):
        (tmp_path / "set" / "holes" / f"{k:08d}.png").unlink()
    write_clip(tmp_path / "set" / "odd", frames=2)
    for file in (tmp_path / "set" / "odd").iterdir():
        Image.open(file).crop((0, 0, 78, 63)).save(file)
    result = evaluate(None, tmp_path / "set", metrics=("psnr",), frames=3)
    assert [note.split(",")[0].split(":")[0] for note in result.notes] == ["holes", "odd", "odd"]
    assert "holes: 1 to 2 missing" in result.notes[0]
    assert "78x63 is cropped to 76x60" in result.notes[1]
    assert "has 2 frames only, 3 were asked for" in result.notes[2]
    assert all(note in str(result) for note in result.notes)
    assert json.loads(result.to_json())["notes"] == result.notes


def test_over_clips_the_clip_is_the_unit(tmp_path) -> None:
    for k in range(4):
        write_clip(tmp_path / "set" / str(k), frames=2, seed=k)
    result = evaluate(None, tmp_path / "set", metrics=("psnr",), against=("bicubic", "lanczos"))
    apart = [np.mean(clip.differences("lanczos", "psnr")) for clip in result.clips.values()]
    found, said = result.judged["lanczos", "psnr"]
    assert found.p == pytest.approx(ttest_1samp(apart, 0)[1])
    assert said == "better"
    assert result.rows()[-1][2].endswith("*)")
    few = Evaluation({name: result.clips[name] for name in "01"}, "matlab")
    assert few.judged["lanczos", "psnr"][1] == "too few clips"


def test_vary_makes_all_combinations() -> None:
    found = varied(Settings(seed=3), ["steps=1,2", "tpm=on,off"])
    assert [(s.steps, s.tpm, s.seed) for s in found] == [(1, True, 3), (1, False, 3), (2, True, 3), (2, False, 3)]
    assert varied(Settings(), []) == [Settings()]
    with pytest.raises(SettingsError, match="SETTING=A,B"):
        varied(Settings(), ["steps"])
    with pytest.raises(SettingsError, match="Did you mean 'steps'"):
        varied(Settings(), ["step=1"])


def test_the_compare_command_prints_and_writes(tmp_path, capsys) -> None:
    write_clip(tmp_path / "hr")
    write_clip(tmp_path / "lr")
    for file in (tmp_path / "lr").iterdir():
        Image.open(file).resize((20, 16), Image.Resampling.BOX).save(file)
    outputs = {"--json": tmp_path / "a.json", "--csv": tmp_path / "a.csv", "--report": tmp_path / "a.html"}
    words = [
        "compare",
        str(tmp_path / "lr"),
        "--no-pipeline",
        "--against",
        "bicubic,lanczos",
        "--metrics",
        "psnr,flicker",
    ]
    words += ["--reference", str(tmp_path / "hr"), *(str(w) for pair in outputs.items() for w in pair)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "PSNR" in printed
    assert "lanczos" in printed
    assert all(path.stat().st_size > 0 for path in outputs.values())
    assert main([*words[:2], "--no-pipeline", "--metrics", "psnr"]) == 2
    assert "need a reference" in capsys.readouterr().err


def test_the_eval_command_prints_and_writes(tmp_path, capsys) -> None:
    write_clip(tmp_path / "set" / "one", frames=2)
    words = ["eval", str(tmp_path / "set"), "--no-pipeline", "--degradation", "bd", "--metrics", "psnr_y"]
    assert main([*words, "--json", str(tmp_path / "a.json")]) == 0
    assert "x1/4 by bd; 1 clips" in capsys.readouterr().out
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["degradation"] == "bd"
    assert all(clip["about"]["command"].startswith("workbench eval ") for clip in kept["clips"].values())


def test_the_list_of_metrics_can_be_shown(tmp_path, capsys) -> None:
    assert main(["compare", str(tmp_path), "--metrics", "list"]) == 0
    printed = capsys.readouterr().out
    assert "psnr " in printed
    assert "lower is better, no reference" in printed
