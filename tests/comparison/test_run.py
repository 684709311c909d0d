"""Comparing: the same frames and noise for all, numbers that hold after a break, results that can be kept."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import workbench as wb
from tests.tiny import tiny_models
from workbench import metrics
from workbench.comparison import Comparison, ImageModel, Interpolation, Recorded, compare, upscaler
from workbench.comparison.store import Folder, decode, encode
from workbench.comparison.tables import significant
from workbench.engines.automatic import AutomaticRunner
from workbench.errors import FlowError, InputError, ModelError, SettingsError
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings
from workbench.pipeline.size import OutputSize
from workbench.pixels import unit_to_image
from workbench.types import Frame
from workbench.video import open_clip

QUICK = Settings(steps=1)


@pytest.fixture
def truth(moving_frames) -> list[np.ndarray]:
    """References, four times as large."""
    return [np.asarray(Image.fromarray(f).resize((128, 96), Image.Resampling.LANCZOS)) for f in moving_frames]


class Broken:
    """An upscaler that fails at a frame: a crash in the middle."""

    name, about = "bicubic", Interpolation("bicubic").about

    def __init__(self, at: int) -> None:
        self.at = at

    def upscale(self, frames: Iterable[Frame], state: object = None) -> Iterator[Tensor]:
        for index, picture in enumerate(Interpolation("bicubic").upscale(frames)):
            if index == self.at:
                raise RuntimeError("the lights went out")
            yield picture


def test_a_comparison_holds_every_frame_of_every_column(tiny_pipe, moving_frames, truth) -> None:
    result = compare(
        tiny_pipe,
        moving_frames,
        QUICK,
        QUICK.but(tpm=False),
        reference=truth,
        metrics=("psnr", "flicker", "vmaf"),
        against=("bicubic", "lanczos"),
    )
    assert result.columns == ["tpm=on", "tpm=off", "bicubic", "lanczos"]
    assert result.frames == 6
    for column in result.columns:
        values = result.values[column]
        assert all(isinstance(v, float) for v in values["psnr"] + values["vmaf"])
        assert values["flicker"][0] is None
        assert all(isinstance(v, float) for v in values["flicker"][1:])
        assert all(s > 0 for s in result.seconds[column])
    table = str(result)
    assert "PSNR ↑" in table
    assert "Flicker ↓" in table
    assert "6 frames" in table


def test_the_numbers_are_those_of_the_pipeline_alone(tiny_pipe, moving_frames, truth) -> None:
    result = compare(tiny_pipe, moving_frames, QUICK, reference=truth, metrics=("psnr",), against=())
    expected = []
    for out, reference in zip(tiny_pipe.stream(moving_frames, QUICK), truth, strict=True):
        picture, goal = (torch.from_numpy(p.copy()).permute(2, 0, 1) / 255 for p in (out.image, reference))
        expected.append(float(metrics.psnr(picture, goal)))
    assert result.columns == ["pipeline"]
    assert result.values["pipeline"]["psnr"] == pytest.approx(expected, abs=1e-9)


def test_a_comparison_goes_on_after_a_break_with_the_same_numbers(tiny_pipe, moving_frames, truth, tmp_path) -> None:
    names = ("psnr", "flicker", "tof_farneback", "vmaf")
    options = {"reference": truth, "metrics": names}
    whole = compare(tiny_pipe, moving_frames, QUICK, against=("bicubic",), **options)
    with pytest.raises(RuntimeError, match="lights"):
        compare(tiny_pipe, moving_frames, QUICK, against=(Broken(3),), resume=tmp_path / "kept", **options)
    done: list[int] = []
    resumed = compare(
        tiny_pipe, moving_frames, QUICK, against=("bicubic",), resume=tmp_path / "kept", on_frame=done.append, **options
    )
    assert done == [4, 5, 6]
    assert resumed.values == whole.values
    again = compare(tiny_pipe, moving_frames, QUICK, against=("bicubic",), resume=tmp_path / "kept", **options)
    assert again.values == whole.values
    assert again.seconds == resumed.seconds


def test_a_comparison_goes_on_with_the_engine_it_was_begun_with(moving_frames, tmp_path, monkeypatch) -> None:
    def pipeline(*, graphs: bool) -> Pipeline:
        monkeypatch.setattr(AutomaticRunner, "_built", lambda self, size, reusing: graphs)
        return Pipeline(tiny_models(), AutomaticRunner(tiny_models()))

    options = {"metrics": ("piqe",), "resume": tmp_path}
    with pytest.raises(RuntimeError, match="lights"):
        compare(pipeline(graphs=False), moving_frames, QUICK, against=(Broken(1),), **options)
    assert (Folder(tmp_path).header() or {})["columns"][0]["engine"] == "torch"
    assert pipeline(graphs=True).engine_at((24, 32), QUICK).name == "onnxruntime"
    compare(pipeline(graphs=True), moving_frames[:2], QUICK, against=("bicubic",), **options)


def test_going_on_without_the_saved_state_is_refused(tiny_pipe, moving_frames, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="lights"):
        compare(tiny_pipe, moving_frames, QUICK, metrics=("piqe",), against=(Broken(1),), resume=tmp_path)
    for state in (tmp_path / "states").iterdir():
        state.unlink()
    with pytest.raises(InputError, match="no saved state"):
        compare(tiny_pipe, moving_frames, QUICK, metrics=("piqe",), resume=tmp_path)


def test_a_line_cut_short_by_a_crash_is_measured_again(moving_frames, tmp_path) -> None:
    first = compare(None, moving_frames, metrics=("flicker",), resume=tmp_path)
    lines = (tmp_path / "frames.jsonl").read_text().splitlines()
    (tmp_path / "frames.jsonl").write_text("\n".join([*lines[:4], lines[4][:20]]))
    done: list[int] = []
    assert (
        compare(None, moving_frames, metrics=("flicker",), resume=tmp_path, on_frame=done.append).values == first.values
    )
    assert done == [5, 6]


def test_a_folder_of_another_comparison_is_refused(moving_frames, tmp_path) -> None:
    compare(None, moving_frames, metrics=("flicker",), resume=tmp_path)
    with pytest.raises(InputError, match="metrics differ"):
        compare(None, moving_frames, metrics=("piqe",), resume=tmp_path)


def test_frames_are_streamed(moving_frames) -> None:
    """The source is read one frame at a time, after the frames before it were measured."""
    log: list[str] = []

    def frames() -> Iterator[np.ndarray]:
        for k, frame in enumerate(moving_frames):
            log.append(f"read {k}")
            yield frame

    compare(
        None, frames(), metrics=("piqe",), against=("bicubic", "lanczos"), on_frame=lambda k: log.append(f"done {k}")
    )
    assert log == [word for k in range(6) for word in (f"read {k}", f"done {k + 1}")]


def test_a_still_clip_enlarged_by_interpolation_does_not_flicker(moving_frames) -> None:
    result = compare(None, [moving_frames[0]] * 3, metrics=("flicker", "warping_error"))
    assert result.values["bicubic"]["flicker"] == [None, 0.0, 0.0]
    assert result.values["bicubic"]["warping_error"] == [None, 0.0, 0.0]


def test_keeping_and_loading(moving_frames, truth, tmp_path) -> None:
    result = compare(None, moving_frames, reference=truth, metrics=("psnr", "flicker"), against=("bicubic", "lanczos"))
    again = Comparison.from_json(result.to_json())
    assert (again.values, again.seconds, again.about) == (result.values, result.seconds, result.about)
    assert again.folder is None
    loaded = Comparison.load(result.save(tmp_path / "kept"))
    assert loaded.values == result.values
    with result.to_csv(tmp_path / "values.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (6 + 5 + 6)
    bicubic = [float(r["value"]) for r in rows if (r["column"], r["metric"]) == ("bicubic", "psnr")]
    assert bicubic == result.values["bicubic"]["psnr"]
    with pytest.raises(InputError, match="no finished comparison"):
        Comparison.load(tmp_path)
    with pytest.raises(InputError, match="not JSON"):
        Comparison.from_json("{")


def test_infinite_values_survive_in_valid_json(moving_frames) -> None:
    enlarged = [(p * 255).round().byte().permute(1, 2, 0).numpy() for p in _bicubic(moving_frames)]
    result = compare(None, moving_frames, reference=enlarged, metrics=("psnr",), against=("bicubic", "lanczos"))
    assert result.values["bicubic"]["psnr"] == [math.inf] * 6
    text = result.to_json()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert Comparison.from_json(text).values == result.values
    assert "∞" in str(result)
    assert result.best("psnr") == ["bicubic"]


@examples(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.lists(st.floats(allow_nan=False) | st.none(), max_size=5), max_size=4))
def test_encoding_is_undone(values) -> None:
    assert decode(json.loads(json.dumps(encode(values), allow_nan=False))) == values


def test_what_cannot_be_compared_is_refused_before_the_first_frame(tiny_pipe, moving_frames, truth) -> None:
    with pytest.raises(InputError, match=r"psnr need a reference"):
        compare(tiny_pipe, moving_frames, metrics=("psnr",))
    with pytest.raises(InputError, match="4 times as large as the clip, 128x96; it is 32x24"):
        compare(tiny_pipe, moving_frames, reference=moving_frames)
    with pytest.raises(SettingsError, match="the same"):
        compare(tiny_pipe, moving_frames, QUICK, QUICK)
    with pytest.raises(SettingsError, match="nothing to compare against"):
        compare(tiny_pipe, moving_frames, against=("nearest",))
    with pytest.raises(SettingsError, match="need a pipeline"):
        compare(None, moving_frames, QUICK)
    with pytest.raises(InputError, match="reference ends after 2 frames"):
        compare(None, moving_frames, reference=truth[:2])


@pytest.mark.parametrize(("how", "size"), [({"scale": 2}, (64, 48)), ({"height": 33}, (44, 33))])
def test_all_are_compared_at_a_smaller_size(tiny_pipe, moving_frames, truth, tmp_path, how, size) -> None:
    target = OutputSize(**how)
    small = [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in truth]
    against = ("bicubic", Recorded(np.stack(truth), "x4"), Recorded(np.stack(small), "small"))
    kept = tmp_path / "kept"
    result = compare(tiny_pipe, moving_frames, QUICK, reference=truth, against=against, size=target, resume=kept)
    assert result.picture_size == size
    assert min(value for value in result.values["small"]["psnr"] if value is not None) > 50  # rounding alone
    assert result.values["x4"]["psnr"] == [math.inf] * len(truth)
    expected = [target.apply(out.frame) for out in tiny_pipe.stream(moving_frames, QUICK)]
    kept = Folder(tmp_path / "kept")
    assert all(np.array_equal(kept.picture(0, k), unit_to_image(frame)) for k, frame in enumerate(expected))
    page = result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{size[0]}×{size[1]}" in page
    with pytest.raises(InputError, match=f"128x96, or {size[0]}x{size[1]}; it is 32x24"):
        compare(tiny_pipe, moving_frames, reference=moving_frames, size=target)


def test_clips_and_recordings_are_opened_as_asked(moving_frames, truth, tmp_path) -> None:
    for name, frames in (("lr", moving_frames), ("hr", truth)):
        (tmp_path / name).mkdir()
        for index, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / name / f"{index}.png")
    opened: list[Any] = []

    def open_with(source: Any) -> Any:
        opened.append(source)
        return open_clip(source)

    against = ("bicubic", tmp_path / "hr")
    compare(None, tmp_path / "lr", reference=tmp_path / "hr", against=against, open_with=open_with)
    assert sorted(opened) == [tmp_path / "hr", tmp_path / "hr", tmp_path / "lr"]


def test_a_column_may_have_any_name(moving_frames, truth, tmp_path) -> None:
    darker = [frame // 2 for frame in truth]

    def values(*names: str) -> list[dict[str, list[float | None]]]:
        columns = [Recorded(pictures, name) for pictures, name in zip((truth, darker), names, strict=True)]
        result = compare(None, moving_frames, reference=truth, metrics=("psnr", "flicker"), against=columns)
        result.report(tmp_path / "report.html")
        return list(result.values.values())

    assert values("reference", "lr") == values("a", "b")


def test_names_tell_what_varies(tiny_pipe, moving_frames) -> None:
    result = compare(
        tiny_pipe, moving_frames[:1], QUICK, QUICK.but(artg=0.5), QUICK.but(steps=2), metrics=("piqe",), against=()
    )
    assert result.columns == ["steps=1, artg=1", "steps=1, artg=0.5", "steps=2, artg=1"]


def test_the_flow_in_use_is_told_and_a_missing_one_stops_it_at_once(tiny_pipe, moving_frames, monkeypatch) -> None:
    result = compare(tiny_pipe, moving_frames[:1], QUICK, metrics=("piqe",), against=())
    assert result.about["columns"][0]["used flow"] == "dis"

    def offline(name: str, device: object) -> None:
        raise FlowError(f"the weights of {name} could not be loaded")

    monkeypatch.setattr("workbench.pipeline.motion.load_estimator", offline)
    done: list[int] = []
    with pytest.raises(FlowError, match="raft-small"):
        compare(tiny_pipe, moving_frames, QUICK.but(flow="raft-small"), metrics=("piqe",), on_frame=done.append)
    assert done == []


def test_wb_compare_is_the_function() -> None:
    assert wb.compare is compare


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_interpolation_keeps_flat_pictures_and_agrees_with_pillow(name, moving_frames) -> None:
    flat = np.full((16, 20, 3), 77, np.uint8)
    (picture,) = Interpolation(name).upscale([Frame(flat, 0)])
    assert picture.shape == (3, 64, 80)
    assert torch.allclose(picture * 255, torch.full_like(picture, 77.0), atol=1e-4)
    (picture,) = Interpolation(name).upscale([Frame(moving_frames[0], 0)])
    whole = np.asarray(Image.fromarray(moving_frames[0]).resize((128, 96), getattr(Image.Resampling, name.upper())))
    assert np.abs((picture * 255).round().permute(1, 2, 0).numpy() - whole).max() <= 2  # it rounds twice


def test_image_models_of_others_stand_in_the_table(moving_frames, tmp_path) -> None:
    """A tiny ESRGAN with random weights: spandrel recognises it, and it runs frame by frame."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    network = ESRGAN(num_filters=8, num_blocks=1, scale=4)
    for suffix, save in ((".safetensors", save_file), (".pth", torch.save)):
        path = tmp_path / f"tiny{suffix}"
        save(network.state_dict(), path)
        model = ImageModel(path)
        (picture,) = model.upscale([Frame(moving_frames[0], 0)])
        with torch.no_grad():
            expected = network.eval()(torch.from_numpy(moving_frames[0]).permute(2, 0, 1)[None] / 255)[0].clamp(0, 1)
        assert torch.allclose(picture, expected, atol=1e-5)
    result = compare(None, moving_frames[:2], metrics=("flicker",), against=("bicubic", tmp_path / "tiny.safetensors"))
    assert result.columns == ["bicubic", "tiny"]
    assert result.about["columns"][1]["architecture"] == "ESRGAN"


