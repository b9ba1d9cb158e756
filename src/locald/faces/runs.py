"""A run of a service that is or was, as people read it: an entry of `timeline --all --json` in words."""

from __future__ import annotations

from locald.domain.knowledge.signals import STANDARD
from locald.domain.values.amounts import length
from locald.faces.when import age, between

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SIGNALS = {128 + number: name for name, number in STANDARD.items()}
"""by the exit code that a shell shows after them, and that many programs end with themselves"""
ASKED = tuple(128 + STANDARD[name] for name in ("SIGHUP", "SIGINT", "SIGTERM"))
"""exit codes of what somebody asked to end, which is nothing bad"""


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
    """`running`, `exit code 3`, `exit code 143 (SIGTERM)`; `ended` where nobody knows how."""
    if run.get("ended_at") is None:
        return "running"
    code = run.get("exit_code")
    signal = f" ({SIGNALS[code]})" if code in SIGNALS else ""
    return "ended" if code is None else f"exit code {code}{signal}"


def is_bad(run: Mapping[str, Any]) -> bool:
    """Whether it ended by a failure."""
    return bool(run.get("exit_code")) and run["exit_code"] not in ASKED
