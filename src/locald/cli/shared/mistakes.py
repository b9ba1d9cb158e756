"""What is wrong with a command line, in locald's words, and the command that works.

Imported only when something is wrong. argparse knows what that is but tells it in words of its own, as one
string: `told` takes it apart. What is not known here (a command, an option, one argument too many) is
compared with what is, and with the words of other tools. A whole command that is offered has been parsed
before (`works`), so that it does what it says when it is pasted.
"""

from __future__ import annotations

import argparse
import re
import shlex
from difflib import get_close_matches

from locald.cli.shared import synonyms
from locald.domain.values.problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Works = Callable[[Sequence[str]], bool]

EXAMPLES = {"D": "30s", "N": "20", "RE": "error", "DIR": ".", "NAME": "shop", "SHELL": "bash"}
"""A value by the name that help gives to it."""
BEGINNING = 3
"""letters of a word that is taken for the beginning of another"""
LIST_SERVICES = "run `locald status` to list the services"
LIST_COMMANDS = "run `locald --help` to list the commands"


def unknown_command(arguments: Sequence[str], place: int, commands: Iterable[str], works: Works) -> Problem:
    """There is no command like the word at this place of the command line."""
    word, rest = arguments[place], arguments[place + 1 :]
    meant = synonyms.COMMANDS.get(word) or _joined(word, works) or near(word.lower(), commands)
    if not meant:
        return Problem(f"unknown command: {word}", hint=LIST_COMMANDS)
    what = f"unknown command: {word} (did you mean {meant}?)"
    if "SERVICE" in meant and not rest:
        return Problem(what, hint=f"for example `locald {meant.replace('SERVICE', 'web')}`")
    if "SERVICE" in meant:
        meant, rest = meant.replace("SERVICE", shlex.quote(rest[0])), rest[1:]
    begun = [*arguments[:place], *shlex.split(meant)]
    hint = _run([*begun, *rest], works) or _run(begun, works) or _usage(f"locald {meant}")
    return Problem(what, hint=hint)


def _joined(word: str, works: Works) -> str:
    """Of `config-check` the command and its action, where there are such."""
    command, _, action = word.partition("-")
    return f"{command} {action}" if action and works([command, action]) else ""


def misplaced(
    top: argparse.ArgumentParser,
    arguments: Sequence[str],
    options: Sequence[str],
    commands: Iterable[str],
    works: Works,
) -> Problem:
    """Options stand before the command, where only -C may."""
    places = [place for place, word in enumerate(arguments) if word in set(commands)]
    for place in places:
        moved = [arguments[place], *arguments[:place], *arguments[place + 1 :]]
        if hint := _run(moved, works):
            return Problem(f"{options[0]} goes after the command", hint=hint)
    if places:
        return Problem(f"unknown option: {options[0]}", hint=_usage(f"locald {arguments[places[-1]]}"))
    return unknown(top, arguments, options, works)


def unknown(
    parser: argparse.ArgumentParser, arguments: Sequence[str], left: Sequence[str], works: Works
) -> Problem:
    """The parser had no use for the words that are `left` of the command line."""
    options = [word for word in left if word.startswith("-")]
    if not options:
        return _unexpected(parser, arguments, left, works)
    flags, name = _flags(parser), options[0].partition("=")[0]
    meant = _meant(name, flags)
    question = f" (did you mean {meant}?)" if meant else ""
    corrected = list(arguments)
    is_clear = all(_correct(corrected, word, parser, flags) for word in options)
    hint = _run(corrected, works) if is_clear else ""
    return Problem(f"unknown option: {name}{question}", hint=hint or _usage(parser.prog))


def _unexpected(
    parser: argparse.ArgumentParser, arguments: Sequence[str], left: Sequence[str], works: Works
) -> Problem:
    kept = list(reversed(arguments))
    for word in reversed(left):
        kept.remove(word)
    what = f"unexpected argument{'' if len(left) == 1 else 's'}: {' '.join(left)}"
    return Problem(what, hint=_run(kept[::-1], works) or _usage(parser.prog))


def _meant(name: str, flags: dict[str, argparse.Action]) -> str:
    return synonyms.option(name, flags) or near(name, flags)


def _correct(
    arguments: list[str], word: str, parser: argparse.ArgumentParser, flags: dict[str, argparse.Action]
) -> bool:
    """Write what is meant in place of the word. Whether that is clear."""
    place = arguments.index(word)
    name, _, value = word.partition("=")
    if name.lstrip("-") in synonyms.IMPLIED.get(_name(parser), ()):
        del arguments[place]
        return True
    meant = _meant(name, flags)
    if not meant:
        return False
    arguments[place : place + 1] = [meant, value] if value and flags[meant].nargs != 0 else [meant]
    if meant == "--json" and arguments[place + 1 : place + 2] == ["json"]:  # `-o json`
        del arguments[place + 1]
    return True


