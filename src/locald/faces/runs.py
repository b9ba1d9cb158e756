"""A run of a service that is or was, as people read it: an entry of `timeline --all --json` in words."""

from __future__ import annotations

from locald.domain.values.amounts import length
from locald.faces.when import age, between

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def ready_after(run: Mapping[str, Any]) -> str:
    """From its spawn on; empty for one that never was."""
    took = between(run.get("started_at"), run.get("ready_at"))
    return "" if took is None else length(took)


def lasted(run: Mapping[str, Any]) -> str:
    """From its spawn to its end, or until now."""
    if run.get("ended_at") is None:
        return age(run.get("started_at"))
    took = between(run.get("started_at"), run.get("ended_at"))
    return "" if took is None else length(took)


def end(run: Mapping[str, Any]) -> str:
    """`running`, `exit code 3`; empty where nobody knows how it ended."""
    if run.get("ended_at") is None:
        return "running"
    code = run.get("exit_code")
    return "ended" if code is None else f"exit code {code}"
