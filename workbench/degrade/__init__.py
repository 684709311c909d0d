"""What happens to pictures before they are upscaled: made smaller, blurred, noisy, compressed.

``resize``: high resolution -> a quarter of it, and lazily for a clip. ``codecs``: frames through a codec and back.
``damage``: blur, sensor noise and JPEG. ``random_chain``: Real-ESRGAN's. ``chain``: all of these by name.
"""

from workbench.degrade.chain import DAMAGES, REALESRGAN, Chain, Kind, damaged, degraded, parse
from workbench.degrade.codecs import CODECS, Codec, compressed
from workbench.degrade.damage import blurred, jpeg, noisy
from workbench.degrade.random_chain import realesrgan
from workbench.degrade.resize import (
    DEGRADATIONS,
    area,
    bicubic,
    blur_down,
    cropped,
    matlab,
    region,
)

__all__ = [
    "CODECS",
    "DAMAGES",
    "DEGRADATIONS",
    "REALESRGAN",
    "Chain",
    "Codec",
    "Kind",
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
