"""Whether somebody can attach to a service, by what its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.project.spec import StandardInput, Type
from locald.domain.values.problem import Problem

if TYPE_CHECKING:
    from locald.domain.project.spec import ServiceSpec


def refusal(spec: ServiceSpec) -> Problem | None:
    """Why not; None where it has a terminal."""
    name = spec.name
    if spec.type is Type.CONTAINER:
        hint = f"run `locald exec {name} -- sh` for a shell inside the container"
        return Problem(f"{name} is a container, it has no terminal to attach to", hint=hint)
    if spec.stdin is not StandardInput.TERMINAL:
        hint = f'set stdin = "terminal" in [services.{name}], then run `locald up {name} --attach`'
        return Problem(f"{name} has no terminal to attach to", hint=hint)
    return None