def told(parser: argparse.ArgumentParser, message: str) -> Problem:
    """What argparse says, said by us."""
    for pattern, tell in SENTENCES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return tell(parser, *found.groups())
    return Problem(f"{_name(parser)}: wrong arguments", hint=_usage(parser.prog))


def _missing(parser: argparse.ArgumentParser, names: str) -> Problem:
    """The first of those that are missing, for the others cannot be given without it."""
    name = names.split(", ")[0]
    if actions := _nested(parser):
        return Problem(f"{_name(parser)} needs an action", hint=f"add one of {', '.join(actions)}")
    hint = LIST_SERVICES if name == "SERVICE" else _example(parser, name)
    return Problem(f"{_name(parser)} needs a {name.lower()}", hint=hint)


def _without_value(parser: argparse.ArgumentParser, name: str) -> Problem:
    return Problem(f"{_shown(name)} needs a value", hint=_example(parser, name))


def _needless_value(parser: argparse.ArgumentParser, name: str, value: str) -> Problem:
    return Problem(f"{_shown(name)} takes no value: {value}", hint=f"write just `{_shown(name)}`")


def _exclusive(parser: argparse.ArgumentParser, name: str, other: str) -> Problem:
    return Problem(f"{_shown(name)} cannot be combined with {_shown(other)}", hint="use one of them")


def _ambiguous(parser: argparse.ArgumentParser, word: str, matches: str) -> Problem:
    return Problem(f"unclear option: {word}", hint=f"write one of {matches}")


def _no_choice(parser: argparse.ArgumentParser, name: str, word: str) -> Problem:
    actions = _nested(parser)
    kind = "action" if actions else name
    if meant := near(word.lower(), actions):
        hint = f"run `{parser.prog} {meant}`"
        return Problem(f"unknown {kind}: {word} (did you mean {meant}?)", hint=hint)
    known = actions or _choices(parser, name)
    hint = f"use one of {', '.join(known)}" if known else _usage(parser.prog)
    return Problem(f"unknown {kind}: {word}", hint=hint)


def _choices(parser: argparse.ArgumentParser, name: str) -> list[str]:
    """What an option or an argument of this name may be, where that is a closed list."""
    called = (name, *name.split("/"))
    found = [each for each in parser._actions if each.metavar in called or {*each.option_strings} & {*called}]
    return [str(choice) for each in found for choice in each.choices or ()]


def _no_value_of_a_type(parser: argparse.ArgumentParser, name: str, value: str) -> Problem:
    return Problem(f"not a valid value: {value}", _shown(name), _example(parser, name))


def _our_own(parser: argparse.ArgumentParser, name: str, what: str) -> Problem:
    """A sentence of the function that reads this argument."""
    return Problem(what, _shown(name) if name.startswith("-") else "", _example(parser, name))


SENTENCES = (
    (r"the following arguments are required: (.*)", _missing),
    (r"argument (\S+): expected .*arguments?", _without_value),
    (r"argument (\S+): ignored explicit argument '(.*)'", _needless_value),
    (r"argument (\S+): not allowed with argument (\S+)", _exclusive),
    (r"argument (\S+): invalid choice: '(.*)' \(choose from .*\)", _no_choice),
    (r"argument (\S+): invalid \S+ value: '(.*)'", _no_value_of_a_type),
    (r"ambiguous option: (\S+) could match (.*)", _ambiguous),
    (r"argument (\S+): (.*)", _our_own),
)
"""By the pattern of argparse's sentence: who tells it. The last is no sentence of argparse's."""


def near(word: str, known: Iterable[str]) -> str:
    """What the word is the beginning or a misspelling of, or nothing."""
    known = list(known)
    longer = [each for each in known if each.startswith(word)] if len(word) >= BEGINNING else []
    if len(longer) == 1:
        return longer[0]
    return next(iter(get_close_matches(word, known, n=1)), "")


def _run(arguments: Sequence[str], works: Works) -> str:
    """A hint with this command, if it works."""
    return f"run `{shlex.join(['locald', *arguments])}`" if works(arguments) else ""


def _usage(command: str) -> str:
    return f"run `{command} --help` for usage"


def _example(parser: argparse.ArgumentParser, name: str) -> str:
    """How an option or an argument is given, by the name that argparse has for it."""
    for action in parser._actions:
        title = str(action.metavar or action.dest.upper())
        if name == ("/".join(action.option_strings) or title) and title in EXAMPLES:
            begun = _shown(name) if action.option_strings else parser.prog
            return f"for example `{begun} {EXAMPLES[title]}`"
    return _usage(parser.prog)


def _shown(name: str) -> str:
    """One of the flags that argparse names: `-f/--follow`."""
    return name.rpartition("/")[2]


def _name(parser: argparse.ArgumentParser) -> str:
    """The command without the program."""
    return parser.prog.removeprefix("locald ")


def _nested(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: child for action in found for name, child in action.choices.items()}


def _flags(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a command and of its actions."""
    every = [parser, *_nested(parser).values()]
    return {flag: action for each in every for flag, action in each._option_string_actions.items()}
