"""Makes what the web app shows before anybody has uploaded anything: a part of a sample, bicubic and upscaled.

python samples/make_example.py

To be run again whenever the embedded model changes; it takes about as long as upscaling three whole frames.
"""

from __future__ import annotations

import json
from pathlib import Path

import workbench as wb
from workbench.comparison.upscalers import Interpolation
from workbench.video import ClipWriter

HERE = Path(__file__).parent
TARGET = HERE.parent / "workbench" / "data" / "example"
CLIP, FRAMES = "forest-320x180.mp4", 18
LEFT, TOP, WIDTH, HEIGHT = 136, 84, 160, 90  # of the low-resolution frame: fur, grass and leaves, and something moves
CREDIT = "Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0"


def main() -> None:
    """Crops, upscales, writes the two videos and what they are."""
    source = wb.open_clip(HERE / CLIP)
    assert source.fps is not None
    part = wb.open_clip(
        [frame.image[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] for frame in source[:FRAMES]], fps=source.fps
    )
    pipe, settings = wb.load_pipeline(device="cpu"), wb.Settings()
    videos = {
        "bicubic.mp4": Interpolation("bicubic").upscale(part),
        "ours.mp4": (out.frame for out in pipe.stream(part, settings)),
    }
    TARGET.mkdir(exist_ok=True)
    for name, pictures in videos.items():
        with ClipWriter(TARGET / name, fps=source.fps, crf=18, overwrite=True) as writer:
            for picture in pictures:
                writer.write(picture)
    about = {
        "fps": source.fps,
        "frames": FRAMES,
        "width": 4 * WIDTH,
        "height": 4 * HEIGHT,
        "clip": f"samples/{CLIP}, {WIDTH}x{HEIGHT} pixels at ({LEFT}, {TOP})",
        "settings": settings.to_dict(),
        "model": pipe.models.source,
        "credit": CREDIT,
    }
    (TARGET / "example.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(TARGET)  # noqa: T201


if __name__ == "__main__":
    main()
