"""The `watch` of a service: globs, or a table of globs with what else there is to say."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, Tag

from locald.domain.project import globs
from locald.domain.project.config.kinds import (
    BY_SHAPE,
    LIST,
    STRING,
    TABLE,
    Duration,
    Shaped,
    Signal,
    matching,
)
from locald.domain.project.config.table import NOT_GIVEN, Doc, Table
from locald.domain.project.spec import FileWatch

Glob = Annotated[
    str,
    matching(
        "a glob relative to the folder of locald.toml",
        globs.VALID,
        'like "src/**/*.py", or "../shared/**" for what is beside the folder',
    ),
]
Globs = Annotated[list[Glob], Field(min_length=1), AfterValidator(tuple), Shaped("a list of globs", (list,))]


class WatchTable(Table):
    """Which files, and what to do when one of them changes."""

    paths: Annotated[
        Globs,
        Doc(
            "The files, by globs. `*` and `?` stay within a name, `**` is any number of folders, and a "
            "folder means everything below it.",
            'paths = ["src/**/*.py", "templates"]',
        ),
    ]
    ignore: Annotated[
        Globs,
        Doc("Globs of what is left out besides.", 'ignore = ["src/generated/**"]', otherwise="nothing"),
    ] = NOT_GIVEN
    debounce: Annotated[
        Duration,
        Doc("How long it must be quiet after a change.", 'debounce = "1s"', "200ms"),
    ] = NOT_GIVEN
    signal: Annotated[
        Signal,
        Doc(
            "A signal for the main process, in place of a restart: for a program that reloads by itself. "
            "Begin a `command` that is a string with `exec`, or the shell gets it.",
            'signal = "SIGHUP"',
            otherwise="the service is restarted",
        ),
    ] = NOT_GIVEN


def _watch(value: str | tuple[str, ...] | WatchTable) -> FileWatch:
    if isinstance(value, WatchTable):
        return FileWatch(**value.given())
    return FileWatch((value,) if isinstance(value, str) else value)


WatchValue = Annotated[
    Annotated[Glob, Tag(STRING)]
    | Annotated[list[Glob], Field(min_length=1), AfterValidator(tuple), Tag(LIST)]
    | Annotated[WatchTable, Tag(TABLE)],
    BY_SHAPE,
    AfterValidator(_watch),
    Shaped("a list of globs or a table", (str, list, dict)),
]
