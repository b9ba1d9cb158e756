"""What a person meant who wrote a key that does not exist: a slip of the finger, or another tool's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.values.faults import near

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS_OF_OTHERS = {
    "service": "services",
    "processes": "services",
    "programs": "services",
    "cmd": "command",
    "run": "command",
    "exec": "command",
    "start": "command",
    "script": "command",
    "entrypoint": "command",
    "container": "image",
    "ports": "port",
    "listen": "port",
    "expose": "container_port",
    "target_port": "container_port",
    "mounts": "volumes",
    "environment": "env",
    "vars": "env",
    "dotenv": "env_file",
    "cwd": "workdir",
    "dir": "workdir",
    "directory": "workdir",
    "working_dir": "workdir",
    "needs": "depends_on",
    "requires": "depends_on",
    "after": "depends_on",
    "deps": "depends_on",
    "health": "health_check",
    "readiness_probe": "health_check",
    "ready": "health_check",
    "startup_timeout": "start_timeout",
    "timeout": "start_timeout",
    "restart_policy": "restart",
    "startretries": "max_restarts",
    "signal": "stop_signal",
    "grace_period": "stop_timeout",
    "kill_timeout": "stop_timeout",
    "stop_grace_period": "stop_timeout",
    "url": "path",
    "regex": "pattern",
    "match": "pattern",
    "kind": "type",
    "pty": "tty",
    "stdin_open": "stdin",
    "interactive": "stdin",
    "input": "stdin",
}


def meant(key: str, allowed: Iterable[str]) -> str | None:
    """The key that was meant, of those that are allowed; None when nothing is near."""
    allowed = list(allowed)
    word = _WORDS_OF_OTHERS.get(key.lower().replace("-", "_"), "")
    return word if word in allowed else near(key, allowed)


def hint(key: str, allowed: Iterable[str]) -> str:
    """`did you mean "command"?`, or all keys that there are."""
    allowed = list(allowed)
    word = meant(key, allowed)
    return f'did you mean "{word}"?' if word else f"allowed keys: {', '.join(sorted(allowed))}"
