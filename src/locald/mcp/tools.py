"""The tools: what each is called, takes, answers and does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types

from locald.mcp import arguments, schemas
from locald.mcp.asking import Asking


@dataclass(frozen=True)
class Tool:
    name: str
    about: str
    arguments: type[arguments.Arguments]
    answers: dict[str, Any]
    function: Callable[..., dict[str, Any]]
    only_looks: bool = False

    def described(self) -> types.Tool:
        hints = types.ToolAnnotations(
            read_only_hint=self.only_looks,
            destructive_hint=self.name in ("stop", "restart", "exec"),
            idempotent_hint=self.name in ("up", "stop") or self.only_looks,
            open_world_hint=self.name == "exec",
        )
        return types.Tool(
            name=self.name,
            description=self.about,
            input_schema=self.arguments.model_json_schema(),
            output_schema=self.answers,
            annotations=hints,
        )


TOOLS = (
    Tool(
        "up",
        "Apply locald.toml, start the services and their dependencies, and wait until all are healthy."
        " Unchanged services keep running.",
        arguments.Start,
        schemas.STATUS,
        Asking.up,
    ),
    Tool(
        "stop",
        "Stop services, dependents first. Returns when every process is gone.",
        arguments.Stop,
        schemas.STOPPED,
        Asking.stop,
    ),
    Tool(
        "restart",
        "Stop and start services, and wait until they are healthy.",
        arguments.Start,
        schemas.STATUS,
        Asking.restart,
    ),
    Tool(
        "exec",
        "Run a command in the folder and environment of a service (of a container: inside it).",
        arguments.Exec,
        schemas.EXECUTED,
        Asking.exec,
    ),
    Tool(
        "wait",
        "Wait until services are healthy. Ends at once, with the reason, when one cannot become so.",
        arguments.Wait,
        schemas.STATUS,
        Asking.wait,
        only_looks=True,
    ),
    Tool(
        "status",
        "The services: state, health, what it rests on, port, URL.",
        arguments.Services,
        schemas.STATUS,
        Asking.status,
        only_looks=True,
    ),
    Tool(
        "why",
        "Why a service is not healthy, or what its health rests on; with what to do next.",
        arguments.Why,
        schemas.WHY,
        Asking.why,
        only_looks=True,
    ),
    Tool(
        "timeline",
        "The last start: what each service waited for, when it was ready, the critical path.",
        arguments.Nothing,
        schemas.TIMELINE,
        Asking.timeline,
        only_looks=True,
    ),
    Tool(
        "logs",
        "The last lines of output; with the `cursor` of an earlier answer those that came after it.",
        arguments.Logs,
        schemas.LINES,
        Asking.logs,
        only_looks=True,
    ),
    Tool(
        "config_check",
        "Find every mistake in locald.toml, with its line and fix.",
        arguments.Nothing,
        schemas.CHECKED,
        Asking.config_check,
        only_looks=True,
    ),
)
