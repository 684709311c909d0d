"""Is it better, and at what cost: several upscalers over the same frames."""

from workbench.comparison.comparison import Comparison
from workbench.comparison.evaluation import Evaluation, evaluate
from workbench.comparison.numbers import Summary
from workbench.comparison.peers import PEERS, Peer
from workbench.comparison.run import compare
from workbench.comparison.upscalers import ImageModel, Interpolation, PipelineUpscaler, Recorded, Upscaler, upscaler

__all__ = [
    "PEERS",
    "Comparison",
    "Evaluation",
    "ImageModel",
    "Interpolation",
    "Peer",
    "PipelineUpscaler",
    "Recorded",
    "Summary",
    "Upscaler",
    "compare",
    "evaluate",
    "upscaler",
]
