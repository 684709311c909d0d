"""The app's page: what people see and press. It calls ``workbench.app.service`` only, and knows no tensors.

``build(service)`` makes the Blocks; ``LAUNCH`` holds what ``Blocks.launch`` needs for it to look right.
"""

from workbench.app.page.look import css, head, theme
from workbench.app.page.page import build

LAUNCH = {"theme": theme(), "css": css(), "head": head()}

__all__ = ["LAUNCH", "build"]
