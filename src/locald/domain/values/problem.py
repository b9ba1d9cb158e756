"""What is wrong, where, and what to do about it: the one shape of every error that people see.

Written by hand, not as a dataclass: `locald status` reads this module at each start, and importing
`dataclasses` alone would take longer than all of its own work.
"""

from __future__ import annotations


class Problem:
    """One sentence of what, the place it is about, and the next step. A value: equal by content, fixed.

    `where` is a place like `locald.toml:12: services.web.comand` or empty;
    `hint` is what to do next, without the word `hint:`, or empty.
    `is_warning`: nothing is refused because of it.
    """

    __slots__ = ("hint", "is_warning", "what", "where")

    what: str
    where: str
    hint: str
    is_warning: bool

    def __init__(self, what: str, where: str = "", hint: str = "", *, is_warning: bool = False) -> None:
        facts = (("what", what), ("where", where), ("hint", hint), ("is_warning", is_warning))
        for name, value in facts:
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a problem does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self._facts())

    def __repr__(self) -> str:
        warning = ", is_warning=True" if self.is_warning else ""
        return f"Problem(what={self.what!r}, where={self.where!r}, hint={self.hint!r}{warning})"

    def __str__(self) -> str:
        return f"{self.head}\nhint: {self.hint}" if self.hint else self.head

    @property
    def head(self) -> str:
        """The problem without its hint, on one line: `where: what`."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def as_warning(self) -> Problem:
        return Problem(self.what, self.where, self.hint, is_warning=True)

    def _facts(self) -> tuple[str, str, str, bool]:
        return self.what, self.where, self.hint, self.is_warning


class Refused(Exception):
    """Something asked for cannot be done; nothing has changed. Carries every problem found, and the
    warnings that belong with them."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
