"""The `locald` command, also as `python -m locald`.

It takes a moment until the command line is imported, and Ctrl-C in that moment would show a traceback. So
until then it ends the process as it ends any other.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # else it is ignored, and stays so
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from locald.cli.main import main

    signal.signal(signal.SIGINT, usual)
    return main()


if __name__ == "__main__":
    sys.exit(main())
