"""The services that are measured, by how their readiness is known."""

from __future__ import annotations

from typing import Any

from bench.instance import PROGRAM

CHECKS: dict[str, dict[str, Any]] = {
    "notify": {},
    "tcp": {},
    "log": {"health_check": {"type": "log", "pattern": "is ready"}},
    "http": {"health_check": {"type": "http", "path": "/"}},
}


def service(how: str, seconds: float, file: str = "") -> dict[str, Any]:
    """A table of locald.toml."""
    return {"command": f"exec {PROGRAM} {how} {seconds} {file}".rstrip(), **CHECKS[how]}
