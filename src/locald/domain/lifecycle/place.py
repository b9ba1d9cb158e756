"""Where a project is, and who asked for it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from locald.domain.project.spec import Caller


class Place(Struct, frozen=True):
    """Where a project lives, and the shell that brought it up last: for commands that come from no shell."""

    directory: str
    domain: str
    caller: Caller = field(default_factory=Caller)
    folder: str = ""
    """which folder `directory` was then, by which it is found when it was moved; empty: not known"""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """names for several services"""
    default: str = ""
    """the service that `domain` leads to; empty: not said"""
