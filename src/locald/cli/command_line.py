"""A command line as argparse reads it: all options, help, and what is wrong with it.

Only the module of the command in question is imported. What is plain is read without all this, see `plain`.
"""

from __future__ import annotations

import argparse
import os
import sys

from locald.cli.index import AS_OPTIONS, COMMANDS, MODULES
from locald.cli.shared import say
from locald.domain.values import digits
from locald.domain.values.problem import Refused
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from _typeshed import SupportsWrite

HELP = ("--help", "-h")
WITHOUT_PROJECT = {"try", "server", "dashboard", "doctor", "ping", "instances", "proxy"}
DIRECTORY_HELP = "project folder (default: the nearest one upward with a locald.toml)"


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
    columns = digits.number(os.environ.get("COLUMNS", ""), sys.maxsize) or 0
    columns = columns or (say.width(sys.stdout) if say.is_terminal(sys.stdout) else 80)
    return argparse.RawDescriptionHelpFormatter(prog, width=columns - 2)


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
