"""The `locald` command: find the command's module, read its arguments, turn what happens into an exit code.

Only the module of the command in question is imported, so `locald status` starts as fast as a status
must. The table here knows of each command its module and one line of help; everything else is in
`cli/commands/`, which adds its parser (`add`) and says which function runs it.

No traceback ever: what a command raises is one of the few cases in `_run`, and anything else is an
internal error, shown as one line. `LOCALD_DEBUG=1` shows the traceback instead.

Exit codes: 0 done; 1 a service failed; 2 usage or configuration; 3 the daemon cannot be reached or
failed; 124 a timeout ran out; 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time

from locald.cli.shared import say
from locald.client.http import Denied, Unanswered, Unreachable
from locald.domain.values.problem import Problem, Refused
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from _typeshed import SupportsWrite

COMMANDS = {
    "Run services": {
        "up": ("up", "start services and what they depend on, and wait until all are healthy"),
        "stop": ("stop", "stop services, dependents first"),
        "restart": ("restart", "stop, then start services; their dependents keep running"),
        "down": ("down", "stop all services of the project and forget it"),
        "exec": ("exec", "run a one-off command in the environment of a service"),
        "try": ("try_", "run a command with a free PORT, without a project"),
    },
    "See what is going on": {
        "status": ("status", "show the services and how they are"),
        "wait": ("wait", "wait until services are healthy"),
        "why": ("why", "explain why a service is not ready, or what its health rests on"),
        "timeline": ("timeline", "show how the last start went, and what it waited for"),
        "logs": ("logs", "print what services wrote"),
        "monitor": ("monitor", "show all of this live on a screen, with keys to act"),
        "dashboard": ("dashboard", "open all of this in the browser, signed in"),
    },
    "Describe a project": {
        "init": ("init", "write a locald.toml for this folder"),
        "config": ("config", "check, show or describe locald.toml"),
    },
    "Look after locald": {
        "server": ("server", "start, stop, restart or show the daemon"),
        "doctor": ("doctor", "check this machine, and say how to mend what is wrong"),
        "ping": ("ping", "ask whether the daemon is alive"),
        "completion": ("completion", "print the completion script of a shell"),
    },
}
"""By group: the name of each command, its module in this package, and what it does."""


WITHOUT_PROJECT = {"try", "server", "dashboard", "doctor", "ping"}
DIRECTORY_HELP = "the project's folder, in place of the nearest one upward with a locald.toml"


DYING = 3.0
"""seconds that a daemon which was killed may take until it lets nobody connect any more"""
PAUSES = (0.05, 0.5)
"""seconds before each further attempt, for the kernel takes connections for a killed daemon until its last
descriptor is closed, which can be after that of its lock"""
OF_OUTPUT = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What writing to standard output can run into"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments as every other problem is said."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", _formatter)
        super().__init__(allow_abbrev=False, **options)
        self._positionals.title = "arguments"
        self._actions[0].help = "show this help"

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Help that cannot be written is a problem like any other, which argparse would pass over."""
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        near = _near(unknown, self._option_string_actions) if unknown != message else ""
        hint = f"did you mean `{near}`?" if near else f"`{self.prog} --help` shows how"
        raise Refused(Problem(message, hint=hint))


