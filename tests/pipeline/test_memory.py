"""The estimate follows shapes alone, agrees with measurement, and names a way out before anything is allocated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

from tests.tiny import tiny_models
from workbench.bench.accuracy import (
    CONFIGURATIONS,
    EMBEDDED,
    FOUR_K,
    Checked,
    Configuration,
    check_estimates,
    growth_with_frames,
)
from workbench.bench.page import memory_page
from workbench.errors import SettingsError
from workbench.pipeline.live import LiveBytes
from workbench.pipeline.memory import (
    available_memory,
    check_memory,
    correlation_volume,
    estimate_memory,
    readable,
    smaller,
)
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.shapes import shapes_only, without_data

RAFT = Settings(flow="raft-small", flow_size="output")


@pytest.fixture(scope="module")
def models():
    return tiny_models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """In channels-last layout, as the embedded model: other layouts are copied into blocks, of a size that depends on
    the processor, and with so few channels the blocks are mostly padding."""
    return Pipeline(tiny_models(channels_last=True)).save_pretrained(tmp_path_factory.mktemp("models") / "tiny")


def test_live_bytes_are_those_of_tensors_alive_at_once():
    live = LiveBytes()
    with shapes_only(), live:
        a = torch.empty(1000)
        b = a.view(10, 100) + 1
        del a
        c = b * 2
        del b, c
    assert live.peak == 8000
    assert live.live == 0


def test_shapes_of_a_network_have_no_data_and_leave_it_as_it_is(models):
    before = {name: value.clone() for name, value in models.vae.state_dict().items()}
    shapes = without_data(models)
    assert {n: v.shape for n, v in shapes.vae.state_dict().items()} == {n: v.shape for n, v in before.items()}
    assert all(torch.equal(value, before[name]) for name, value in models.vae.state_dict().items())


def test_the_estimate_is_within_15_percent_of_a_fresh_process(folder):
    one = Settings(steps=1)
    asked = [
        Configuration((180, 240), one),
        Configuration((180, 240), one.but(vae_slicing=True)),
        Configuration((120, 128), one.but(artg=0, tpm=False)),
    ]
    found = list(check_estimates({EMBEDDED: folder}, asked))
    assert [checked.configuration for checked in found] == asked
    for checked in found:
        assert checked.ratio == pytest.approx(1, abs=0.15), str(checked)
        assert checked.process > checked.measured


def test_the_page_counts_what_is_within(models):
    rows = [Checked(CONFIGURATIONS[0], 100, 110, 900), Checked(FOUR_K, 130, 100, 5 * 2**30)]
    text = memory_page(rows, {4: 100, 16: 102})
    assert "1 of 2 are within 15%; the ratios go from 0.91 to 1.30." in text
    assert "16 frames took 1.02 times what 4 took" in text
    assert "peaked at 5.00 GiB" in text


def test_the_committed_page_is_of_these_configurations():
    page = (Path(__file__).parents[2] / "docs" / "memory.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| embedded", "| published"))]
    assert len(rows) == len(CONFIGURATIONS) >= 12
    for row, asked in zip(rows, CONFIGURATIONS, strict=True):
        assert row[0] == f"| {asked.model}"
        assert row[2] == str(asked)
        assert float(row[5].strip("| ")) == pytest.approx(1, abs=0.15)


def test_a_view_of_a_weight_takes_nothing():
    live = LiveBytes()
    with shapes_only():
        weight = torch.empty(1000, 1000)
    with shapes_only(), live:
        _ = torch.empty(1, 1000) @ weight.t()
    assert live.peak == 2 * 4 * 1000


def test_a_longer_stream_needs_no_more(folder):
    few, many = growth_with_frames(folder, (64, 64), Settings(steps=1)).values()
    picture = 4 * 3 * 256 * 256
    assert many - few < 3 * picture  # of 12 more


def test_an_estimate_names_its_stages_and_where_the_peak_is(models):
    estimate = estimate_memory(models, (64, 96))
    assert {"flow", "warp", "conditioning", "features", "controlnet", "unet", "decode"} <= estimate.stages.keys()
    assert estimate.peak == estimate.weights + estimate.working
    assert 0 <= estimate.working - estimate.stages[estimate.largest] < 2**23
    assert estimate.largest in str(estimate)
    assert estimate.state == 4 * (2 * 3 * 256 * 384 + 3 * 64 * 96)
    assert estimate.weights == sum(p.numel() * 4 for n in models.networks.values() for p in n.parameters())


def test_larger_frames_need_more_and_more_steps_do_not(models):
    peaks = [estimate_memory(models, size).peak for size in ((32, 32), (32, 64), (64, 64))]
    assert peaks == sorted(set(peaks))
    assert estimate_memory(models, (32, 32), Settings(steps=8)).peak == peaks[0]


def test_what_is_off_needs_nothing(models):
    without = estimate_memory(models, (32, 32), Settings(artg=False, tpm=False)).stages
    assert not {"flow", "warp", "conditioning", "features", "controlnet"} & without.keys()


def test_attention_slicing_is_estimated_as_it_is_and_leaves_the_model_alone(models):
    processors = dict(models.unet.attn_processors)
    sliced = estimate_memory(models, (64, 64), Settings(attention_slicing=True))
    assert sliced.stages["unet"] > estimate_memory(models, (64, 64)).stages["unet"]
    assert models.unet.attn_processors == processors


def test_an_estimate_does_not_disturb_the_stream(models, moving_frames):
    run = lambda: [out.frame for out in Pipeline(models).stream(moving_frames[:2], Settings(steps=3))]  # noqa: E731
    estimate_memory(models, (24, 32), Settings(steps=3))
    first = run()
    estimate_memory(models, (24, 32), Settings(steps=3))
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


def test_correlation_volume_has_the_known_sizes():
    assert correlation_volume((720, 1280)) == pytest.approx(197.75 * 2**30, rel=1e-4)
    assert correlation_volume((180, 320)) == pytest.approx(0.77 * 2**30, rel=1e-2)
    assert correlation_volume((720, 1280), "output") == 256 * correlation_volume((720, 1280), "input")


def test_raft_at_output_size_needs_more_than_its_volume(models):
    estimate = estimate_memory(models, (96, 96), RAFT)
    assert estimate.correlation == correlation_volume((96, 96))
    assert estimate.stages["flow"] > estimate.correlation
    assert estimate.stages["unet"] < estimate.correlation  # the pyramid is let go of once the flow is known


def test_what_does_not_fit_is_refused_with_a_way_out(models):
    room = 2**30
    with pytest.raises(SettingsError, match=r"correlation volume alone takes .*flow_size=input") as caught:
        check_memory(models, (320, 320), RAFT, available=room)
    assert "raft-small" in str(caught.value)
    with pytest.raises(SettingsError, match="smaller frames"):
        check_memory(models, (64, 64), available=2**20)


def test_the_way_out_fits(models):
    whole = estimate_memory(models, (64, 64), Settings()).working
    with pytest.raises(SettingsError, match="With vae_slicing=on it needs"):
        check_memory(models, (64, 64), Settings(), available=whole - 1)


def test_there_is_memory_on_this_device():
    assert 2**20 < available_memory("cpu") < 2**50


@given(vae=st.booleans(), attention=st.booleans())
@runs(deadline=None)
def test_smaller_settings_are_settings_and_differ(vae, attention):
    start = Settings(vae_slicing=vae, attention_slicing=attention, flow="raft-large", flow_size="output")
    offers = [start.but(**changes) for changes in smaller(start)]
    assert start not in offers
    assert len({offer.to_json() for offer in offers}) == len(offers)
    assert offers[-1].flow == "dis"


@pytest.mark.parametrize(("count", "text"), [(3 * 2**29, "1.50 GiB"), (20 * 2**20, "20 MiB")])
def test_bytes_are_readable(count, text):
    assert readable(count) == text
