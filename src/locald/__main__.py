"""The `locald` command, also as `python -m locald`.

It takes a moment until the command line is imported, and Ctrl-C in that moment would show a traceback. So
until then it ends the process as it ends any other; `signal` itself is imported with it, for it takes a
moment too, so its module in C is asked. And at the end Python does not tidy up what the system
tidies up anyway, which would take a tenth of the time of a `locald status`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    usual = _signal.getsignal(_signal.SIGINT)
    if usual is _signal.default_int_handler:  # else it is ignored, and stays so
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from locald.cli.main import main

    _signal.signal(_signal.SIGINT, usual)
    code = main()
    try:
        sys.stderr.flush()
    except OSError:  # nobody reads it any more
        pass
    os._exit(code)


if __name__ == "__main__":
    main()
