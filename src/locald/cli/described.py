"""The whole command line as data, read off the parsers: for completion scripts and the reference page.

This is the one place that imports every command.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from locald.cli.command_line import parser_of
from locald.cli.index import COMMANDS


class Option(NamedTuple):
    """`flags` as they are typed; `value` is what follows them, or empty."""

    flags: tuple[str, ...]
    value: str
    help: str
    choices: tuple[str, ...] = ()
    """what it may be, where only some words are possible"""


class Command(NamedTuple):
    """A command, or the action of a command (`server start`)."""

    name: str
    group: str
    help: str
    usage: str
    about: str
    arguments: tuple[Option, ...]
    """positional ones: `value` is their name, `flags` is empty"""
    options: tuple[Option, ...]
    actions: tuple[Command, ...]

    @property
    def takes_services(self) -> bool:
        return self._takes("SERVICE")

    @property
    def takes_projects(self) -> bool:
        return self._takes("PROJECT")

    def _takes(self, what: str) -> bool:
        return any(argument.value == what for argument in self.arguments)


def commands() -> list[Command]:
    """Every command in the order of the help."""
    return [
        _command(name, group, text, parser_of(name))
        for group, members in COMMANDS.items()
        for name, (_, text) in members.items()
    ]


def _command(name: str, group: str, text: str, parser: argparse.ArgumentParser) -> Command:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    texts = {choice.dest: choice.help or "" for action in nested for choice in action._choices_actions}
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return Command(
        name=name,
        group=group,
        help=text,
        usage=" ".join(parser.format_usage().removeprefix("usage: ").split()),
        about=parser.description or "",
        arguments=tuple(_option(a) for a in shown if not a.option_strings and a not in nested),
        options=tuple(_option(a) for a in shown if a.option_strings),
        actions=tuple(
            _command(each, group, texts.get(each, ""), child)
            for action in nested
            for each, child in action.choices.items()
        ),
    )


def _option(action: argparse.Action) -> Option:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    return Option(tuple(action.option_strings), value, action.help or "", tuple(action.choices or ()))
