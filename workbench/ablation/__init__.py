"""Which part earns its cost: the embedded model with one setting changed at a time, measured on the shipped samples."""

from workbench.ablation.study import VARIANTS, Study, Variant, committed, effect, effects, shipped

__all__ = ["VARIANTS", "Study", "Variant", "committed", "effect", "effects", "shipped"]
