"""What is wrong, where, and what to do about it: the one shape of every error that people see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence of what, the place it is about, and the next step.

    `where` is a place like `locald.toml:12: services.web.comand` or empty;
    `hint` is what to do next, without the word `hint:`, or empty.
    """

    what: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\nhint: {self.hint}" if self.hint else head


class Refused(Exception):
    """Something asked for cannot be done; nothing has changed. Carries every problem found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
