"""`python -m locald.daemon`: become the daemon. `--foreground` keeps its log on the terminal too."""

from __future__ import annotations

import sys

from locald.daemon.app import main

sys.exit(main(sys.argv[1:]))
