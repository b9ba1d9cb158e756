"""Which compose files a folder has, and what they say together: overrides, `include`, `extends`.

The result is one table of services, each with its keys as written, variables not yet filled in, and the file
that each service comes from.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from locald.domain.intake import yaml_text
from locald.domain.intake.compose.merging import merged, plain
from locald.domain.intake.yaml_text import Items, Table, Tagged, written
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.intake.plan import Folder

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = {
    name: (f"{stem}.override.yaml", f"{stem}.override.yml")
    for name in NAMES
    for stem in [name.rpartition(".")[0]]
}


_SHARED = ("volumes", "secrets", "configs")
"""keys of a whole file that services refer to"""
_DEEPEST = 20
"""files that include or extend one another"""
REACH = "check its path and permissions"
MEANT = "check that it is the file that you mean"


class Together:
    """All files of one project, or of one that it includes."""

    def __init__(self, folder: Folder, main: str, more: tuple[str, ...] = (), depth: int = 0) -> None:
        """`more`: files over the first, in place of the usual ones. Raises Refused."""
        self._folder = folder
        self._tables: dict[str, Table] = {}
        stem = posixpath.dirname(main)
        usual = [posixpath.join(stem, name) for name in OVERRIDES.get(posixpath.basename(main), ())]
        over = more or tuple(path for path in usual if not depth and folder.text(path) is not None)
        self.sources: tuple[str, ...] = (main, *over)
        self.not_included: list[tuple[str, int]] = []
        """what was not, and the line"""
        self._included = {file: list(self._include(file, depth)) for file in self.sources}
        self.top = Table()
        for file in self.sources:
            for other in self._included[file]:
                self.top = merged(self.top, other.shared(stem))
            self.top = merged(self.top, self._table(file, needed=True))
        inner = [each for included in self._included.values() for other in included for each in other.sources]
        self.all_sources = (*self.sources, *inner)

    def services(self) -> dict[str, Table]:
        """Each service with what it extends, which is looked for before one file is laid over the other."""
        found = Table()
        for file in self.sources:
            given = plain(self._table(file, needed=True).get("services")) or Table()
            if not isinstance(given, Table):
                place = self._place(file, self._table(file, needed=True), "services")
                raise Refused(Problem('"services" must be a mapping', place, MEANT))
            own = Table(given.line)
            for name, table in given.items():
                own.put(name, self._extending(file, name, table, given), given.lines[name])
            self._add_included(file, own)
            found = merged(found, own)
        return {name: plain(table) for name, table in found.items() if plain(table)}

    # What is included.

    def shared(self, seen_from: str) -> Table:
        """What its services refer to, with paths relative to another folder."""
        found = Table()
        for key in _SHARED:
            given = plain(self.top.get(key))
            for name, each in given.items() if isinstance(given, Table) else ():
                if isinstance(each, Table) and (file := written(each.get("file"))) and file[0] not in "/~":
                    each = merged(each, Table())
                    each.put("file", f"./{posixpath.join(self._folder_from(seen_from), file)}", each.line)
                around = found.setdefault(key, Table())
                around.put(name, each, given.lines[name])
            found.lines[key] = self.top.lines.get(key, 0)
        return found

    def _folder_from(self, folder: str) -> str:
        return posixpath.relpath(posixpath.dirname(self.sources[0]) or ".", folder or ".")

    def _include(self, file: str, depth: int) -> Iterator[Together]:
        top = self._table(file, needed=True)
        given = plain(top.get("include"))
        for entry, line in zip(given, given.lines, strict=True) if isinstance(given, Items) else ():
            path = entry.get("path") if isinstance(entry, Table) else entry
            paths = [written(each) for each in (path if isinstance(path, Items) else [path])]
            if isinstance(entry, Table) and len(entry) > 1:
                keys = ", ".join(key for key in entry if key != "path")
                self.not_included.append((f"{keys}: paths and variables are those of the file", line))
            if any("://" in each or each.startswith("git@") for each in paths):
                self.not_included.append((f"{paths[0]}: only files of this machine are read", line))
                continue
            if depth > _DEEPEST:
                raise Refused(Problem("includes itself", f"{file}:{line}", "remove one of these `include`"))
            first, *rest = (
                posixpath.normpath(posixpath.join(posixpath.dirname(file), each)) for each in paths
            )
            if self._folder.text(first) is None:
                raise Refused(Problem(f"includes {first}, which cannot be read", f"{file}:{line}", REACH))
            own = posixpath.join(posixpath.dirname(first), ".env")
            if posixpath.dirname(first) != posixpath.dirname(file) and self._folder.text(own) is not None:
                because = f"{own}: set its variables in the .env beside the first file"
                self.not_included.append((because, line))
            yield Together(self._folder, first, tuple(rest), depth + 1)

    def _add_included(self, file: str, own: Table) -> None:
        """Under names of their own: one for two services is an error to compose, too."""
        for other in self._included[file]:
            step = other._folder_from(posixpath.dirname(file))
            self.not_included += other.not_included
            for name, table in other.services().items():
                if name in own:
                    what = f'"{name}" is also a service of {other.sources[0]}, which is included'
                    place = f"{file}:{own.lines[name]}"
                    raise Refused(Problem(what, place, "give one of them another name"))
                own.put(name, _rebased(table, step), table.line)

    # What is extended.

    def _extending(self, file: str, name: str, value: Any, among: Table) -> Any:
        """A service with what it extends; one that is to be reset or replaced stays that."""
        table = plain(value)
        if not table or (isinstance(table, Table) and "extends" not in table):
            return value
        service = self._service(file, name, table, among)
        return Tagged(value.tag, service) if isinstance(value, Tagged) else service

    def _service(self, file: str, name: str, table: Any, among: Table, trail: tuple[str, ...] = ()) -> Table:
        if not isinstance(table, Table):
            place = self._place(file, among, name)
            raise Refused(Problem(f'the service "{name}" must be a mapping', place, "give it an `image`"))
        extends = plain(table.get("extends"))
        if extends is None:
            return table
        place = self._place(file, table, "extends")
        other, base = _extended(extends, file)
        step = f"{other}:{base}"
        if step in trail or len(trail) > _DEEPEST:
            raise Refused(Problem(f'"{name}" extends itself', place, "remove one of these `extends`"))
        around = among if other == file else self._services_of(other, place)
        if base not in around:
            hint = "name a service of that file, or remove `extends`"
            raise Refused(Problem(f'extends "{base}", which {other} does not have', place, hint))
        found = self._service(other, base, plain(around[base]), around, (*trail, step))
        found = _rebased(
            found, posixpath.relpath(posixpath.dirname(other) or ".", posixpath.dirname(file) or ".")
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
            raise Refused(Problem(f"extends a service of {file}, which cannot be read", place, REACH))
        given = plain(self._table(file, needed=True).get("services"))
        return given if isinstance(given, Table) else Table()

    def _table(self, path: str, *, needed: bool) -> Table:
        if path not in self._tables:
            text = self._folder.text(path)
            if text is None and needed:
                raise Refused(Problem("cannot be read", path, REACH))
            self._tables[path] = yaml_text.table(text or "", path)
        return self._tables[path]

    def _place(self, file: str, table: Table, key: str) -> str:
        return f"{file}:{table.lines.get(key, table.line)}"


def _beside(file: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), path))


def _extended(extends: Any, file: str) -> tuple[str, str]:
    """The file and the service. `file`: where it stands."""
    if not isinstance(extends, Table):
        return file, written(extends)
    other = written(extends.get("file"))
    path = _beside(file, other) if other else file
    return path, written(extends.get("service"))


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
