"""What is left of a file when everything that is wrong with it is taken away.

A file with a mistake in it starts nothing. But what else is to be said of it, an env file that is missing
or a check that looks like a URL, should be said in the same go: for that its sound part is looked at.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from locald.domain.project import labels
from locald.domain.project.spec import ProjectSpec, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from locald.domain.project.config.keys import FileTable
    from locald.domain.values.faults import Fault
    from locald.domain.values.lines import Path

    Validate = Callable[[dict[str, Any]], tuple[FileTable | None, list[Fault]]]

_NAME = "project"
"""of a project whose own name may be at fault; nobody sees it"""


def sound(raw: Mapping[str, Any], faults: Iterable[Fault], validate: Validate) -> FileTable:
    """The tables without what is at fault."""
    kept = {**copy.deepcopy(dict(raw)), "project": {"name": _NAME}}
    table = None
    # What was taken away may be missed by what is left: look again, each time there is less.
    while table is None:
        taken = [_take(kept, path) for path in map(_of_a_key, (fault.path for fault in faults))]
        table, faults = validate(kept)
        if table is None and not any(taken):
            kept.pop("services", None)
    return table


def with_names(spec: ProjectSpec, raw: Mapping[str, Any]) -> ProjectSpec:
    """With a bare service for each that is not sound, since others may speak of it."""
    services = raw.get("services")
    names = services if isinstance(services, dict) else ()
    bare = {name: ServiceSpec(name) for name in names}
    return replace(spec, services=bare | spec.services)


def _of_a_key(path: Path) -> Path:
    """A list goes as a whole: its items have no names that last."""
    numbered = next((place for place, part in enumerate(path) if isinstance(part, int)), len(path))
    return path[:numbered]


def _take(kept: dict[str, Any], path: Path) -> bool:
    """Take the key away, if it is there. What is said of a service as a whole is about what it lacks."""
    around: Any = kept
    for part in path[:-1]:
        around = around.get(part) if isinstance(around, dict) else None
    if not path or path[0] == "project" or not isinstance(around, dict) or path[-1] not in around:
        return False
    if len(path) == 2 and isinstance(around[path[-1]], dict) and _is_lacking(path):
        return False
    del around[path[-1]]
    return True


def _is_lacking(path: Path) -> bool:
    """A service with a good name, of which something is missing."""
    return labels.is_label(str(path[1]))