def test_a_video_made_elsewhere_stands_in_the_table(moving_frames, truth, tmp_path) -> None:
    with wb.ClipWriter(tmp_path / "theirs.mkv", fps=10) as writer:  # lossless
        for picture in truth:
            writer.write(picture)
    result = compare(
        None,
        moving_frames[:5],
        reference=truth,
        metrics=("psnr", "flicker"),
        against=("bicubic", tmp_path / "theirs.mkv"),
    )
    assert result.columns == ["bicubic", "theirs.mkv"]
    assert result.values["theirs.mkv"]["psnr"] == [math.inf] * 5
    assert all(math.isnan(s) for s in result.seconds["theirs.mkv"])
    again = Comparison.from_json(result.to_json())
    assert all(math.isnan(s) for s in again.seconds["theirs.mkv"])
    assert result.rows()[2][1] == "–"
    assert "nan" not in result.to_csv(tmp_path / "values.csv").read_text()


def test_a_recording_goes_on_at_the_frame_where_a_break_was(moving_frames, truth, tmp_path) -> None:
    columns = {"reference": truth, "metrics": ("psnr",), "resume": tmp_path}
    with pytest.raises(RuntimeError, match="lights"):
        compare(None, moving_frames, against=(Recorded(np.stack(truth), "theirs"), Broken(3)), **columns)
    result = compare(None, moving_frames, against=(Recorded(np.stack(truth), "theirs"), "bicubic"), **columns)
    assert result.values["theirs"]["psnr"] == [math.inf] * 6


