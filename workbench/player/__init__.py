"""The player that the app, the reports and the notebooks show: plain JavaScript, one idea a file, no build step."""

from __future__ import annotations

from importlib.resources import files

FILES = (
    "clock.js",
    "camera.js",
    "pixels.js",
    "motion.js",
    "side.js",
    "twins.js",
    "views.js",
    "magnifier.js",
    "hands.js",
    "divider.js",
    "address.js",
    "keys.js",
    "style.js",
    "player.js",
    "curves.js",
    "blind.js",
)


def script() -> str:
    """Every file, in order: one module script. It fetches nothing."""
    return "\n".join(files(__name__).joinpath(name).read_text(encoding="utf-8") for name in FILES)
