"""``workbench`` and ``python -m workbench``."""

from workbench.cli import main
from workbench.startup import leave, own_process


def run() -> None:
    own_process()
    leave(main())


if __name__ == "__main__":
    run()
