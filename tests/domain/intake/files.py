"""A folder that is only a dictionary, and what becomes of it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from locald.domain import intake
from locald.domain.intake import writing
from locald.domain.project import config
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Plan
    from locald.domain.project.spec import ProjectSpec, ServiceSpec


class Files:
    """The project's folder: each path with its text; `env`: the caller's shell."""

    def __init__(self, files: dict[str, str], **env: str) -> None:
        self._files, self._env = files, env

    def text(self, path: str) -> str | None:
        return self._files.get(posixpath.normpath(path))

    def names(self, path: str = ".") -> tuple[str, ...]:
        base = posixpath.normpath(path)
        inside = [each for each in self._files if base == "." or each.startswith(f"{base}/")]
        rests = (each if base == "." else each[len(base) + 1 :] for each in inside)
        return tuple(sorted({rest.partition("/")[0] for rest in rests}))

    def env(self, name: str) -> str | None:
        return self._env.get(name)


def plan(files: dict[str, str], file: str = "", **env: str) -> Plan:
    folder = Files(files, **env)
    return intake.read(folder, file, "shop") if file else intake.look(folder, "shop")


def spec(files: dict[str, str], file: str = "", **env: str) -> ProjectSpec:
    """What the written file means."""
    made = plan(files, file, **env)
    return config.parse(writing.text(made, made.name or "shop"))


def valid(files: dict[str, str]) -> None:
    """What is written is a file of ours that has the services, or nothing is written."""
    try:
        made = plan(files)
    except Refused:
        return
    text = writing.text(made, made.name or "shop")
    assert list(config.parse(text).services) == [each.name for each in made.present]


def services(files: dict[str, str], file: str = "", **env: str) -> dict[str, ServiceSpec]:
    return spec(files, file, **env).services


def commands(files: dict[str, str], file: str = "") -> dict[str, object]:
    return {name: each.command for name, each in services(files, file).items()}


def remarks(files: dict[str, str], outcome: str, file: str = "", **env: str) -> list[str]:
    """The remarks of one outcome as sentences: `web: key: because`."""
    made = plan(files, file, **env).remarks
    return [f"{each.service}: {each.key}: {each.because}" for each in made if each.outcome == outcome]


def refused(files: dict[str, str], file: str = "") -> str:
    """The first line of what is said where nothing can be read; what to do about it stands below."""
    try:
        plan(files, file)
    except Refused as refusal:
        found = refusal.problems
    else:
        raise AssertionError("it was read")
    assert all(each.hint for each in found)
    return found[0].head
