"""What the tools take: the long options of the commands of the same name, as models.

From these come both the schemas that clients see and the check of what they send. What is not known is an
error: passed over, a misspelt `services` would mean all of them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from locald.domain.values import duration
from locald.domain.values.problem import Problem, Refused

MOST_LINES, MOST_BYTES = 10_000, 1_000_000


def _duration(text: str) -> str:
    duration.parse(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Timeout = Annotated[
    Duration, Field(description="stop waiting after this time, such as 30s or 2m; nothing else is stopped")
]
Bytes = Annotated[int, Field(ge=1, le=MOST_BYTES, description="bytes of text in the answer at most")]


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Services(Arguments):
    services: list[str] = Field([], description="only these services (default: all of the project)")


class Stop(Services):
    timeout: Timeout = "2m"


class Wait(Services):
    timeout: Timeout = "2m"


class Start(Services):
    timeout: Timeout = "2m"
    detach: bool = Field(False, description="return at once, without waiting until the services are healthy")


class Why(Arguments):
    service: str = Field(description="the service that is explained")


class Nothing(Arguments):
    pass


class Logs(Services):
    lines: int = Field(100, ge=0, le=MOST_LINES, description="lines in the answer at most")
    bytes: Bytes = 50_000
    since: Duration | None = Field(None, description="only lines of the last 30s, 5m, 1h…")
    level: Literal["error", "warn", "info", "debug"] | None = Field(
        None, description="only lines that name this level or a graver one"
    )
    grep: str | None = Field(None, description="only lines that match this regular expression")
    cursor: str | None = Field(
        None, description="that of an earlier answer: the lines that came after it, the oldest first"
    )


class Exec(Arguments):
    service: str = Field(description="the service whose folder and environment are used")
    command: list[str] = Field(min_length=1, description="the command and its arguments; no shell")
    timeout: Duration = Field("1m", description="kill the command after this time")
    bytes: Bytes = 50_000


Kind = TypeVar("Kind", bound=Arguments)


def read(kind: type[Kind], given: dict[str, Any] | None) -> Kind:
    """What was given, checked. Raises Refused with every mistake in it."""
    try:
        return kind.model_validate(given or {})
    except ValidationError as wrong:
        raise Refused(*(_problem(kind, error) for error in wrong.errors(include_url=False))) from None


def seconds(text: str) -> float:
    return duration.parse(text)


def _problem(kind: type[Arguments], error: Any) -> Problem:
    where = ".".join(map(str, error["loc"]))
    names = list(kind.model_fields)
    if error["type"] == "extra_forbidden":
        near = get_close_matches(where, names, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"it takes {', '.join(names) or 'no arguments'}"
        return Problem("unknown argument", where, hint)
    if error["type"] == "missing":
        return Problem("is missing", where, kind.model_fields[where].description or "")
    what = str(error["msg"]).removeprefix("Value error, ")
    field = kind.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    return Problem(what[:1].lower() + what[1:], where, (field.description or "") if field else "")
