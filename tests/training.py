"""A recipe small enough to train in seconds, and a folder of material made on the spot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.train.recipe import Architecture, Material, Recipe, SceneMaterial, Stage

ARCHITECTURE = Architecture(
    unet={
        "in_channels": 7,
        "out_channels": 4,
        "block_out_channels": [12, 12],
        "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "DownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["UpBlock2D", "UpBlock2D"],
        "cross_attention_dim": 8,
        "attention_head_dim": 2,
        "norm_num_groups": 1,
    },
    vae={
        "encoder_block_out_channels": [4, 6, 8],
        "decoder_block_out_channels": [8, 6, 4],
        "num_encoder_blocks": [0, 1, 1],
        "num_decoder_blocks": [1, 1, 0],
        "scaling_factor": 12.0,
    },
    controlnet={"conditioning_embedding_out_channels": [6, 6, 8]},
    scheduler={
        "beta_schedule": "scaled_linear",
        "beta_start": 1e-8,
        "beta_end": 1e-3,
        "prediction_type": "sample",
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
        "clip_sample": False,
    },
    prompt={"tokens": 2, "width": 8},
    properties={"warp": "exact", "flow": "dis", "flow_size": "input", "channels_last": True},
)

RECIPE = Recipe(
    model=ARCHITECTURE,
    stages=(
        Stage(name="single frame", iterations=3, batch=2, patch=16, scenes=0.5),
        Stage(name="rollouts", iterations=3, batch=1, patch=16, frames=2, steps=2),
    ),
    data=Material(),
    scenes=SceneMaterial(scenes=2, frames=2, side=32),
    warmup=2,
    checkpoint_every=1,
    evaluate_every=3,
)


def write_recipe(file: Path) -> Path:
    """``RECIPE`` as a TOML file; JSON's lists, words, numbers and booleans are TOML's."""

    def lines(table: dict[str, object]) -> str:
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())

    parts = ("unet", "vae", "controlnet", "scheduler", "prompt", "properties")
    text = lines({name: getattr(RECIPE, name) for name in ("warmup", "checkpoint_every", "evaluate_every")})
    text += "".join(f"[model.{part}]\n{lines(getattr(ARCHITECTURE, part))}" for part in parts)
    text += f"[scenes]\n{lines(asdict(RECIPE.scenes))}"
    text += "".join(f"[[stages]]\n{lines(asdict(stage))}" for stage in RECIPE.stages)
    file.write_text(text, encoding="utf-8")
    return file


def write_photos(folder: Path, count: int = 2, side: int = 320) -> Path:
    """Smooth random pictures with edges: enough for flow to be seen."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for k in range(count):
        coarse = random.integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"photo-{k}.png")
    return folder
