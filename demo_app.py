"""The web app: ``python demo_app.py``, then open the address it prints. ``--help`` tells the options."""

import sys

from workbench.app.serve import main

if __name__ == "__main__":
    sys.exit(main())
