"""Controls for a notebook: look through a trace, or try settings on a short window. They need ipywidgets only."""

from workbench.views.widgets.ablate import Ablation, ablate
from workbench.views.widgets.explore import Explorer, explore

__all__ = ["Ablation", "Explorer", "ablate", "explore"]
