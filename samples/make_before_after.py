"""Makes the README's picture: bicubic, the embedded model and the original, side by side.

python samples/make_before_after.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import workbench as wb

HERE = Path(__file__).parent
CLIP, FRAME = "forest", 8
LEFT, TOP, WIDTH, HEIGHT = 560, 200, 360, 360  # of the 1280x720 frame
BAR = 34


def main() -> None:
    """Runs the clip up to the frame, crops, labels, saves."""
    low, high = (wb.open_clip(HERE / f"{CLIP}-{size}.mp4") for size in ("320x180", "1280x720"))
    *_, last = wb.load_pipeline().stream(low[: FRAME + 1])
    source = Image.fromarray(low[FRAME].image)
    panels = {
        "bicubic x4": source.resize((4 * source.width, 4 * source.height), Image.Resampling.BICUBIC),
        "embedded model x4": Image.fromarray(last.image),
        "original": Image.fromarray(np.asarray(high[FRAME])),
    }
    sheet = Image.new("RGB", (WIDTH * len(panels) + 4 * (len(panels) - 1), HEIGHT + BAR), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for k, (label, picture) in enumerate(panels.items()):
        x = k * (WIDTH + 4)
        sheet.paste(picture.crop((LEFT, TOP, LEFT + WIDTH, TOP + HEIGHT)), (x, BAR))
        draw.text((x + WIDTH / 2, BAR / 2), label, fill="black", font=font, anchor="mm")
    target = HERE / "screenshots" / "before_after.png"
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, optimize=True)
    print(target)  # noqa: T201


if __name__ == "__main__":
    main()
