"""The dependencies as a tree: on the left the services that nothing depends on, below each its dependencies.

A dependency of several services appears below each of them, with its own dependencies only once, so the
tree does not grow beyond the project. A cycle, which the file does not allow, would end there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.domain.project.labelled import of_all
from locald.faces import words
from locald.monitor.board import Key, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree. `guide`: drawn before the name. `again`: its dependencies are shown above."""

    key: Key
    guide: str = ""
    condition: str = ""
    """what the line above requires of this: `healthy`, `completed`, `started`"""
    again: bool = False


def branches(rows: Sequence[Row]) -> list[Branch]:
    known = {words.key(row): row for row in rows}
    needed = {each for key in known for each in _needs(key, known) if each != key}
    drawn: dict[Key, None] = {}
    lines: list[Branch] = []
    for key in [*(key for key in known if key not in needed), *known]:
        if key not in drawn:
            _grow(Branch(key), "", known, drawn, lines)
    return lines


def _grow(
    branch: Branch, margin: str, known: dict[Key, Row], drawn: dict[Key, None], lines: list[Branch]
) -> None:
    """Draw this branch and all that it needs; `margin` is what stands before its children's guides."""
    needs = [(key, how) for key, how in _needs(branch.key, known).items() if key in known]
    if branch.key in drawn:
        lines.append(Branch(branch.key, branch.guide, branch.condition, again=bool(needs)))
        return
    drawn[branch.key] = None
    lines.append(branch)
    for key, condition in needs:
        last = key == needs[-1][0]
        child = Branch(key, f"{margin}{'└─ ' if last else '├─ '}", condition)
        _grow(child, f"{margin}{'   ' if last else '│  '}", known, drawn, lines)


def _needs(key: Key, known: Mapping[Key, Row]) -> dict[Key, str]:
    needs = known[key]["depends_on"].items()
    return {_meant(key, str(name), known): str(condition) for name, condition in needs}


def _meant(key: Key, name: str, known: Mapping[Key, Row]) -> Key:
    """The service of this name that this one depends on: of its own instance, or what all share."""
    own = key[0], name
    return own if own in known else (of_all(key[0]), name)


def blocking(rows: Sequence[Row], key: Key | None) -> frozenset[Key]:
    """The service and all that block it, down to the root causes; empty when nothing does."""
    known = {words.key(row): row for row in rows}
    found: dict[Key, None] = {}
    left = [key] if key in known else []
    while left:
        each = left.pop()
        if each not in found and each in known:
            found[each] = None
            left += [_meant(each, name, known) for name in known[each]["waiting_on"]]
    return frozenset(found) if len(found) > 1 else frozenset()
