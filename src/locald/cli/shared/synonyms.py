"""Words of other tools for what locald calls by another name.

Who comes from docker compose, kubectl, process-compose or systemctl types what the fingers know. None of
these words does anything here: they only lead to the word that does, when a command line is refused.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

COMMANDS = {
    **dict.fromkeys(("ps", "list", "ls", "state", "info", "health"), "status"),
    **dict.fromkeys(("run", "start", "create", "apply", "reload"), "up"),
    **dict.fromkeys(("kill", "halt", "pause"), "stop"),
    **dict.fromkeys(("rm", "remove", "delete", "destroy"), "down"),
    **dict.fromkeys(("tail", "log", "journal"), "logs"),
    **dict.fromkeys(("events", "follow"), "logs -f"),
    **dict.fromkeys(("history", "trace"), "timeline"),
    **dict.fromkeys(("env", "environment", "printenv"), "exec SERVICE -- env"),
    **dict.fromkeys(("explain", "describe", "inspect"), "why"),
    **dict.fromkeys(("top", "ui", "tui"), "monitor"),
    **dict.fromkeys(("validate", "lint", "check"), "config check"),
    "shell": "exec",
    "daemon": "server",
    **dict.fromkeys(("web", "graph"), "dashboard"),
    "watch": "status --watch",
    "new": "init",
}
"""What to run for a command that there is not."""

OPTIONS = (
    {"n", "tail", "lines", "last", "limit"},
    {"f", "follow", "w", "watch"},
    {"d", "detach", "detached", "D", "daemon", "background", "no-wait"},
    {"json", "o", "output", "format"},
    {"a", "all", "A", "all-projects", "all-namespaces"},
    {"C", "directory", "dir", "cwd", "chdir", "project-directory"},
    {"grep", "g", "e", "filter", "search"},
    {"timeout", "t", "max-wait"},
    {"no-open", "no-browser"},
    {"line", "oneline", "short"},
    {"version", "v", "V"},
)
"""Options of one meaning, without their dashes. A command has one of each set at most."""

IMPLIED = {"exec": {"it", "ti", "i", "t", "interactive", "tty"}, "up": {"wait"}, "down": {"remove-orphans"}}
"""Options for what a command does anyway."""


def option(word: str, flags: Iterable[str]) -> str:
    """Of the flags the one that the word means, long for a long one if there is; or nothing."""
    name, is_long = word.lstrip("-"), word.startswith("--")
    alike = next((group for group in OPTIONS if name in group), frozenset[str]())
    found = [flag for flag in flags if flag.lstrip("-") in alike]
    return next((flag for flag in found if flag.startswith("--") == is_long), "".join(found[:1]))
