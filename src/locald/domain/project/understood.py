"""What was understood of a file, for who works with that.

To understand one takes `config`, and that a library which is longer in coming than all else a daemon needs
until it answers: so the two are apart.
"""

from __future__ import annotations

from msgspec import Struct

from locald.domain.project.spec import ProjectSpec
from locald.domain.values.faults import Fault
from locald.domain.values.lines import Places


class Understood(Struct, frozen=True):
    """What could be made of a file."""

    places: Places
    faults: list[Fault]
    """all that is wrong with it"""
    spec: ProjectSpec
    """what it asks for; with faults, what is left when everything at fault is taken away"""
