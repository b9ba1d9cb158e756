"""The `locald` command, also as `python -m locald`.

It takes a moment until the command line is imported, and Ctrl-C in that moment would show a traceback. So
until then it ends the process as it ends any other. And at the end Python does not tidy up what the system
tidies up anyway, which would take a tenth of the time of a `locald status`.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # else it is ignored, and stays so
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from locald.cli.main import main

    signal.signal(signal.SIGINT, usual)
    code = main()
    try:
        sys.stderr.flush()
    except OSError:  # nobody reads it any more
        pass
    os._exit(code)


if __name__ == "__main__":
    main()
