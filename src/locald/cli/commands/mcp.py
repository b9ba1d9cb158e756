"""`locald mcp`: a server of the Model Context Protocol (MCP) for the project of this folder.

What speaks the protocol is an extra that not everybody installs, and takes a second to import; so only this
command looks for it.
"""

from __future__ import annotations

import shlex
import sys

from locald.cli.shared import checking
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Serve the Model Context Protocol (MCP) on standard input and output, for a coding agent
that works in this folder. Its tools are the commands up, stop, restart, exec, wait,
status, why, timeline, logs and config check of this project. Ends with standard input.
"""
LIBRARIES = ("mcp", "mcp_types", "anyio")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("mcp", description=ABOUT)
    parser.add_argument("--read-only", action="store_true", help="offer only tools that change nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        from locald.mcp.server import serve
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in LIBRARIES:
            raise
        raise Refused(Problem("mcp needs a library that is not installed", hint=_remedy())) from None
    serve(args.directory, checking.look, read_only=args.read_only)
    return 0


def _remedy() -> str:
    """For the interpreter that runs this, which need not have pip."""
    from importlib.util import find_spec

    python = shlex.quote(sys.executable)
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"run `{pip} 'mcp>=2.3,<3'`"
