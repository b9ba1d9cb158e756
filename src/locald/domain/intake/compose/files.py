"""Which compose files a folder has, and what they say together: overrides, `extends`.

The result is one table of services, each with its keys as written, variables not yet filled in, and the file
that each service comes from.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from locald.domain.intake import yaml_text
from locald.domain.intake.compose.merging import merged, plain
from locald.domain.intake.yaml_text import Items, Table, written
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = {
    name: (f"{stem}.override.yaml", f"{stem}.override.yml")
    for name in NAMES
    for stem in [name.rpartition(".")[0]]
}


class Together:
    """All files of one project."""

    def __init__(self, folder: Folder, main: str) -> None:
        self._folder = folder
        self._tables: dict[str, Table] = {}
        self.sources: tuple[str, ...] = (main,)
        self.top = self._table(main, needed=True)
        for name in OVERRIDES.get(posixpath.basename(main), ()):
            path = posixpath.join(posixpath.dirname(main), name)
            if folder.text(path) is not None:
                self.sources += (path,)
                self.top = merged(self.top, self._table(path, needed=True))
        self._main = main

    def services(self) -> dict[str, Table]:
        """Each service with what it extends."""
        given = plain(self.top.get("services"))
        if given is None:
            return {}
        if not isinstance(given, Table):
            raise Refused(Problem('"services" must be a mapping', self._place(self.top, "services")))
        return {name: self._service(name, plain(given[name]), given) for name in given if plain(given[name])}

    def _service(self, name: str, table: Any, among: Table, trail: tuple[str, ...] = ()) -> Table:
        if not isinstance(table, Table):
            raise Refused(Problem(f'the service "{name}" must be a mapping', self._place(among, name)))
        extends = plain(table.get("extends"))
        if extends is None:
            return table
        place = self._place(table, "extends")
        file, base = _extended(extends, self._main)
        step = f"{file}:{base}"
        if step in trail or len(trail) > 20:
            raise Refused(Problem(f'"{name}" extends itself', place, "remove one of these `extends`"))
        around = among if file == self._main else self._services_of(file, place)
        if base not in around:
            raise Refused(Problem(f'extends "{base}", which {file} does not have', place))
        found = self._service(base, plain(around[base]), around, (*trail, step))
        found = _rebased(
            found, posixpath.relpath(posixpath.dirname(file) or ".", posixpath.dirname(self._main) or ".")
        )
        own = Table(table.line)
        for key in table:
            if key != "extends":
                own.put(key, table[key], table.lines[key])
        result = merged(found, own)
        assert isinstance(result, Table)
        return result

    def _services_of(self, file: str, place: str) -> Table:
        if self._folder.text(file) is None:
            raise Refused(Problem(f"extends a service of {file}, which cannot be read", place))
        given = plain(self._table(file, needed=True).get("services"))
        return given if isinstance(given, Table) else Table()

    def _table(self, path: str, *, needed: bool) -> Table:
        if path not in self._tables:
            text = self._folder.text(path)
            if text is None and needed:
                raise Refused(Problem("cannot be read", path, "check its path and permissions"))
            self._tables[path] = yaml_text.table(text or "", path)
        return self._tables[path]

    def _place(self, table: Table, key: str) -> str:
        return f"{self._main}:{table.lines.get(key, table.line)}"


def _extended(extends: Any, main: str) -> tuple[str, str]:
    """The file and the service."""
    if isinstance(extends, Table):
        file, service = written(extends.get("file")), written(extends.get("service"))
        return (posixpath.normpath(posixpath.join(posixpath.dirname(main), file)) if file else main), service
    return main, written(extends)


def _rebased(table: Table, folder: str) -> Table:
    """A service of another folder, its paths relative to the main file's."""
    if folder == ".":
        return table
    found = Table(table.line)
    for key, value in table.items():
        found.put(key, _rebased_value(key, plain(value), folder), table.lines[key])
    return found


def _rebased_value(key: str, value: Any, folder: str) -> Any:
    if key not in ("env_file", "volumes"):
        return value
    if not isinstance(value, Items):
        return _moved(key, value, folder)
    found = Items()
    for each, line in zip(value, value.lines, strict=True):
        found.append(_moved(key, each, folder))
        found.lines.append(line)
    return found


def _moved(key: str, value: Any, folder: str) -> Any:
    if isinstance(value, Table):
        name = "path" if key == "env_file" else "source"
        if key == "volumes" and not written(value.get(name)).startswith("."):
            return value
        found = Table(value.line)
        for each in value:
            moved = posixpath.join(folder, written(value[each])) if each == name else value[each]
            found.put(each, moved, value.lines[each])
        return found
    text = written(value)
    if key == "volumes" and not text.startswith("."):
        return value
    return text if text.startswith("/") else f"./{posixpath.join(folder, text)}"
