"""The list of metrics, the sequence metrics, and the ones that need something this machine may lack."""

from __future__ import annotations

import json
import subprocess
from urllib.error import URLError

import pytest
import torch
from skimage import data
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from workbench import metrics
from workbench.errors import InputError, MetricUnavailable, SettingsError
from workbench.metrics import learned, temporal
from workbench.metrics.vmaf import ffmpeg_with_vmaf


def clip(frames: int = 3, size: int = 96) -> list[Tensor]:
    image = torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255
    return [image[:, 20 : 20 + size, 140 + 2 * i : 140 + 2 * i + size] for i in range(frames)]


def blurred(frames: list[Tensor], sigma: float) -> list[Tensor]:
    return [gaussian_blur(frame, [15, 15], [sigma, sigma]) for frame in frames]


@pytest.mark.parametrize("measure", [metrics.vmaf, metrics.vmaf_neg])
def test_vmaf_prefers_the_original_and_falls_with_blur(measure) -> None:
    original = clip()
    values = [
        measure(iter(frames), iter(original)) for frames in (original, blurred(original, 1), blurred(original, 3))
    ]
    assert all(len(v) == 3 and min(v) >= 0 and max(v) <= 100 for v in values)
    means = [sum(v) / 3 for v in values]
    assert means[0] > 95
    assert means == sorted(means, reverse=True)


def test_vmaf_neg_does_not_reward_sharpening() -> None:
    original = clip()
    soft = blurred(original, 1)
    sharpened = [(s + 1.5 * (s - b)).clamp(0, 1) for s, b in zip(soft, blurred(soft, 2), strict=True)]
    gain = sum(metrics.vmaf(sharpened, soft)) - sum(metrics.vmaf(soft, soft))
    assert sum(metrics.vmaf_neg(sharpened, soft)) < sum(metrics.vmaf(sharpened, soft))
    assert gain > -5 * 3


