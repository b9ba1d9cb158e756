"""What a row of the API is about, as it is named anywhere.

The row may be of another version: nothing here fails.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a row is about: its project and service."""
    return project(row), row.get("name", "")


def project(row: Mapping[str, Any]) -> str:
    """Its project as it is named anywhere: `shop`, or `shop@feat` for an instance."""
    name, instance = row.get("project") or "", row.get("instance")
    return f"{name}@{instance}" if instance else name
