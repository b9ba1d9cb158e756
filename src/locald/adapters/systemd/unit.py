"""From an order to a transient unit: the properties that `StartTransientUnit` takes. Pure.

A unit belongs to one run, and says so in fields that its lines in the journal may have too; that is how a
later daemon finds it, and nobody else's is ever touched. systemd restarts nothing: locald does, as it does
here. A unit stays until it is taken away, so that nobody misses how it ended.

Sources: systemd.service(5), systemd.exec(5), systemd.kill(5), org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.adapters.containers.create import name
from locald.adapters.processes import Order as ProcessOrder
from locald.domain.knowledge.signals import NUMBERS
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, KillMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Property = tuple[str, str, Any]
"""the name, the D-Bus type and the value"""
SLICE = "app-locald.slice"
"""all units of all localds of this user are in it"""
OWNER, PROJECT, SERVICE, NUMBER = (f"LOCALD_{word}" for word in ("OWNER", "PROJECT", "SERVICE", "RUN"))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INFINITY = 2**64 - 1
SECOND = 1_000_000
"""in the microseconds of systemd"""


class Order(Struct, frozen=True):
    """`process`: what runs, as it would run here. `shell` is the environment of the shell that ran `up`: it
    says whose systemd is meant. `speaks`: READY=1 is waited for."""

    definition: Definition
    process: ProcessOrder
    shell: Mapping[str, str]
    logs: str
    speaks: bool


def unit_name(key: Key) -> str:
    return f"{name(key)}.service"


def identifier(unit: str) -> str:
    """What its lines in the journal are of, whichever of its processes printed them."""
    return unit.removesuffix(".service")


def labels(run: Run, owner: str) -> dict[str, str]:
    return {
        OWNER: owner,
        PROJECT: run.key.project,
        SERVICE: run.key.service,
        NUMBER: str(run.number),
    }


def carried(fields: Iterable[bytes]) -> dict[str, str]:
    """The labels that a unit has in its `LogExtraFields`."""
    found = (bytes(field).decode(errors="replace").partition("=") for field in fields)
    return {name: value for name, _, value in found}


def run_of(labels: Mapping[str, str]) -> Run | None:
    number = labels.get(NUMBER, "")
    if not number.isdecimal():
        return None
    return Run(Key(labels.get(PROJECT, ""), labels.get(SERVICE, "")), int(number))


def properties(run: Run, order: Order, program: str, owner: str, others: Iterable[str]) -> list[Property]:
    """`program`: its path. `others`: the names of variables that systemd would add to its environment."""
    return [*_properties(run, order, program, owner, others)]


def _properties(
    run: Run, order: Order, program: str, owner: str, others: Iterable[str]
) -> Iterator[Property]:
    process, spec = order.process, order.definition.spec
    yield "Description", "s", f"{run.key} of locald"
    yield "Slice", "s", SLICE
    yield "LogExtraFields", "aay", [f"{key}={value}".encode() for key, value in labels(run, owner).items()]
    yield "AddRef", "b", True
    yield "Type", "s", "notify" if order.speaks else "exec"
    yield "NotifyAccess", "s", "all"
    yield "RemainAfterExit", "b", True
    yield "Restart", "s", "no"
    yield "ExecStartEx", "a(sasas)", [[program, list(process.argv), ["no-env-expand"]]]
    yield "WorkingDirectory", "s", process.cwd
    left_out = untaken(process.env)
    given = {key: value for key, value in process.env.items() if key not in left_out}
    yield "Environment", "as", [f"{key}={value}" for key, value in given.items()]
    yield "UnsetEnvironment", "as", sorted(set(others) - process.env.keys())
    yield "UMask", "u", process.umask
    yield from _limits(process.limits)
    yield "StandardInput", "s", "null"
    yield "StandardOutput", "s", "journal"
    yield "StandardError", "s", "journal"
    yield "SyslogIdentifier", "s", identifier(unit_name(run.key))
    yield "SyslogLevelPrefix", "b", False
    yield "LogRateLimitIntervalUSec", "t", 0
    yield "TimeoutStartUSec", "t", INFINITY
    yield "TimeoutStopUSec", "t", round(spec.stop_timeout * SECOND)
    yield "KillMode", "s", "mixed" if spec.kill_mode is KillMode.MIXED else "control-group"
    yield "KillSignal", "i", NUMBERS.get(spec.stop_signal, 15)
    yield "OOMPolicy", "s", "continue"
    if process.watchdog:
        yield "WatchdogUSec", "t", round(process.watchdog * SECOND)


def untaken(env: Mapping[str, str]) -> list[str]:
    """The variables that systemd would refuse, and the whole unit with them: an exported function of a shell,
    bytes that are no text."""
    return sorted(key for key, value in env.items() if not (_NAME.fullmatch(key) and is_text(value)))


def is_text(value: str) -> bool:
    """Whether it can be sent: what is not UTF-8 in the environment is told by surrogates."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _limits(limits: Mapping[str, tuple[int, int]]) -> Iterator[Property]:
    for resource, (soft, hard) in limits.items():
        name = f"Limit{resource.upper()}"
        yield name, "t", INFINITY if hard < 0 else hard
        yield f"{name}Soft", "t", INFINITY if soft < 0 else soft