def test_vmaf_agrees_with_two_separate_videos(tmp_path) -> None:
    original = clip()
    soft = blurred(original, 1)
    for name, frames in (("soft", soft), ("original", original)):
        raw = b"".join((f.permute(1, 2, 0) * 255).round().byte().numpy().tobytes() for f in frames)
        (tmp_path / name).write_bytes(raw)
    video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x96", "-r", "25", "-i"]
    chain = (
        "[0]format=yuv420p[a];[1]format=yuv420p[b];"
        "[a][b]libvmaf=model=version=vmaf_v0.6.1:log_fmt=json:log_path=log.json"
    )
    command = [
        ffmpeg_with_vmaf(),
        "-v",
        "error",
        *video,
        "soft",
        *video,
        "original",
        "-lavfi",
        chain,
        "-f",
        "null",
        "-",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    frames = json.loads((tmp_path / "log.json").read_text())["frames"]
    assert metrics.vmaf(soft, original) == pytest.approx([f["metrics"]["vmaf"] for f in frames], abs=1e-4)


def test_vmaf_refuses_what_it_cannot_take() -> None:
    assert metrics.vmaf([], []) == []
    with pytest.raises(InputError, match="even sides"):
        metrics.vmaf([torch.rand(3, 33, 40)], [torch.rand(3, 33, 40)])
    with pytest.raises(InputError, match="equally many"):
        metrics.vmaf(clip(2), clip(3))


GOOD = torch.rand(3, 176, 176, generator=torch.Generator().manual_seed(5))
UNUSABLE = {
    "0..255": (255 * GOOD, "divide 0..255"),
    "[-1, 1]": (2 * GOOD - 1, r"x / 2 \+ 0.5"),
    "NaN": (torch.full_like(GOOD, float("nan")), "NaN"),
    "infinite": (torch.full_like(GOOD, float("inf")), "infinite"),
    "uint8": ((255 * GOOD).byte(), "divide 8-bit"),
    "another size": (GOOD[:, :-4], "one shape|grid of"),
    "no pixels": (GOOD[:, :0], "shape"),
    "grey": (GOOD[:1], "shape"),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("name", metrics.METRICS)
def test_all_metrics_refuse_alike_what_they_cannot_judge(name, case) -> None:
    bad, said = UNUSABLE[case]
    metric = metrics.METRICS[name]
    known = dict.fromkeys(("output", "reference", "previous", "previous_reference"), GOOD)
    known |= {"motion": metrics.Correspondence.given(torch.zeros(2, 176, 176)), "output": bad}
    known |= {"outputs": [bad], "references": [GOOD], "fps": 25.0}
    if metric.arguments == ("output",) and case == "another size":
        return  # it has nothing to be unequal to
    with pytest.raises(InputError, match=said):
        metric(**known)


@pytest.mark.parametrize("name", [name for name, metric in metrics.METRICS.items() if metric.scope != "frame"])
def test_metrics_of_moving_pictures_refuse_batches(name) -> None:
    batch = GOOD[None]
    known = dict.fromkeys(("output", "reference", "previous", "previous_reference"), batch)
    known |= {"motion": metrics.Correspondence.given(torch.zeros(2, 176, 176))}
    with pytest.raises(InputError, match=r"shape \(3, H, W\), got"):
        metrics.METRICS[name](**known, outputs=[batch], references=[batch], fps=25.0)


def test_every_metric_says_how_to_read_it() -> None:
    for name, metric in metrics.METRICS.items():
        assert metric.name == name
        assert metric.label
        assert metric.source
        assert metric.scope in ("frame", "pair", "sequence")
    assert metrics.METRICS["vmaf"].scope == "sequence"
    assert metrics.METRICS["flicker"].scope == "pair"
    assert not metrics.METRICS["flicker"].needs_reference
    assert metrics.METRICS["tof_farneback"].needs_reference
    assert not metrics.METRICS["piqe"].needs_reference


def test_choose_names_the_nearest_metric() -> None:
    assert [m.name for m in metrics.choose(["ssim", "psnr"])] == ["ssim", "psnr"]
    with pytest.raises(SettingsError, match="Did you mean 'psnr'"):
        metrics.choose(["psn"])


@pytest.mark.parametrize("name", ["lpips", "dists", "musiq", "niqe"])
@pytest.mark.parametrize(
    ("trouble", "said"), [(ImportError("no module"), "pip install"), (URLError("no network"), "Connect once")]
)
def test_a_metric_without_its_package_or_weights_says_so(monkeypatch, name, trouble, said) -> None:
    def fail():
        raise trouble

    learned.network.cache_clear()
    monkeypatch.setitem(learned._SOURCES, name, (learned._SOURCES[name][0], fail))
    assert said in str(metrics.METRICS[name].unavailable)
    with pytest.raises(MetricUnavailable, match=said):
        metrics.choose([name])


def test_tof_of_stablevsr_says_when_raft_is_not_to_be_had(monkeypatch) -> None:
    temporal.raft.cache_clear()
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", _offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", _offline)
    with pytest.raises(MetricUnavailable, match="raft-large"):
        metrics.choose(["tof_raft"])


def test_tof_of_stablevsr_is_the_mean_component_times_ten(monkeypatch) -> None:
    monkeypatch.setattr(temporal, "raft", lambda: lambda now, before: now[:, :2] - before[:, :2])
    now, before, true_now, true_before = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = 10 * (2 * ((now - before) - (true_now - true_before))[:2]).abs().mean()
    assert float(metrics.tof_raft(now, before, true_now, true_before)) == pytest.approx(float(expected), rel=1e-5)


def test_learned_metrics_and_tlpips_use_their_network(monkeypatch) -> None:
    """A stand-in network, squared distance: shapes, ranges and both scalings, without a download."""

    class Distance(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            assert x.min() >= -1
            return (x - y).square().mean((1, 2, 3), keepdim=True)

    monkeypatch.setattr(learned, "network", lambda name: Distance())
    one, two, three, four = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(metrics.lpips(one, two)) == pytest.approx(4 * float((one - two).square().mean()), rel=1e-4)
    assert metrics.lpips(torch.stack([one, two]), torch.stack([one, one])).shape == (2,)
    change = abs(float(metrics.lpips(three, four)) - float(metrics.lpips(one, two)))
    assert float(metrics.tlpips(one, two, three, four)) == pytest.approx(100 * change, rel=1e-3)
    assert float(metrics.tlpips_x1000(one, two, three, four)) == pytest.approx(1000 * change, rel=1e-3)
    assert float(metrics.tlpips(one, two, one, two)) == 0


def test_dists_is_computed_by_the_real_package_with_stand_in_weights(monkeypatch) -> None:
    from torchvision import models

    vgg = models.vgg16
    monkeypatch.setattr("piq.perceptual.vgg16", lambda **_: vgg(weights=None))
    monkeypatch.setattr(
        "torch.hub.load_state_dict_from_url",
        lambda *_, **__: {k: torch.full((1, 1475, 1, 1), 1 / 2950) for k in ("alpha", "beta")},
    )
    learned.network.cache_clear()
    picture = clip(1)[0]
    assert float(metrics.dists(picture, picture)) == pytest.approx(0, abs=1e-4)
    assert float(metrics.dists(blurred([picture], 3)[0], picture)) > 1e-3
    learned.network.cache_clear()


def _offline(*_: object, **__: object) -> None:
    raise URLError("no network")
