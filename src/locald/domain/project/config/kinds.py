"""The kinds of value that a file may hold: what each accepts, and how it says no.

A kind knows three things that must agree, and stand side by side for that reason: what it is called ("a port
from 1 to 65535"), the function that accepts or raises `Bad`, and its JSON Schema for editors.
"""

from __future__ import annotations

import re
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING

from locald.domain.knowledge import signals
from locald.domain.project import image_names, labels
from locald.domain.project.config import instead
from locald.domain.project.config.shapes import Entries, Items, Kind, Shaped
from locald.domain.values import duration, sizes
from locald.domain.values.faults import Bad, listed, near, shown, wrong_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Plain values.


def text(value: object) -> str:
    """A string that says something."""
    if not isinstance(value, str):
        raise Bad(wrong_type("a string", value))
    if not value.strip():
        raise Bad("must not be empty")
    return _free_text(value)


def _free_text(value: object) -> str:
    if not isinstance(value, str):
        hint = f'write "{shown(value)}"' if isinstance(value, bool | int | float) else ""
        raise Bad(wrong_type("a string", value), hint)
    if "\0" in value:
        raise Bad("must not contain a NUL character")
    return value


def _whole(words: str, low: int, high: int | None = None) -> Kind:
    def accept(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Bad(wrong_type(words, value), _number_meant(value))
        if value < low or (high is not None and value > high):
            raise Bad(f"must be {words}, not {shown(value)}")
        return value

    bounds = {"minimum": low} | ({} if high is None else {"maximum": high})
    return Kind(words, accept, {"type": "integer", **bounds})


def _number_meant(value: object) -> str:
    if not isinstance(value, str):
        return ""
    if value.isdecimal():
        return f"write {value} without quotes"
    if found := re.fullmatch(r"(?:[\d.]*:)?(\d+):(\d+)(?:/tcp)?", value):
        return f"write {found[1]}, and for a container also container_port = {found[2]}"
    if re.fullmatch(r"\$\{?PORT\}?", value):
        return "leave it out: locald chooses a port, and tells it in PORT"
    return ""


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Bad(wrong_type("true or false", value))
    return value


def choice(
    words: str,
    options: Iterable[str],
    make: Callable[[str], object] = str,
    other_words: Mapping[str, str] = MappingProxyType({}),
) -> Kind:
    """One of a few names; `make` turns it into what locald calls it. `other_words`: what people write who
    know another tool, and the name for it."""
    names = [str(option) for option in options]

    def accept(value: object) -> object:
        if isinstance(value, str) and value in names:
            return make(value)
        if not isinstance(value, str | bool):
            raise Bad(wrong_type(listed(names), value))
        word = value.lower() if isinstance(value, str) else str(value).lower()
        meant = other_words.get(word) or near(word, names)
        hint = f'did you mean "{meant}"?' if meant else ""
        raise Bad(f"must be {listed(names)}, not {shown(value)}", hint)

    return Kind(words, accept, {"enum": names})


def constant(name: str) -> Kind:
    """The one name that a table of this kind has under `type`; it has been looked at before."""
    return Kind(f'"{name}"', str, {"const": name})


# Values with a grammar of their own.


def _duration(value: object) -> float:
    if isinstance(value, str):
        return _duration_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Bad(wrong_type("a duration", value), _DURATIONS)
    if value > duration.LONGEST:
        raise Bad(_too_long(value), _DURATIONS)
    if not value > 0:  # not true of nan either
        raise Bad(f"must be a duration of more than 0 seconds, not {shown(value)}", _DURATIONS)
    return float(value)


def _too_long(value: object) -> str:
    return f"must be a duration of less than {duration.TOO_LONG}, not {shown(value)}"


_DURATIONS = 'write a number of seconds, or a string like "500ms", "2s", "1m30s"'


def _duration_text(value: str) -> float:
    try:
        return duration.parse(value)
    except duration.TooLong:
        raise Bad(_too_long(value), _DURATIONS) from None
    except ValueError:
        what = (
            "must be a duration of more than 0 seconds"
            if re.match("-?[0-9]", value)
            else "must be a duration"
        )
        hint = f'write {value} or "{value}s"' if re.fullmatch("[0-9]*[1-9][0-9]*", value) else _DURATIONS
        raise Bad(f"{what}, not {shown(value)}", hint) from None


def _size(value: object) -> int:
    hint = 'write a number of bytes, or a string like "512KB", "50MB", "1GiB"'
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Bad(wrong_type("an amount of data", value), hint)
    try:
        size = sizes.parse(value) if isinstance(value, str) else value
    except ValueError:
        size = 0
    if not 0 < size <= sizes.LARGEST:
        raise Bad(f"must be an amount of data, not {shown(value)}", hint)
    return size


def _signal(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value in signals.NUMBERS.values():
        raise Bad(wrong_type("the name of a signal", value), f'write "{signals.name(value)}"')
    if not isinstance(value, str):
        raise Bad(wrong_type("the name of a signal", value), 'like "SIGTERM" or "INT"')
    if name := signals.canonical(value):
        return name
    meant = signals.canonical(value.strip().upper()) or near(value.upper(), signals.NUMBERS)
    raise Bad(
        f"{shown(value)} is not a signal", f'did you mean "{meant}"?' if meant else 'like "SIGTERM" or "INT"'
    )


def _regex(value: object) -> str:
    pattern = text(value)
    try:
        with warnings.catch_warnings():  # Python warns of patterns that it may read otherwise one day
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        hint = (
            "put a backslash before a sign that stands for itself; in TOML, 'single quotes' keep backslashes"
        )
        raise Bad(f"{shown(pattern)} is not a regular expression: {error}", hint) from None
    return pattern


def matching(words: str, pattern: str, hint: str) -> Kind:
    """A string that has to look like something."""

    def accept(value: object) -> str:
        said = text(value)
        if not re.search(pattern, said):
            raise Bad(f"{shown(said)} is not {words}", hint)
        return said

    return Kind(words, accept, {"type": "string", "pattern": pattern})


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise Bad(wrong_type("a name", value))
    if not labels.is_label(value):
        raise Bad(f"{shown(value)} is not a valid name", labels.remedy(value))
    return value


def _image(value: object) -> str:
    name = text(value)
    if not image_names.is_image_name(name):
        raise Bad(f"{shown(name)} is not the name of an image", image_names.remedy(name))
    return name


def _domain(value: object) -> str:
    domain = text(value)
    if len(domain) > 253 or not all(re.search(labels.LABEL, label) for label in domain.split(".")):
        raise Bad(f"{shown(domain)} is not a domain name", 'like "shop.localhost"')
    return domain


def _pattern(value: object) -> str:
    name = text(value)
    if not labels.is_pattern(name):
        raise Bad(f"{shown(name)} is not a domain name", 'like "admin.shop.localhost" or "*.shop.localhost"')
    return name


def _variable_name(value: object) -> str:
    name = text(value)
    if "=" in name:
        raise Bad(f'{shown(name)} is not a name of a variable: it contains "="')
    return name


def _header_value(value: object) -> str:
    said = _free_text(value)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", said):
        raise Bad("must not contain control characters")
    return said


def _command(command: str | list[str]) -> str | tuple[str, ...]:
    if isinstance(command, str):
        return command
    if not command[0].strip():
        raise Bad("the first string, the program, must not be empty")
    return tuple(command)


def _tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


Text = Kind("a string", text, {"type": "string", "pattern": r"\S"})
FreeText = Kind("a string", _free_text, {"type": "string"})
Boolean = Kind("true or false", _boolean, {"type": "boolean"})
Port = _whole("a port from 1 to 65535", 1, 65535)
Status = _whole("an HTTP status from 100 to 599", 100, 599)
OneOrMore = _whole("a whole number of 1 or more", 1)
ZeroOrMore = _whole("a whole number of 0 or more", 0)
Name = Kind("a DNS label", _name, {"type": "string", "pattern": labels.LABEL})
Domain = Kind(
    "a domain name",
    _domain,
    {"type": "string", "maxLength": 253, "pattern": rf"^{labels.DOMAIN}{labels.END}"},
)
Pattern = Kind(
    "a domain name",
    _pattern,
    {
        "type": "string",
        "maxLength": 253,
        "pattern": labels.PATTERN,
    },
)
VariableName = Kind(
    "a name of a variable", _variable_name, {"type": "string", "pattern": r"^[^=]*[^=\s][^=]*$"}
)
Duration = Kind(
    "a duration",
    _duration,
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": duration.LONGEST},
            {"type": "string", "pattern": duration.PATTERN},
        ]
    },
)
Size = Kind(
    "an amount of data",
    _size,
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": sizes.LARGEST},
            {"type": "string", "pattern": sizes.PATTERN},
        ]
    },
)
Signal = Kind(
    "the name of a signal",
    _signal,
    {
        "anyOf": [
            {"enum": [spelling for name in signals.STANDARD for spelling in (name, name[3:])]},
            {"type": "string", "pattern": f"^(SIG)?{signals.REAL_TIME}{labels.END}"},
        ]
    },
)
Regex = Kind("a regular expression", _regex, {"type": "string", "format": "regex", "pattern": r"\S"})
HeaderName = matching(
    "the name of a header", rf"^[!#$%&'*+.^_`|~0-9A-Za-z-]+{labels.END}", 'like "Accept" or "X-Token"'
)
HeaderValue = Kind(
    "a string", _header_value, {"type": "string", "pattern": rf"^[^\x00-\x08\x0a-\x1f\x7f]*{labels.END}"}
)
UrlPath = matching('a path that begins with "/"', "^/", 'like "/" or "/health"')
Image = Kind(
    "the name of an image",
    _image,
    {"type": "string", "maxLength": image_names.LONGEST, "pattern": image_names.PATTERN},
)
Volume = matching(
    "a volume",
    rf"^(external:)?[^:]+:/[^:]*(:[A-Za-z,]+)?{labels.END}",
    'like "./data:/var/lib/data" for a folder, or "data:/var/lib/data" for a volume with a name',
)

Volumes = Shaped("a list of strings", {list: Items(Volume)}, tuple, instead.list_of_one)
Statuses = Shaped(
    "a list of numbers", {list: Items(Status, 1, "leave it out for any 2xx or 3xx")}, tuple, instead.numbers
)
Environment = Shaped("a table of strings", {dict: Entries(VariableName, FreeText)}, instead=instead.variables)
Names = Shaped("a list of names", {list: Items(Text, 1)}, tuple, instead.list_of_one)
Domains = Shaped("a list of domain names", {list: Items(Pattern)}, tuple, instead.list_of_one)
Headers = Shaped("a table of strings", {dict: Entries(HeaderName, HeaderValue)}, instead=instead.variables)
Files = Shaped("a string or a list of strings", {str: Text, list: Items(Text)}, _tuple)
Command = Shaped("a string or a list of strings", {str: Text, list: Items(FreeText, 1)}, _command)
