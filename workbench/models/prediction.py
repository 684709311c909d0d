"""What a UNet's prediction says of the clean latent, and what it has to say where that is known.

Shapes: B batch, L latent channels, h, w LR. ``kept``: cumulative alphas of the timesteps, which broadcast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.models.autoencoder import COLOURS
from workbench.models.models import Models


def with_colours(models: Models, prediction: Tensor, lr: Tensor, latent: Tensor, kept: Tensor) -> Tensor:
    """The prediction (B, L, h, w) from ``latent``, such that x0's colours are the LR frame's, where that is the model's
    property. ``kept``: the cumulative alpha of its timestep."""
    if models.properties.colours != "lr":
        return prediction
    said = lr if models.predicts == "sample" else (kept.sqrt() * latent[:, :COLOURS] - lr) / (1 - kept).sqrt()
    return torch.cat([said, prediction[:, COLOURS:]], dim=1)


def settled(models: Models, latent: Tensor, lr: Tensor) -> Tensor:
    """The last latent (B, L, h, w) with the LR frame's colours, where that is the model's property: exactly, where a
    velocity says them within float rounding."""
    return torch.cat([lr, latent[:, COLOURS:]], dim=1) if models.properties.colours == "lr" else latent


def clean(models: Models, prediction: Tensor, latent: Tensor, kept: Tensor) -> Tensor:
    """x0 (B, L, h, w), as the prediction from ``latent`` says it; ``kept``: the cumulative alpha of its timestep."""
    return prediction if models.predicts == "sample" else kept.sqrt() * latent - (1 - kept).sqrt() * prediction
