"""Variables in a compose file: `$NAME`, `${NAME}` and what may stand behind the name.

    ${NAME:-text}  ${NAME-text}    the text where NAME is not set (or, with the colon, empty)
    ${NAME:?text}  ${NAME?text}    refused where it is not set
    ${NAME:+text}  ${NAME+text}    the text where it is set
    $$                             a dollar sign, as is one that begins none of these

Texts may hold variables themselves. locald fills variables in `env` alone, so there they stay variables, and
everywhere else they are filled in once and for all. Source: the Compose specification, "Interpolation".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.project import template
from locald.domain.values.faults import Bad

if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_DEEPEST = 20


class Hole(Struct, frozen=True):
    """One variable of a text."""

    name: str
    operator: str = ""
    rest: tuple[Part, ...] = ()


Part = str | Hole


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a text. Raises Bad."""
    parts, at = _parse(text, 0, "", 0)
    return parts if at == len(text) else ()


def _parse(text: str, at: int, end: str, depth: int) -> tuple[tuple[Part, ...], int]:
    """Up to the brace that ends the text, or to its very end. Braces within it come in pairs."""
    parts: list[Part] = []
    begin, within = at, 0
    if depth > _DEEPEST:
        raise Bad("variables are nested too deep")
    while at < len(text) and (within or text[at] != (end or None)):
        if text[at] != "$":
            within += {"{": 1, "}": -1}.get(text[at], 0) if end else 0
            at += 1
            continue
        parts.append(text[begin:at])
        part, at = _hole(text, at, depth)
        parts.append(part)
        begin = at
    if end and at >= len(text):
        raise Bad('"${" without a closing "}"')
    parts.append(text[begin:at])
    return tuple(part for part in parts if part != ""), at


def _hole(text: str, at: int, depth: int) -> tuple[Part, int]:
    if text.startswith("$$", at):
        return "$", at + 2
    if found := _NAME.match(text, at + 1):
        return Hole(found[0]), found.end()
    if not text.startswith("${", at):
        return "$", at + 1
    found = _NAME.match(text, at + 2)
    if not found:
        raise Bad(f'"{text[at : at + 12]}" is not a variable: write $$ for a dollar sign')
    operator = next((each for each in _OPERATORS if text.startswith(each, found.end())), "")
    rest, end = _parse(text, found.end() + len(operator), "}", depth + 1)
    if not operator and rest:
        raise Bad(f'"${{{found[0]}…}}" is not a variable')
    return Hole(found[0], operator, rest), end + 1


def names(text: str) -> list[str]:
    """The variables that a text needs to be filled in."""
    return _names(parse(text))


def _names(parts: tuple[Part, ...]) -> list[str]:
    holes = [part for part in parts if isinstance(part, Hole)]
    return [name for hole in holes for name in (hole.name, *_names(hole.rest))]


def fill(text: str, lookup: Lookup) -> str:
    """The text with every variable put in; one that is not set is empty. Raises Bad."""
    return _fill(parse(text), lookup)


def _fill(parts: tuple[Part, ...], lookup: Lookup) -> str:
    return "".join(part if isinstance(part, str) else _value(part, lookup) for part in parts)


def _value(hole: Hole, lookup: Lookup) -> str:
    value = lookup(hole.name)
    is_set = value is not None and (value != "" or not hole.operator.startswith(":"))
    match hole.operator[-1:]:
        case "-":
            return value or "" if is_set else _fill(hole.rest, lookup)
        case "+":
            return _fill(hole.rest, lookup) if is_set else ""
        case "?" if not is_set:
            why = _fill(hole.rest, lookup)
            raise Bad(f"{hole.name} is not set{f': {why}' if why else ''}")
        case _:
            return value or ""


def as_template(text: str, lookup: Lookup) -> tuple[str, bool]:
    """The text as `env` of locald.toml has it, and whether that is exactly what compose means. Raises Bad."""
    shown = [_template(part, lookup) for part in _joined(parse(text))]
    return "".join(each for each, _ in shown), all(exact for _, exact in shown)


def _joined(parts: tuple[Part, ...]) -> list[Part]:
    """With texts that stand next to each other as one: only so is it seen where they begin a `${`."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return found


def _template(part: Part, lookup: Lookup) -> tuple[str, bool]:
    if isinstance(part, str):
        return template.literal(part), True
    if part.operator in (":?", "?"):
        return f"${{{part.name}}}", part.operator == "?"
    rest = "".join(each for each in part.rest if isinstance(each, str))
    is_plain = rest == "".join(map(str, part.rest)) and not re.search(r"[{}]", rest)
    if part.operator in (":-", "-") and is_plain:
        return f"${{{part.name}:-{rest}}}", part.operator == ":-"
    if part.operator:
        return template.literal(_value(part, lookup)), False
    return (f"${{{part.name}}}", True) if lookup(part.name) is not None else (f"${{{part.name}:-}}", True)
