"""The `watch` of a service: globs, or a table of globs with what else there is to say."""

from __future__ import annotations

from locald.domain.project import globs
from locald.domain.project.config.kinds import Duration, Signal, matching
from locald.domain.project.config.shapes import Items, Shaped
from locald.domain.project.config.table import Doc, Key, Table, TableOf
from locald.domain.project.spec import FileWatch

Glob = matching(
    "a glob relative to the folder of locald.toml",
    globs.VALID,
    'like "src/**/*.py", or "../shared/**" for what is beside the folder',
)
Globs = Shaped("a list of globs", {list: Items(Glob, 1)}, tuple)


class WatchTable(Table):
    """Which files, and what to do when one of them changes."""

    paths = Key(
        Globs,
        Doc(
            "The files, by globs. `*` and `?` stay within a name, `**` is any number of folders, and a "
            "folder means everything below it.",
            'paths = ["src/**/*.py", "templates"]',
        ),
        required=True,
    )
    ignore = Key(
        Globs,
        Doc("Globs of what is left out besides.", 'ignore = ["src/generated/**"]', otherwise="nothing"),
    )
    debounce = Key(
        Duration,
        Doc("How long it must be quiet after a change.", 'debounce = "1s"', "200ms"),
    )
    signal = Key(
        Signal,
        Doc(
            "A signal for the main process, in place of a restart: for a program that reloads by itself. "
            "Begin a `command` that is a string with `exec`, or the shell gets it.",
            'signal = "SIGHUP"',
            otherwise="the service is restarted",
        ),
    )


def _watch(value: str | list[str] | WatchTable) -> FileWatch:
    if isinstance(value, WatchTable):
        return FileWatch(**value.given())
    return FileWatch((value,) if isinstance(value, str) else tuple(value))


WatchValue = Shaped(
    "a list of globs or a table", {str: Glob, list: Items(Glob, 1), dict: TableOf(WatchTable)}, _watch
)
