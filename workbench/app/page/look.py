"""Theme, style sheet and scripts of the page."""

from __future__ import annotations

from importlib.resources import files

from gradio.themes import Base
from gradio.themes.utils import colors, sizes

from workbench.player import script

SCRIPTS = (
    "app/assets/style.js",
    "app/assets/results.js",
    "app/assets/job.js",
    "app/assets/jobs.js",
    "app/assets/clip.js",
    "app/assets/webcam.js",
    "app/assets/live.js",
)
WORDS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")
BLUE = colors.Color(
    "#eef4ff",
    "#dbe7ff",
    "#bcd3ff",
    "#9cc1ff",
    "#7fb0ff",
    "#3f7fe8",
    "#1f5fd0",
    "#194fae",
    "#143f8b",
    "#102f68",
    "#0b2350",
    name="workbench",
)
GREY = colors.Color(
    "#f6f6f4",
    "#eeefec",
    "#e2e3e0",
    "#c9cbc9",
    "#9aa2b1",
    "#6f7684",
    "#5b616e",
    "#3a404b",
    "#2a2f38",
    "#181b21",
    "#101216",
    name="workbench_grey",
)


def head() -> str:
    """One module script with all custom elements; nothing is fetched from elsewhere."""
    own = (files("workbench").joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    text = "\n".join((script(), *own))
    return f'<script type="module">\n{text}</script>'


def css() -> str:
    return files("workbench").joinpath("app/assets/page.css").read_text(encoding="utf-8")


def theme() -> Base:
    """Calm: the system's own typeface, one blue, hairlines instead of shadows. Light and dark."""
    base = Base(
        primary_hue=BLUE, secondary_hue=BLUE, neutral_hue=GREY, font=WORDS, font_mono=MONO, radius_size=sizes.radius_md
    )
    return base.set(
        body_background_fill="#f6f6f4",
        body_background_fill_dark="#101216",
        body_text_color="#16181d",
        body_text_color_dark="#eceef2",
        body_text_color_subdued="#5b616e",
        block_title_text_color="#3a404b",
        block_title_text_color_dark="#c9cbc9",
        block_label_text_color="#3a404b",
        block_label_text_color_dark="#c9cbc9",
        block_info_text_color="#5b616e",
        block_info_text_color_dark="#9aa2b1",
        checkbox_label_text_color="#16181d",
        checkbox_label_text_color_dark="#eceef2",
        body_text_color_subdued_dark="#9aa2b1",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#181b21",
        background_fill_secondary="#f6f6f4",
        background_fill_secondary_dark="#101216",
        block_background_fill="#ffffff",
        block_background_fill_dark="#181b21",
        block_border_color="#e2e3e0",
        block_border_color_dark="#2a2f38",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        border_color_primary="#e2e3e0",
        border_color_primary_dark="#2a2f38",
        input_background_fill="#ffffff",
        input_background_fill_dark="#101216",
        input_border_width="1px",
        input_border_color="#d5d7d3",
        input_border_color_dark="#343a45",
        button_primary_background_fill="#1f5fd0",
        button_primary_background_fill_hover="#194fae",
        button_primary_background_fill_dark="#7fb0ff",
        button_primary_background_fill_hover_dark="#9cc1ff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#10131a",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#181b21",
        button_secondary_border_color="#d5d7d3",
        button_secondary_border_color_dark="#343a45",
        button_secondary_background_fill_hover="#eeefec",
        button_secondary_background_fill_hover_dark="#22262e",
        button_border_width="1px",
    )
