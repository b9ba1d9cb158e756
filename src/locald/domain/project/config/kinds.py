"""The kinds of value that a file may hold: what each accepts, and how it says no.

pydantic walks the tables and collects all mistakes of a file; each single value is judged here, because
pydantic's own words are about Python and ours should be about the file. So a kind knows three things that
must agree, and stand side by side for that reason: what it is called ("a port from 1 to 65535"), the
function that accepts or raises `Bad`, and its JSON Schema for editors.

A value that may be written in several shapes (a string or a list) is told apart by its shape before it is
looked at, so that one mistake is one problem and never one for each shape.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import core_schema

from locald.domain.knowledge import signals
from locald.domain.project import image_names, labels
from locald.domain.project.config import instead
from locald.domain.values import duration, sizes, toml
from locald.domain.values.faults import Bad, listed, near, shown, wrong_type

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

Schema = dict[str, Any]

STRING, LIST, TABLE = "<string>", "<list>", "<table>"
_SHAPES: dict[type, str] = {str: STRING, list: LIST, dict: TABLE}


@dataclass(frozen=True, eq=False)
class Kind:
    """A value of one kind, to be put into `Annotated`."""

    words: str
    accept: Callable[[Any], object]
    """the value as locald uses it; raises Bad"""
    schema: Schema

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.accept)

    def __get_pydantic_json_schema__(self, core: core_schema.CoreSchema, handler: Any) -> Schema:
        return dict(self.schema)


@dataclass(frozen=True, eq=False)
class Shaped:
    """A value that may come in these shapes only; further mistakes are found inside of it."""

    words: str
    shapes: tuple[type, ...]
    instead: Callable[[Any], object] = lambda value: None
    """what a value of another shape would be in one of these; None when that cannot be known"""

    def accept(self, value: Any) -> Any:
        if not isinstance(value, self.shapes):
            meant = self.instead(value)
            raise Bad(wrong_type(self.words, value), instead="" if meant is None else toml.value(meant))
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.accept, handler(source))


def _shape(value: Any) -> str | None:
    return next((name for shape, name in _SHAPES.items() if isinstance(value, shape)), None)


BY_SHAPE = Discriminator(_shape)


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


def _program(argv: list[str]) -> tuple[str, ...]:
    if not argv[0].strip():
        raise Bad("the first string, the program, must not be empty")
    return tuple(argv)


def _tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


Text = Annotated[str, Kind("a string", text, {"type": "string", "pattern": r"\S"})]
FreeText = Annotated[str, Kind("a string", _free_text, {"type": "string"})]
Boolean = Annotated[bool, Kind("true or false", _boolean, {"type": "boolean"})]
Port = Annotated[int, _whole("a port from 1 to 65535", 1, 65535)]
Status = Annotated[int, _whole("an HTTP status from 100 to 599", 100, 599)]
OneOrMore = Annotated[int, _whole("a whole number of 1 or more", 1)]
ZeroOrMore = Annotated[int, _whole("a whole number of 0 or more", 0)]
Name = Annotated[str, Kind("a DNS label", _name, {"type": "string", "pattern": labels.LABEL})]
Domain = Annotated[
    str,
    Kind(
        "a domain name",
        _domain,
        {"type": "string", "maxLength": 253, "pattern": rf"^{labels.DOMAIN}{labels.END}"},
    ),
]
Pattern = Annotated[
    str,
    Kind(
        "a domain name",
        _pattern,
        {
            "type": "string",
            "maxLength": 253,
            "pattern": labels.PATTERN,
        },
    ),
]
VariableName = Annotated[
    str, Kind("a name of a variable", _variable_name, {"type": "string", "pattern": r"^[^=]*[^=\s][^=]*$"})
]
Duration = Annotated[
    float,
    Kind(
        "a duration",
        _duration,
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": duration.LONGEST},
                {"type": "string", "pattern": duration.PATTERN},
            ]
        },
    ),
]
Size = Annotated[
    int,
    Kind(
        "an amount of data",
        _size,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": sizes.LARGEST},
                {"type": "string", "pattern": sizes.PATTERN},
            ]
        },
    ),
]
Signal = Annotated[
    str,
    Kind(
        "the name of a signal",
        _signal,
        {
            "anyOf": [
                {"enum": [spelling for name in signals.STANDARD for spelling in (name, name[3:])]},
                {"type": "string", "pattern": f"^(SIG)?{signals.REAL_TIME}{labels.END}"},
            ]
        },
    ),
]
Regex = Annotated[
    str, Kind("a regular expression", _regex, {"type": "string", "format": "regex", "pattern": r"\S"})
]
HeaderName = Annotated[
    str,
    matching(
        "the name of a header", rf"^[!#$%&'*+.^_`|~0-9A-Za-z-]+{labels.END}", 'like "Accept" or "X-Token"'
    ),
]
HeaderValue = Annotated[
    str,
    Kind(
        "a string", _header_value, {"type": "string", "pattern": rf"^[^\x00-\x08\x0a-\x1f\x7f]*{labels.END}"}
    ),
]
UrlPath = Annotated[str, matching('a path that begins with "/"', "^/", 'like "/" or "/health"')]
Image = Annotated[
    str,
    Kind(
        "the name of an image",
        _image,
        {"type": "string", "maxLength": image_names.LONGEST, "pattern": image_names.PATTERN},
    ),
]
Volume = Annotated[
    str,
    matching(
        "a volume",
        rf"^(external:)?[^:]+:/[^:]*(:[A-Za-z,]+)?{labels.END}",
        'like "./data:/var/lib/data" for a folder, or "data:/var/lib/data" for a volume with a name',
    ),
]

Volumes = Annotated[
    list[Volume], AfterValidator(tuple), Shaped("a list of strings", (list,), instead.list_of_one)
]
Statuses = Annotated[
    list[Status],
    Field(min_length=1),
    AfterValidator(tuple),
    Shaped("a list of numbers", (list,), instead.numbers),
]
Environment = Annotated[
    dict[VariableName, FreeText], Shaped("a table of strings", (dict,), instead.variables)
]
Names = Annotated[
    list[Text],
    Field(min_length=1),
    AfterValidator(tuple),
    Shaped("a list of names", (list,), instead.list_of_one),
]
Domains = Annotated[
    list[Pattern], AfterValidator(tuple), Shaped("a list of domain names", (list,), instead.list_of_one)
]
Headers = Annotated[dict[HeaderName, HeaderValue], Shaped("a table of strings", (dict,), instead.variables)]
Files = Annotated[
    Annotated[Text, Tag(STRING)] | Annotated[list[Text], Tag(LIST)],
    BY_SHAPE,
    AfterValidator(_tuple),
    Shaped("a string or a list of strings", (str, list)),
]
Command = Annotated[
    Annotated[Text, Tag(STRING)]
    | Annotated[list[FreeText], Field(min_length=1), AfterValidator(_program), Tag(LIST)],
    BY_SHAPE,
    Shaped("a string or a list of strings", (str, list)),
]
