"""Which files count as uploads: those that Gradio's own upload route has put into its folder."""

from __future__ import annotations

from pathlib import Path

from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from workbench.app.errors import RequestError


def uploaded(file: object) -> tuple[Path, str]:
    """Where Gradio put a file that came by its upload route, and its own name; RequestError for any other path.

    Gradio checks no paths of its bare endpoints, so a caller could name any file of this machine.
    """
    about = file if isinstance(file, dict) else file.model_dump() if isinstance(file, FileData) else {}
    folder = Path(get_upload_folder()).resolve()
    path = Path(str(about.get("path", ""))).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise RequestError("a clip must be uploaded: give it as gradio_client's handle_file(PATH).")
    return path, str(about.get("orig_name") or path.name)
