"""`python -m locald.daemon`: become the daemon. `--foreground` keeps its log on the terminal too.

Its keeper is begun first: both take a moment to be imported, and do so side by side.
"""

from __future__ import annotations

import sys

from locald.daemon.early import begin_keeper

if __name__ == "__main__":
    keeper = begin_keeper()

    from locald.daemon.app import main

    sys.exit(main(sys.argv[1:], keeper))
