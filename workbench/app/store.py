"""The folders of uploads and jobs. No name that a person gave ever becomes part of a path.

materials/TOKEN/{source.EXT or source/000000.EXT ..., material.json}
jobs/TOKEN/{request.json, status.json, lock, stop, log, public/...}
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.app.errors import NotFound, RequestError
from workbench.app.request import Request, check_token
from workbench.app.status import Status
from workbench.app.values import Probe
from workbench.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES

PICTURES = ("poster", "strip")  # small pictures of an upload
PUBLIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class Material:
    """An upload."""

    path: Path
    """The file, or a folder of frames."""
    name: str
    """What its owner calls it, for display only."""
    size: int
    created: float
    files: list[str] = field(default_factory=list)
    """What its owner calls each of its files, in their order."""


class Store:
    """``root`` is made, for this user only. Every method is safe to call from several threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self._materials, self._jobs = self.root / "materials", self.root / "jobs"
        for folder in (self.root, self._materials, self._jobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def private(self) -> tuple[Path, ...]:
        """Folders from which files are given by this store's own rules only."""
        return self._materials, self._jobs

    # materials

    def add_material(self, files: Sequence[Path], name: str, called: Sequence[str] | None = None) -> str:
        """Copies one video or image, or several images in the order given. Raises RequestError for other kinds.

        ``name``: of the clip; ``called``: of each file, where that is not its own name.
        """
        names = [_shown(name)] if len(files) == 1 else [_shown(own) for own in called or [file.name for file in files]]
        suffixes = [file.suffix.lower() for file in files]
        allowed = VIDEO_SUFFIXES | IMAGE_SUFFIXES if len(files) == 1 else IMAGE_SUFFIXES
        for own, suffix in zip(names, suffixes, strict=True):
            if suffix not in allowed:
                needed = "several files must all be images" if len(files) > 1 else "a video or an image is needed"
                usual = ".png, .jpg or .webp" if len(files) > 1 else ".mp4, .mkv, .mov, .webm, .gif, .png or .jpg"
                raise RequestError(f"{own}: {needed}, such as {usual}.")
        if not files:
            raise RequestError("nothing was uploaded: choose a video, an image, or several images.")
        token = secrets.token_urlsafe(16)
        folder = self._materials / token
        partial = self._materials / f".{token}"
        partial.mkdir(mode=0o700)
        try:
            if len(files) == 1:
                path = partial / f"source{suffixes[0]}"
                shutil.copyfile(files[0], path)
            else:
                path = partial / "source"
                path.mkdir()
                for index, (file, suffix) in enumerate(zip(files, suffixes, strict=True)):
                    shutil.copyfile(file, path / f"{index:06d}{suffix}")
            size = sum(file.stat().st_size for file in files)
            about = Material(folder / path.name, _shown(name), size, time.time(), names)
            _write(partial / "material.json", {**asdict(about), "path": path.name})
            os.replace(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return token

    def material(self, token: str) -> Material:
        """Raises NotFound where there is none (any more)."""
        folder = self._materials / check_token(token)
        try:
            about = json.loads((folder / "material.json").read_text(encoding="utf-8"))
        except OSError:
            raise NotFound(
                "that upload is not here any more: uploads are deleted after a while. Upload again."
            ) from None
        return Material(**{**about, "path": folder / about["path"]})

    def facts(self, token: str) -> Probe | None:
        """What was found out about an upload, if it was looked at."""
        file = self._materials / check_token(token) / "probe.json"
        try:
            return Probe.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, token: str, facts: Probe) -> None:
        _write(self._materials / check_token(token) / "probe.json", facts.to_dict())

    def picture(self, token: str, name: str) -> Path:
        """Where a small picture of an upload lies once it was made; ``name``: one of ``PICTURES``."""
        return self.material(token).path.parent / f"{name}.jpg"

    # jobs

    def add_vote(self, token: str, vote: dict[str, Any]) -> list[dict[str, Any]]:
        """Keeps one answer of a blind test beside the job -> all that are kept. The caller lets one in at a time."""
        path = self._jobs / check_token(token) / "votes.json"
        votes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        _write(path, [*votes, vote])
        return [*votes, vote]

    def add_job(self, request: Request) -> str:
        token = secrets.token_urlsafe(16)
        folder, partial = self._jobs / token, self._jobs / f".{token}"
        partial.mkdir(mode=0o700)
        (partial / "public").mkdir()
        (partial / "request.json").write_text(request.to_json(), encoding="utf-8")
        now = time.time()
        status = Status(
            kind=request.kind,
            clip=self.material(request.source).name if request.source else "",
            source=request.source,
            asked=request.in_words(),
            settings=request.settings.to_dict(),
            created=now,
            updated=now,
        )
        status.write(partial / "status.json")
        os.replace(partial, folder)
        return token

    def folder(self, token: str) -> Path:
        """A job's folder; NotFound where there is none (any more)."""
        folder = self._jobs / check_token(token)
        if not (folder / "request.json").is_file():
            raise NotFound("that job is not here (any more): jobs are deleted after a while. Start a new one.")
        return folder

    def request(self, token: str) -> Request:
        return Request.from_json((self.folder(token) / "request.json").read_text(encoding="utf-8"))

    def status(self, token: str) -> Status:
        return Status.read(self.folder(token) / "status.json")

    def say(self, token: str, **changes: object) -> Status:
        """Changes a job's status; only for jobs that no worker holds, else two would write at once."""
        status = self.status(token).but(**changes, updated=time.time())
        status.write(self.folder(token) / "status.json")
        return status

    def public_file(self, token: str, name: str) -> Path:
        """A file that may be seen; NotFound for every other name."""
        path = self.folder(token) / "public" / name if PUBLIC_NAME.fullmatch(name) else None
        if path is None or path.is_symlink() or not path.is_file():
            raise NotFound("this job has no such file.")
        return path

    def remove_job(self, token: str) -> None:
        shutil.rmtree(self.folder(token))

    def restarts(self, token: str, *, add: bool) -> int:
        """How many servers ended while this job ran; ``add``: one more did."""
        file = self.folder(token) / "restarts"
        count = int(file.read_text(encoding="ascii")) if file.is_file() else 0
        if add:
            count += 1
            file.write_text(str(count), encoding="ascii")
        return count

    def forget_past(self, token: str) -> None:
        """A person wants the job to go on: it was not asked to stop, and its servers' ends do not count any more."""
        for name in ("stop", "restarts"):
            (self.folder(token) / name).unlink(missing_ok=True)

    def stop_flag(self, token: str) -> Path:
        """The worker ends after its frame while this file is there."""
        return self.folder(token) / "stop"

    def jobs(self) -> Iterator[str]:
        """Tokens of all jobs, the oldest first."""
        tokens = [entry.name for entry in self._jobs.iterdir() if not entry.name.startswith(".")]
        created = {token: self._status_or_none(token) for token in tokens}
        yield from sorted((t for t in tokens if created[t]), key=lambda t: created[t].created)  # type: ignore[union-attr]

    def unfinished(self) -> list[str]:
        """Jobs that wait, run, or were interrupted, the oldest first: what a server that starts has to go on with."""
        return [token for token in self.jobs() if self.status(token).state in ("waiting", "running", "interrupted")]

    def sweep(self, keep_seconds: float) -> int:
        """Deletes jobs that ended, and uploads that no job needs, so long ago -> how many; never one that runs."""
        before = time.time() - keep_seconds
        gone, needed = 0, set()
        for token in list(self.jobs()):
            status = self._status_or_none(token)
            if status is not None and status.final and status.updated < before:
                shutil.rmtree(self._jobs / token, ignore_errors=True)
                gone += 1
            elif status is not None:
                request = self.request(token)
                needed |= {request.source, *request.materials}
        for entry in self._materials.iterdir():
            if entry.name not in needed and entry.stat().st_mtime < before:
                shutil.rmtree(entry, ignore_errors=True)
                gone += 1
        for entry in self._jobs.glob(".*"):  # left by a server that ended while it made one
            if entry.stat().st_mtime < before:
                shutil.rmtree(entry, ignore_errors=True)
        return gone

    def _status_or_none(self, token: str) -> Status | None:
        try:
            return Status.read(self._jobs / token / "status.json")
        except (OSError, ValueError):
            return None


def _shown(name: str) -> str:
    """A file's name, short and printable."""
    plain = "".join(letter for letter in Path(name.replace("\\", "/")).name if letter.isprintable())
    return plain if len(plain) <= 80 else plain[:60] + "..." + plain[-16:]


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, default=str), encoding="utf-8")
