"""What happens to pictures before they are upscaled: made smaller, blurred, noisy, compressed.

A quarter of the size (``DEGRADATIONS``), codecs and back (``CODECS``), blur, sensor noise, JPEG, Real-ESRGAN's chain by
chance; and all of these by name (``degraded``).
"""

from workbench.degrade._codecs import CODECS, compressed
from workbench.degrade._damage import blurred, jpeg, noisy
from workbench.degrade._random_chain import realesrgan
from workbench.degrade._resize import (
    DEGRADATIONS,
    area,
    bicubic,
    blur_down,
    cropped,
    matlab,
    region,
)
from workbench.degrade.chain import DAMAGES, damaged, degraded, parse

__all__ = [
    "CODECS",
    "DAMAGES",
    "DEGRADATIONS",
    "area",
    "bicubic",
    "blur_down",
    "blurred",
    "compressed",
    "cropped",
    "damaged",
    "degraded",
    "jpeg",
    "matlab",
    "noisy",
    "parse",
    "realesrgan",
    "region",
]
