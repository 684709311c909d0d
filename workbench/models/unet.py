"""diffusers' UNet, which can also be run in part: its deep features change little from one timestep to the next.

The method is DeepCache (Ma, Fang, Wang, 2024, https://arxiv.org/abs/2312.00858), cut below the first level.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from workbench.models import networks


class UNet2DConditionModel(networks.UNet2DConditionModel):
    """(h, w) is the first level's grid, C its width, and D the width of what the second level gives to it."""

    @property
    def outer_residuals(self) -> int:
        """How many of ARTG's residuals go to the first level."""
        return 1 + len(self.down_blocks[0].resnets)  # type: ignore[arg-type]

    @property
    def deep_shape(self) -> tuple[int, int]:
        """(C, D)."""
        widths = self.config["block_out_channels"]
        return widths[0], widths[min(1, len(widths) - 1)]

    def with_deep(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """As a call: the prediction; and the deep features (B, D, h, w), which the last block has made it from."""
        kept: list[Tensor] = []
        last = copy.copy(self.up_blocks[-1])

        def keep(hidden_states: Tensor, **more: Any) -> Tensor:
            kept.append(hidden_states)
            return type(last).forward(last, hidden_states, **more)

        last.forward = keep  # type: ignore[method-assign]
        network = _changed(self, up_blocks=nn.ModuleList([*self.up_blocks[:-1], last]))
        return network(*args, **kwargs)[0], kept[0]

    def outer(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        deep: Tensor,
        residuals: Sequence[Tensor] = (),
    ) -> Tensor:
        """The prediction by the first level alone, from ``deep`` features of another timestep.

        ``residuals``: ARTG's for this level, (B, C, h, w) each; none is zero. It is a UNet of one level whose middle
        gives nothing of its own: what is added to the middle are the deep features.
        """
        first = _changed(self.down_blocks[0], downsamplers=None)
        network = _changed(
            self, down_blocks=nn.ModuleList([first]), mid_block=_Nothing(), up_blocks=nn.ModuleList(self.up_blocks[-1:])
        )
        return network(
            sample,
            timestep,
            encoder_hidden_states=encoder_hidden_states,
            down_block_additional_residuals=residuals or [sample.new_zeros(())] * self.outer_residuals,
            mid_block_additional_residual=deep,
            return_dict=False,
        )[0]


class _Nothing(nn.Module):
    def forward(self, sample: Tensor, *_: Any) -> Tensor:
        return sample.new_zeros(())


def _changed(network: nn.Module, **modules: nn.Module | None) -> nn.Module:
    """The same module with some of its children replaced; the others, hooks and weights are shared."""
    other = copy.copy(network)
    other._modules = cast(Any, network._modules | modules)
    return other
