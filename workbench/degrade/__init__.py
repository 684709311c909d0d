"""What happens to pictures before they are upscaled: made smaller, blurred, noisy, compressed.

``resize``: high resolution -> a quarter of it, and lazily for a clip. ``codecs``: frames through a codec and back.
``damage``: blur, sensor noise and JPEG.
"""

from workbench.degrade.codecs import CODECS, Codec, compressed
from workbench.degrade.damage import blurred, jpeg, noisy
from workbench.degrade.resize import (
    DEGRADATIONS,
    area,
    bicubic,
    blur_down,
    cropped,
    degraded,
    matlab,
    region,
)

__all__ = [
    "CODECS",
    "DEGRADATIONS",
    "Codec",
    "area",
    "bicubic",
    "blur_down",
    "blurred",
    "compressed",
    "cropped",
    "degraded",
    "jpeg",
    "matlab",
    "noisy",
    "region",
]
