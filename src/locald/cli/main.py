"""The `locald` command: find the command's module, read its arguments, turn what happens into an exit code.

Only the module of the command in question is imported, so `locald status` starts as fast as a status
must. `index` knows of each command its module and one line of help; everything else is in `cli/commands/`,
which adds its parser (`add`) and says which function runs it.

No traceback ever: what a command raises is one of the few cases in `_run`, and anything else is an
internal error, shown as one line. `LOCALD_DEBUG=1` shows the traceback instead.

Exit codes: 0 done; 1 a service failed; 2 usage or configuration; 3 the daemon cannot be reached or
failed; 4 exported with losses; 124 a timeout ran out; 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from importlib import import_module

from locald.cli import plain
from locald.cli.index import MODULES
from locald.cli.shared import say
from locald.client import patience
from locald.client.http import Denied, Unanswered, Unreachable
from locald.client.patience import OutOfTime
from locald.domain.values import duration
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from locald.cli.plain import Given

DYING = 3.0
"""seconds that a daemon which was killed may take until it lets nobody connect any more"""
PAUSES = (0.05, 0.5)
"""seconds before each further attempt, for the kernel takes connections for a killed daemon until its last
descriptor is closed, which can be after that of its lock"""
OF_OUTPUT = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What writing to standard output can run into"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; only `--help` and `--version` leave by SystemExit."""
    patience.say[0] = say.note
    _open_streams()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:  # also behind `--help`, which leaves on its own
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()  # the reader had enough: `locald logs | head`
        return 0
    except OSError as error:
        _forget_stdout()
        say.error(
            f"cannot write to standard output: {error.strerror or error}",
            "free some disk space, or write somewhere else",
        )
        return 3


def _run(arguments: Sequence[str]) -> int:
    try:
        return _carry_out(_read(arguments))
    except Refused as refused:
        return _fail(arguments, refused.problems, 2)
    except Denied as denied:
        return _fail(arguments, denied.problems, denied.exit)
    except Unreachable as unreachable:
        return _fail(arguments, [unreachable.problem], 3)
    except OutOfTime as late:
        what = f"timed out after {duration.show(late.after)}: the daemon has not answered yet"
        return _fail(arguments, [Problem(what)], 124)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_OUTPUT and error.filename is None:
            raise
        return _fail(arguments, [_internal(error)], 3)


def _fail(arguments: Sequence[str], problems: Sequence[Problem], code: int) -> int:
    """Say what went wrong, also as a document where one was asked for. Returns the exit code."""
    say.problems(problems)
    if "--json" in arguments:
        from locald.cli.shared import failed

        if failed.is_wanted(arguments):
            failed.tell(problems, code)
    return code


def _read(arguments: Sequence[str]) -> argparse.Namespace | Given:
    """What is asked for, with `run`: the function to call with it."""
    if found := plain.read(arguments):
        command, given = found
        module = import_module(f"locald.cli.commands.{MODULES[command]}")
        given.run = module.run  # type: ignore[attr-defined]
        return given
    from locald.cli import command_line  # argparse, and all that comes with it

    return command_line.parse(arguments)


def _carry_out(args: argparse.Namespace | Given) -> int:
    """Carry out the command; again, with another daemon, when this one ended before it had answered.

    A command sets a desired state, so it may be sent twice, and nothing is printed before an answer.
    """
    for pause in PAUSES:
        try:
            return _run_command(args)
        except Unanswered:
            _await_end(pause)
    return _run_command(args)


def _run_command(args: argparse.Namespace | Given) -> int:
    code: int = args.run(args)  # type: ignore[union-attr]
    return code


def _await_end(pause: float) -> None:
    from locald.client import daemon  # rarely needed, and it costs a few ms
    from locald.wire.home import Home

    daemon.await_end(Home.find(), DYING)
    time.sleep(pause)


def _open_streams() -> None:
    """Standard streams may be closed, or speak a narrower encoding than our text."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # for as long as we live
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter would complain as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _internal(error: Exception) -> Problem:
    if os.environ.get("LOCALD_DEBUG"):
        raise error
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Problem(f"internal: {what}", hint="set LOCALD_DEBUG=1 for a traceback")
