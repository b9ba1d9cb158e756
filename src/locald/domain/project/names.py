"""What things are called: a service by its project and name, an incarnation of it by its number.

Several folders may bear one project's name: worktrees, clones, copies. The first is the project itself,
`shop`; each other one is an instance of it with a label of its own, `shop@feat`. To nearly everything here
that is just another project. So are the services that all of them share: `shop@_`.
"""

from __future__ import annotations

from typing import NamedTuple

AT = "@"
"""between the name of a project and the label of an instance; neither can have it"""

SHARED = "_"
"""in place of a label, in the name of what all instances share; no label can be it"""


def with_label(name: str, label: str | None) -> str:
    """`shop` or `shop@feat`."""
    return f"{name}{AT}{label}" if label else name


def parts(project: str) -> tuple[str, str | None]:
    """The name of a project, and the label of the instance; None for the project itself."""
    name, _, label = project.partition(AT)
    return name, label or None


def of_all(project: str) -> str:
    """`shop@_` for `shop` and for `shop@feat`: whose the services are that all instances share."""
    return with_label(parts(project)[0], SHARED)


def is_of_all(project: str) -> bool:
    """Whether it stands for what all instances of a project share."""
    return project.endswith(AT + SHARED)


class Key(NamedTuple):
    """A service, wherever it is spoken of: `shop:web`, `shop@feat:web`."""

    project: str
    """with the label of the instance"""
    service: str

    def __str__(self) -> str:
        return f"{self.project}:{self.service}"

    @property
    def is_shared(self) -> bool:
        """One for all instances of its project."""
        return is_of_all(self.project)

    @classmethod
    def parse(cls, text: str) -> Key:
        project, _, service = text.partition(":")
        return cls(project, service)


class Run(NamedTuple):
    """One incarnation of a service: `shop:web#3`. Every event about it carries this name.

    Numbers start at 1 and are never used twice by a service, so news of an earlier run
    cannot be taken for news of the present one.
    """

    key: Key
    number: int

    def __str__(self) -> str:
        return f"{self.key}#{self.number}"

    @classmethod
    def parse(cls, text: str) -> Run:
        key, _, number = text.rpartition("#")
        return cls(Key.parse(key), int(number))
