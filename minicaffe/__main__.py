"""`python -m minicaffe VERB ...` is `minicaffe VERB ...`, also where no script of that name is on the path."""

from __future__ import annotations

import sys

from minicaffe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
