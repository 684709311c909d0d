"""``workbench COMMAND``: thin readers of the pipeline."""

from workbench.cli.main import main

__all__ = ["main"]
