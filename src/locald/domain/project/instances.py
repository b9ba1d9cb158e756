"""Which instance of its project a folder is.

The first folder that is brought up is the project itself, and stays so while it is there, also when it is
down for a while. Each other one has a label: the one that was set for it; else the one that it had before;
else, of a linked worktree, the name of its branch; else the name of the folder. A label that nobody has set
is made unique by a number. So nobody has to configure anything, and only two folders with one label that was
set by hand are refused.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.domain.project import labels
from locald.domain.project.labelled import parts, with_label
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.project.spec import ProjectSpec

VARIABLE = "LOCALD_INSTANCE"


class Folder(Struct, frozen=True):
    """A folder that is to be brought up."""

    path: str
    label: str = ""
    """set by somebody, see `origin`"""
    origin: str = VARIABLE
    branch: str = ""
    """what is checked out in a linked worktree; empty for all other folders"""
    was: str | None = None
    """the project or instance that the folder is known as, perhaps under a former path"""


def choose(name: str, folder: Folder, others: Mapping[str, str]) -> str:
    """The project `name` as that folder has it: `shop`, or `shop@feat`.

    `others`: the folders of the instances that there are, those included that are down. Raises Refused.
    """
    if folder.label:
        return _as_set(name, folder, others)
    if folder.was and parts(folder.was)[0] == name and folder.was not in others:
        return folder.was
    if name not in others:
        return name
    return _unique(name, _suggested(folder), others)


def _as_set(name: str, folder: Folder, others: Mapping[str, str]) -> str:
    if not labels.is_label(folder.label):
        what = f'"{folder.label}" cannot be the label of an instance'
        raise Refused(Problem(what, folder.origin, labels.remedy(folder.label)))
    chosen = with_label(name, folder.label)
    if chosen in others:
        what = f'the label "{folder.label}" is that of {others[chosen]}'
        raise Refused(Problem(what, folder.origin, "set another one, or none: each folder then gets its own"))
    return chosen


def _suggested(folder: Folder) -> str:
    named = folder.branch, folder.path.rstrip("/").rpartition("/")[2]
    return next((label for label in map(labels.near, named) if label), "copy")


def _unique(name: str, label: str, others: Mapping[str, str]) -> str:
    if (first := with_label(name, label)) not in others:
        return first
    numbered = (with_label(name, labels.near(f"{label[:58]}-{number}")) for number in count(2))
    return next(each for each in numbered if each not in others)


def named(spec: ProjectSpec, chosen: str) -> ProjectSpec:
    """The same as this project or instance: an instance has names of its own, below its label."""
    label = parts(chosen)[1]
    if not label:
        return replace(spec, name=chosen)
    services = {
        name: each if each.shared else replace(each, domains=_below(each.domains, label, spec.domain))
        for name, each in spec.services.items()
    }
    return replace(spec, name=chosen, domain=f"{label}.{spec.domain}", services=services)


def _below(names: tuple[str, ...], label: str, domain: str) -> tuple[str, ...]:
    """`admin.feat.shop.localhost`. What is not below the project's domain stays the first instance's."""
    own = (name.removesuffix(f".{domain}") for name in names if name.endswith(f".{domain}"))
    return tuple(f"{name}.{label}.{domain}" for name in own)
