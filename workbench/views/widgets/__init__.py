"""Controls for a notebook: look through a trace, try settings on a short window, or
watch a camera upscaled. They need ipywidgets only."""

from workbench.views.widgets.ablate import Ablation, ablate
from workbench.views.widgets.explore import Explorer, explore
from workbench.views.widgets.live import Live, live

__all__ = ["Ablation", "Explorer", "Live", "ablate", "explore", "live"]
