"""`${…}` in the values of `env` and in `command`: what may be written, and what it stands for.

    ${services.NAME.port}   ${services.NAME.host}   ${services.NAME.url}   of a service of this file
    ${services.NAME.https_url}   its address by name, by way of the proxy
    ${locald.ca}            the file with the certificate of the proxy's authority
    ${VAR}                  a variable of the caller's environment; not set is an error
    ${VAR:-default}         the default where VAR is not set or empty
    $${                     stands for ${ itself

Any other dollar sign is just a dollar sign, so that passwords and patterns can be written as they are.
A command knows those of services and of locald only: every other `${…}` in it is left to the shell that
runs it.
A text is parsed once into its parts; what they stand for is asked of a `Lookup` when the text is filled.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from locald.domain.values.faults import Bad, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FACTS = ("port", "host", "url", "https_url")
OWN_FACTS = ("ca",)
_URLS = ("url", "https_url")

_FORMS = "write ${services.NAME.port}, ${services.NAME.host}, ${services.NAME.url}, ${VAR} or ${VAR:-default}"
_HOLE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}|\$\{")
_OURS = r"(?:services|locald)\."
_HOLE_IN_COMMAND = re.compile(rf"\$\$\{{(?={_OURS})|\$\{{(?P<inside>{_OURS}[^}}]*)\}}|\$\{{(?={_OURS})")
_SERVICE = re.compile(r"services\.(?P<name>[^.]+)\.(?P<fact>.*)", re.DOTALL)
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class ServiceFact(Struct, frozen=True):
    """`${services.NAME.port}`, `.host`, `.url` or `.https_url`; with an empty `service` `${locald.ca}`."""

    service: str
    fact: str

    @property
    def is_own(self) -> bool:
        """Of locald itself, not of a service."""
        return not self.service

    @property
    def is_by_name(self) -> bool:
        """Of the proxy."""
        return self.is_own or self.fact == "https_url"

    def __str__(self) -> str:
        return f"${{locald.{self.fact}}}" if self.is_own else f"${{services.{self.service}.{self.fact}}}"


class Variable(Struct, frozen=True):
    """`${NAME}` or `${NAME:-default}`; an empty value counts as unset where there is a default."""

    name: str
    default: str | None = None


Part = str | ServiceFact | Variable
OpenText = tuple[str | ServiceFact, ...]
"""a text in which only what a run is told when it begins is left to be filled in"""


class Lookup(Protocol):
    """Knows what the parts stand for. Both raise Bad for what stands for nothing."""

    def fact(self, wanted: ServiceFact) -> str: ...

    def variable(self, wanted: Variable) -> str: ...


def parse(text: str, *, command: bool = False) -> tuple[Part, ...]:
    """The parts of a text in order. `command`: only services are looked for. Raises Bad."""
    parts: list[Part] = []
    at = 0
    for hole in (_HOLE_IN_COMMAND if command else _HOLE).finditer(text):
        parts.append(text[at : hole.start()])
        parts.append(_part(hole))
        at = hole.end()
    return tuple(part for part in (*parts, text[at:]) if part != "")


def literal(text: str, *, command: bool = False) -> str:
    """What stands for this text, whatever is in it."""
    return re.sub(rf"\$\{{(?={_OURS})" if command else r"\$\{", "$${", text)


def fill(text: str, lookup: Lookup, *, command: bool = False) -> str:
    """The text with every part put in. Raises Bad."""
    return join(parse(text, command=command), lookup)


def open_parts(text: str, lookup: Lookup, *, command: bool = False) -> OpenText | None:
    """The parts of a text that names services, or what is locald's, variables put in already; None for one
    that names none."""
    parts = parse(text, command=command)
    if not any(isinstance(part, ServiceFact) for part in parts):
        return None
    return tuple(lookup.variable(part) if isinstance(part, Variable) else part for part in parts)


def join(parts: Iterable[Part], lookup: Lookup) -> str:
    """One text of these parts. Raises Bad."""
    filled, after_url = "", False
    for part in parts:
        match part:
            case str():
                # A URL ends with its "/": one that is written behind it is the same one.
                filled += part[1:] if after_url and part.startswith("/") else part
            case ServiceFact():
                filled += lookup.fact(part)
            case Variable():
                filled += lookup.variable(part)
        after_url = isinstance(part, ServiceFact) and part.fact in _URLS
    return filled


def _part(hole: re.Match[str]) -> Part:
    inside = hole["inside"]
    if hole.group() == "$${":
        return "${"
    if inside is None:
        raise Bad('"${" without a closing "}"', 'write "$${" for a literal "${"')
    if inside.startswith("services."):
        return _fact(hole.group(), inside)
    if inside.startswith("locald."):
        return _own_fact(hole.group(), inside.partition(".")[2])
    return _variable(hole.group(), inside)


def _fact(shown: str, inside: str) -> ServiceFact:
    found = _SERVICE.fullmatch(inside)
    if not found:
        raise Bad(f"{shown} does not name a fact of the service", _FORMS)
    if found["fact"] not in FACTS:
        raise Bad(f'{shown}: unknown "{found["fact"]}"', one_of(found["fact"], FACTS))
    return ServiceFact(found["name"], found["fact"])


def _own_fact(shown: str, fact: str) -> ServiceFact:
    if fact not in OWN_FACTS:
        raise Bad(f'{shown}: unknown "{fact}"', one_of(fact, OWN_FACTS))
    return ServiceFact("", fact)


def _variable(shown: str, inside: str) -> Variable:
    found = _VARIABLE.fullmatch(inside)
    if not found or "${" in (found["default"] or ""):
        raise Bad(f"{shown} is not a valid placeholder", _FORMS)
    return Variable(found["name"], found["default"])
