"""What things are called: a service by its project and name, an incarnation of it by its number."""

from __future__ import annotations

from typing import NamedTuple

from locald.domain.project.labelled import is_of_all


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
