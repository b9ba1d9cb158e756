"""The `locald` command: find the command's module, read its arguments, turn what happens into an exit code.

Only the module of the command in question is imported, so `locald status` starts as fast as a status
must. The table here knows of each command its module and one line of help; everything else is in
`cli/commands/`, which adds its parser (`add`) and says which function runs it.

No traceback ever: what a command raises is one of the few cases in `_run`, and anything else is an
internal error, shown as one line. `LOCALD_DEBUG=1` shows the traceback instead.

Exit codes: 0 done; 1 a service failed; 2 usage or configuration; 3 the daemon cannot be reached or
failed; 4 exported with losses; 124 a timeout ran out; 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time

from locald.cli.shared import say
from locald.client import patience
from locald.client.http import Denied, Unanswered, Unreachable
from locald.client.patience import OutOfTime
from locald.domain.values import duration
from locald.domain.values.problem import Problem, Refused
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from _typeshed import SupportsWrite

COMMANDS = {
    "Run services": {
        "up": ("up", "start services and their dependencies, wait until all are healthy"),
        "stop": ("stop", "stop services, dependents first"),
        "restart": ("restart", "stop and start services, while their dependents keep running"),
        "down": ("down", "stop all services of the project and forget it"),
        "attach": ("attach", "type at the terminal of a service, see what it prints"),
        "exec": ("exec", "run a command in the environment of a service"),
        "try": ("try_", "run a command with a free PORT, without a project"),
    },
    "Inspect services": {
        "status": ("status", "show the services, their state and health"),
        "wait": ("wait", "wait until services are healthy"),
        "why": ("why", "explain why a service is not ready, or how readiness was determined"),
        "timeline": ("timeline", "show the last start: durations, waits, critical path"),
        "logs": ("logs", "print the output of services"),
        "instances": ("instances", "list the folders of all projects, and what runs in each"),
        "monitor": ("monitor", "show everything live in the terminal, with keys to act"),
        "mcp": ("mcp", "serve a coding agent: these commands as its tools"),
        "dashboard": ("dashboard", "open the dashboard in the browser, signed in"),
        "open": ("open", "open a service in the browser"),
    },
    "Configure a project": {
        "init": ("init", "write a locald.toml for this folder"),
        "export": ("export", "write the project for another engine, and tell what gets lost"),
        "config": ("config", "check, show or describe locald.toml"),
    },
    "Manage locald": {
        "server": ("server", "start, stop, restart or show the daemon"),
        "proxy": ("proxy", "show the proxy, trust its certificates"),
        "doctor": ("doctor", "check this machine and show how to fix problems"),
        "ping": ("ping", "check whether the daemon answers"),
        "completion": ("completion", "print a shell completion script"),
    },
}
"""By group: the name of each command, its module in this package, and what it does."""
MODULES = {name: module for group in COMMANDS.values() for name, (module, _) in group.items()}
AS_OPTIONS = {"help": "--help", "version": "--version"}
"""Words that other tools have as commands: `locald help up` is `locald up --help`."""


HELP = ("--help", "-h")
WITHOUT_PROJECT = {"try", "server", "dashboard", "doctor", "ping", "instances", "proxy"}
DIRECTORY_HELP = "project folder (default: the nearest one upward with a locald.toml)"


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
        self._actions[0].help = "show this help and exit"

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Help that cannot be written is a problem like any other, which argparse would pass over."""
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        from locald.cli.shared import mistakes  # as everywhere here: only who makes one waits for it

        raise Refused(mistakes.told(self, message))


def _formatter(prog: str) -> argparse.HelpFormatter:
    """One is made for each argument of a command, only to look at it. Left to itself it would import `shutil`
    to find out how wide the terminal is, which takes longer than to read the command line."""
    told = os.environ.get("COLUMNS", "")
    columns = int(told) if told.isdecimal() else 0
    columns = columns or (say.width(sys.stdout) if say.is_terminal(sys.stdout) else 80)
    return argparse.RawDescriptionHelpFormatter(prog, width=columns - 2)


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
        return _carry_out(parse(arguments))
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
    if (asked := _asks_for_help(arguments)) is not None:
        return parse(asked)
    top = _top()
    args, misplaced = top.parse_known_args(arguments)
    if misplaced:
        from locald.cli.shared import mistakes

        raise Refused(mistakes.misplaced(top, arguments, misplaced, MODULES, _works))
    if args.command in AS_OPTIONS:
        return parse([*args.rest, AS_OPTIONS[args.command]])
    if not args.command:
        top.print_help(sys.stderr)
        raise SystemExit(2)
    return _parse_command(args, arguments)


def _asks_for_help(arguments: Sequence[str]) -> list[str] | None:
    """`locald --help up` asks for the help of `up`: the command line that gives it, else None."""
    place = next((place for place, word in enumerate(arguments) if word in MODULES), 0)
    before = [word for word in arguments[:place] if word not in HELP]
    if len(before) == place:
        return None
    return [*before, arguments[place], HELP[0], *arguments[place + 1 :]]


def _parse_command(args: argparse.Namespace, arguments: Sequence[str]) -> argparse.Namespace:
    """What stands behind the command, by the parser of that command."""
    if args.command not in MODULES:
        from locald.cli.shared import mistakes

        place = len(arguments) - len(args.rest) - 1
        raise Refused(mistakes.unknown_command(arguments, place, MODULES, _works))
    parser = parser_of(args.command)
    found, unknown = _reader(parser, args.rest)(args.rest, argparse.Namespace(directory=args.directory))
    if unknown:
        from locald.cli.shared import mistakes

        raise Refused(mistakes.unknown(parser, arguments, unknown, _works))
    return found


def _reader(parser: Parser, words: Sequence[str]) -> Callable[..., tuple[argparse.Namespace, list[str]]]:
    """How to read the words: options may stand between services (`up web -d api`), but not where the rest
    belongs to another program. Without options it makes no difference, and the plain way is faster."""
    is_plain = not any(word.startswith("-") for word in words)
    if is_plain or any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in parser._actions):
        return parser.parse_known_args
    return parser.parse_known_intermixed_args


def _works(arguments: Sequence[str]) -> bool:
    """Whether the command line can be read. Help, which parsing would show, always can."""
    if {"-h", "--help", "--version"}.intersection(arguments):
        return True
    try:
        parse(arguments)
    except (Refused, SystemExit):
        return False
    return True


def parser_of(command: str) -> Parser:
    """The parser of one command, from its module."""
    from importlib import import_module

    commands = Parser(prog="locald").add_subparsers(prog="locald")  # else it formats a help to find it
    import_module(f"locald.cli.commands.{MODULES[command]}").add(commands)
    parser: Parser = commands.choices[command]
    _add_directory(parser, argparse.SUPPRESS if command in WITHOUT_PROJECT else DIRECTORY_HELP)
    return parser


def _top() -> Parser:
    parser = Parser(
        prog="locald",
        usage="locald [-C DIR] COMMAND …",
        description="Run a project's services in order, and know when each one is ready.",
        epilog=_listed_commands(),
    )
    parser.add_argument("-C", dest="directory", metavar="DIR", help=DIRECTORY_HELP)
    parser.add_argument(
        "--version", action="version", version=f"locald {__version__}", help="show the version and exit"
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
        "Run `locald COMMAND --help` for details. A service is `web` in its project, `shop:web` anywhere."
    )
    return "\n".join(lines)


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
