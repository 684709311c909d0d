"""The Space, rehearsed: a checkout that nobody installed, read-only, run by a stranger in a shared temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from gradio_client import Client, handle_file

from tests.app_server import ROOT, AppServer, free_port, tiny_clip, until

pytestmark = [pytest.mark.xdist_group("app"), pytest.mark.timeout(300)]
NOBODY = 65534
READS = "+dac_read_search"  # a stranger may read this Python, wherever it lies; nothing more
WITHOUT_METADATA = """
import importlib.metadata as metadata

found = metadata.Distribution.from_name.__func__

def from_name(cls, name):
    if name.replace("_", "-") == "stream-diffvsr-workbench":
        raise metadata.PackageNotFoundError(name)
    return found(cls, name)

metadata.Distribution.from_name = classmethod(from_name)
"""


def stranger() -> list[str]:
    """What starts a program as another user, where this one may do so; as this user otherwise."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    words += [f"--inh-caps={READS}", f"--ambient-caps={READS}", "--"]
    return words if subprocess.run([*words, sys.executable, "-c", ""], capture_output=True).returncode == 0 else []


class Space(AppServer):
    """Started as a Space starts it, with a temporary folder in which somebody else has made Gradio's."""

    def start(self, *more: str) -> None:
        self.port = free_port()
        hidden, home, temporary = (self.folder / name for name in ("hidden", "home", "temporary"))
        for folder in (hidden, home, temporary, temporary / "gradio"):
            folder.mkdir(parents=True)
        (hidden / "sitecustomize.py").write_text(WITHOUT_METADATA)
        tree = self.folder / "app"
        tree.mkdir()
        for name in ("workbench", "samples", "demo_app.py", "README.md", "requirements.txt"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
            copy(ROOT / name, tree / name)
        for folder, mode in ((home, 0o777), (temporary, 0o1777), (temporary / "gradio", 0o555)):
            folder.chmod(mode)
        for path in [tree, *tree.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        left_out = ("GRADIO_TEMP_DIR", "XDG_STATE_HOME")
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        environment |= {
            "PYTHONPATH": str(hidden),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PORT": str(self.port),
            "SPACE_ID": "somebody/stream-diffvsr",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*stranger(), sys.executable, "demo_app.py"], stdout=log, stderr=log, env=environment, cwd=tree
            )
        until(self._answers, lambda: self.log.read_text(errors="replace"))


def test_a_job_goes_to_its_end_on_a_space(tmp_path):
    clip = tiny_clip(tmp_path / "my clip.mp4", 2)
    space = Space(tmp_path / "space")
    space.folder.mkdir()
    try:
        space.start()
        client = Client(space.url, verbose=False, analytics_enabled=False)
        token = client.predict(handle_file(clip), settings={"steps": 1}, api_name="/submit")
        space.wait(token, lambda status: status["state"] == "done")
        files = {file["label"]: file for file in client.predict(token, api_name="/result")}
        assert files["video"]["name"] == "my clip_x4.mp4"
        assert len(space.http.get(files["video"]["url"]).content) == files["video"]["size"]
        assert "workbench" in space.http.get(files["sidecar"]["url"]).json()["versions"]
    finally:
        space.close()
    assert "Traceback" not in space.log.read_text(errors="replace")
