"""What an action would do, shown before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.text import Text

from locald.faces import states, words

VERBS = {"up": "start", "stop": "stop", "restart": "restart"}
DONE = {"up": "starting", "stop": "stopping", "restart": "restarting"}


@dataclass(frozen=True, slots=True)
class Action:
    """`kind`: up, stop or restart. No services: all of the project."""

    kind: str
    project: str
    services: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return words.listed(list(self.services)) if self.services else f"all services of {self.project}"

    @property
    def question(self) -> str:
        return f"{VERBS[self.kind].capitalize()} {self.what}?"

    @property
    def query(self) -> list[tuple[str, str]]:
        names = [("service", name) for name in self.services]
        return [("action", self.kind), ("project", self.project), *names]

    @property
    def body(self) -> dict[str, Any]:
        return {"project": self.project, "services": list(self.services)}


def told(effect: dict[str, Any]) -> Text:
    """The effect in words: what ends, in which order, and what starts."""
    ends, starts = _names(effect, "ends"), _names(effect, "starts")
    text = Text()
    for sign, word, verb, names in (("○", "stopped", "stops", ends), ("◐", "starting", "starts", starts)):
        if names:
            text.append(f"{sign} ", " ".join(states.colours(word)))
            text.append(f"{verb} ", "bold").append(" → ".join(names)).append("\n")
    if not ends and not starts:
        text.append("nothing to do\n", "dim")
    return text


def _names(effect: dict[str, Any], field: str) -> list[str]:
    found = effect.get(field)
    return [str(name) for name in found] if isinstance(found, list) else []