def _formatter(prog: str) -> argparse.HelpFormatter:
    """One is made for each argument of a command, only to look at it. Left to itself it would import `shutil`
    to find out how wide the terminal is, which takes longer than to read the command line."""
    told = os.environ.get("COLUMNS", "")
    columns = int(told) if told.isdecimal() else 0
    columns = columns or (say.width(sys.stdout) if say.is_terminal(sys.stdout) else 80)
    return argparse.RawDescriptionHelpFormatter(prog, width=columns - 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; only `--help` and `--version` leave by SystemExit."""
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
            f"cannot write to standard output: {error.strerror or error}", "is there room where it goes?"
        )
        return 3


def _run(arguments: Sequence[str]) -> int:
    try:
        return _carry_out(parse(arguments))
    except Refused as refused:
        say.problems(refused.problems)
        return 2
    except Denied as denied:
        say.problems(denied.problems)
        return denied.exit
    except Unreachable as unreachable:
        say.problems([unreachable.problem])
        return 3
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_OUTPUT and error.filename is None:
            raise
        return _internal(error)


def _carry_out(args: argparse.Namespace) -> int:
    """Carry out the command; again, with another daemon, when this one ended before it had answered.

    A command sets a desired state, so it may be sent twice, and nothing is printed before an answer.
    """
    for pause in PAUSES:
        try:
            return _run_command(args)
        except Unanswered:
            _await_end(pause)
    return _run_command(args)


def _run_command(args: argparse.Namespace) -> int:
    code: int = args.run(args)
    return code


def _await_end(pause: float) -> None:
    from locald.client import daemon  # rarely needed, and it costs a few ms
    from locald.wire.home import Home

    daemon.await_end(Home.find(), DYING)
    time.sleep(pause)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line, with `run`: the function to call with them."""
    top = _top()
    args = top.parse_args(arguments)
    if not args.command:
        top.print_help(sys.stderr)
        raise SystemExit(2)
    parser = parser_of(args.command)
    base = argparse.Namespace(directory=args.directory)
    is_plain = not any(word.startswith("-") for word in args.rest)  # then it makes no difference
    if is_plain or any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in parser._actions):
        return parser.parse_args(args.rest, base)
    return parser.parse_intermixed_args(args.rest, base)  # `up web -d api`


def parser_of(command: str) -> Parser:
    """The parser of one command, from its module. Refused when there is no such command."""
    modules = {name: module for group in COMMANDS.values() for name, (module, _) in group.items()}
    if command not in modules:
        near = _near(command, modules)
        hint = f"did you mean `locald {near}`?" if near else "`locald --help` lists the commands"
        raise Refused(Problem(f"there is no command `{command}`", hint=hint))
    from importlib import import_module

    commands = Parser(prog="locald").add_subparsers(prog="locald")  # else it formats a help to find it
    import_module(f"locald.cli.commands.{modules[command]}").add(commands)
    parser: Parser = commands.choices[command]
    _add_directory(parser, argparse.SUPPRESS if command in WITHOUT_PROJECT else DIRECTORY_HELP)
    return parser


def _top() -> Parser:
    parser = Parser(
        prog="locald",
        usage="locald [-C DIR] COMMAND …",
        description="Runs a developer's services in order, and knows when each is really ready.",
        epilog=_listed_commands(),
    )
    parser.add_argument("-C", dest="directory", metavar="DIR", help=DIRECTORY_HELP)
    parser.add_argument(
        "--version", action="version", version=f"locald {__version__}", help="show the version"
    )
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _add_directory(parser: argparse.ArgumentParser, text: str) -> None:
    """`-C DIR` is understood before and after the command, and after a command of a command."""
    if "-C" not in parser._option_string_actions:
        parser.add_argument("-C", dest="directory", metavar="DIR", default=argparse.SUPPRESS, help=text)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                _add_directory(nested, text)


def _listed_commands() -> str:
    lines = []
    for title, group in COMMANDS.items():
        lines += [f"{title}:", *(f"  {name:<12}{text}" for name, (_, text) in group.items()), ""]
    lines.append(
        "`locald COMMAND --help` tells more. A service is `web` in its project, `shop:web` from anywhere."
    )
    return "\n".join(lines)


def _near(word: str, allowed: Any) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(allowed), n=1)), "")


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


def _internal(error: Exception) -> int:
    if os.environ.get("LOCALD_DEBUG"):
        raise error
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    say.error(f"internal: {what}", "`LOCALD_DEBUG=1` shows where; the daemon's own log is `logs/daemon.log`")
    return 3
