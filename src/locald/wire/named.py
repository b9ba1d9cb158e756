"""What a row of the API is about, as it is named anywhere; and hints that hold anywhere.

The row may be of another version: nothing here fails.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


_NAMED = re.compile(r"`locald (?:logs|restart|stop|up|why) (?=[a-z0-9-]+`)")
"""the beginning of a command in a hint, up to the name of a service"""


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a row is about: its project and service."""
    return project(row), row.get("name", "")


def project(row: Mapping[str, Any]) -> str:
    """Its project as it is named anywhere: `shop`, or `shop@feat` for an instance."""
    name, instance = row.get("project") or "", row.get("instance")
    return f"{name}@{instance}" if instance else name


def from_anywhere(hint: str, project: str) -> str:
    """A hint whose commands name services of this project so that they are found from every folder."""
    return _NAMED.sub(rf"\g<0>{project}:", hint)