def test_a_recording_that_does_not_fit_is_refused_before_the_first_frame(tiny_pipe, moving_frames, truth) -> None:
    clip = np.stack(moving_frames)
    done: list[int] = []
    with pytest.raises(InputError, match="theirs must be 4 times as large as the clip, 128x96; it is 32x24"):
        compare(tiny_pipe, clip, against=(Recorded(clip, "theirs"),), on_frame=done.append)
    with pytest.raises(InputError, match="theirs has 4 frames, the clip has 6"):
        compare(tiny_pipe, clip, against=(Recorded(np.stack(truth[:4]), "theirs"),), on_frame=done.append)
    assert done == []
    with pytest.raises(InputError, match="theirs ends after 4 frames"):
        compare(None, clip, metrics=("piqe",), against=(Recorded(iter(truth[:4]), "theirs"),))


def test_files_that_are_no_image_model_are_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="no image model at"):
        ImageModel(tmp_path / "missing.safetensors")
    (tmp_path / "broken.pth").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"broken\.pth is no image model"):
        upscaler(tmp_path / "broken.pth")
    save_file({"weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(ModelError, match=r"odd\.safetensors is no image model"):
        upscaler(tmp_path / "odd.safetensors")


def test_a_pickle_with_code_in_it_is_not_run(tmp_path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(ModelError):
        ImageModel(tmp_path / "bomb.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("value", "text"), [(31.2345, "31.23"), (0.81234, "0.8123"), (1.0, "1.000"), (2e-5, "2.00e-05"), (1234.5, "1234")]
)
def test_numbers_have_four_figures(value, text) -> None:
    assert significant(value) == text
    assert significant(value, sign=True) == "+" + text
    assert significant(0.0, sign=True) == "0"


def _bicubic(frames: list[np.ndarray]) -> Iterator[Tensor]:
    return Interpolation("bicubic").upscale([Frame(f, k) for k, f in enumerate(frames)])
