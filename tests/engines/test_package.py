"""A package of graphs makes the loop's frame without this project; the command line lists what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests.model_folders import use_hf_home
from tests.tiny import generative_models, tiny_models
from workbench.cli.main import main
from workbench.engines.cache import Cache
from workbench.engines.package import schedule, write_package
from workbench.errors import ModelError, OutputError
from workbench.models.save import save_models
from workbench.pipeline.pipeline import Pipeline
from workbench.pipeline.settings import Settings


@pytest.mark.parametrize("make", [tiny_models, generative_models])
def test_the_script_makes_the_first_frame(tmp_path, moving_frames, make):
    models, folder = make(), tmp_path / "graphs"
    write_package(models, (24, 32), folder, cache=Cache(tmp_path / "cache"))
    Image.fromarray(moving_frames[0]).save(tmp_path / "in.png")
    words = [sys.executable, "run.py", str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(words, cwd=folder, env=environment, check=True, timeout=120)
    channels = models.vae.config["latent_channels"]
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((channels, 24, 32), np.float32))
    wanted, _ = Pipeline(models).step(moving_frames[0], noise=lambda k: noise)
    found = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.abs(found.astype(int) - wanted.image).max() <= 1
    about = json.loads((folder / "model.json").read_text())
    assert about["graphs"]["unet"]["inputs"]["sample"] == [1, channels + 3, 24, 32]
    assert "`decode_first`" in (folder / "README.md").read_text()
    with pytest.raises(OutputError, match="not empty"):
        write_package(models, (24, 32), folder, cache=Cache(tmp_path / "cache"))


@pytest.mark.parametrize("predicts", ["v_prediction", "sample"])
def test_a_schedule_is_linear_or_refused(predicts):
    models = tiny_models()
    models.scheduler_config["prediction_type"] = predicts
    latent, prediction, lr = torch.randn(3, 1, 4, 8, 8)
    scheduler = models.schedule(3)
    for (t, a, b, c, d), timestep in zip(schedule(models, 3), scheduler.timesteps, strict=True):
        wanted = scheduler.step(prediction, timestep, latent, return_dict=False)[0]  # type: ignore[arg-type]
        assert int(timestep) == t
        assert torch.allclose(a * latent + b * prediction, wanted, atol=1e-5)
        knows = c * latent + d * lr
        x0 = scheduler.step(knows, timestep, latent, return_dict=False)[1]  # type: ignore[arg-type]
        assert torch.allclose(x0, lr, atol=1e-4)
    models.scheduler_config["clip_sample"] = True
    with pytest.raises(ModelError, match="clips"):
        schedule(models, 3)


def test_export_and_engines_from_the_command_line(tmp_path, monkeypatch, capsys):
    use_hf_home(monkeypatch, tmp_path / "hf")
    save_models(tiny_models(), tmp_path / "model")
    words = ["export", str(tmp_path / "model"), "-o", str(tmp_path / "graphs")]
    assert main([*words, "--size", "18x16"]) == 2
    assert main([*words, "--size", "16x16", "--steps", "2"]) == 0
    assert main(["engines", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert listed["engines"]["onnxruntime"] == ""
    assert len(listed["graphs"]) == 6
    assert main(["engines"]) == 0
    assert "unet-16x16" in capsys.readouterr().out
    assert main(["engines", "--clear"]) == 0
    assert Cache().entries() == []
    assert Settings(steps=2).steps == len(json.loads((tmp_path / "graphs" / "model.json").read_text())["schedule"])
