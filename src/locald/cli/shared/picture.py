"""What a terminal shows of services that are waited for: one line each.

A reason that does not fit is not cut but goes on below, and so does the step that follows from it. Where the
terminal is not high enough for all of that, the worst off are unfolded first, and what is ready gives way.
Widths are those of a terminal's cells. This imports rich: only who draws pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from locald.faces import states, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

BESIDE = 30
"""cells that a reason needs beside the word to go on below itself; with fewer it stands below its service"""
INDENTED = 4
LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class Entry:
    """A service, in plain text. `elapsed`: how long it took or takes; `hint`: a step, or empty."""

    name: str
    word: str
    reason: str
    elapsed: str
    hint: str = ""

    @property
    def is_ready(self) -> bool:
        return states.tone(self.word) == "good"


def picture(entries: Sequence[Entry], console: Console, width: int, room: int, *, colour: bool) -> list[Text]:
    """Lines of at most `width` cells, `room` of them at most."""
    return _Picture(entries, console, width, colour).lines(room)


class _Picture:
    def __init__(self, entries: Sequence[Entry], console: Console, width: int, colour: bool) -> None:
        self._entries, self._console, self._width, self._colour = entries, console, width, colour
        longest_name = max((cell_len(each.name) for each in entries), default=0)
        self._name = min(longest_name, LONGEST_NAME, width // 3)
        self._word = max((len(each.word) for each in entries), default=0)
        self._elapsed = max((len(each.elapsed) for each in entries), default=0)
        self._begin = 2 + self._name + 1 + self._word + 1
        self._beside = width - self._begin - (self._elapsed + 1 if self._elapsed else 0)
        self._indent = INDENTED if self._beside < BESIDE else self._begin

    def lines(self, room: int) -> list[Text]:
        late = [place for place, entry in enumerate(self._entries) if not entry.is_ready]
        late = sorted(late, key=self._rank)[: room if len(self._entries) <= room else room - 1]
        unfolded = self._unfolded(late, room - 1 - len(late))
        left = room - sum(map(len, unfolded.values()))
        ready = [place for place, entry in enumerate(self._entries) if entry.is_ready]
        ready = ready if len(ready) <= left else ready[: left - 1]
        shown = unfolded | {place: [self._cut(place)] for place in ready}
        lines = [line for place in sorted(shown) for line in shown[place]]
        hidden = len(self._entries) - len(shown)
        return [*lines, self._rest(hidden)][:room] if hidden else lines

    def _unfolded(self, places: Sequence[int], left: int) -> dict[int, list[Text]]:
        """The lines of each, with what stands below as long as there is room for all of it."""
        found: dict[int, list[Text]] = {}
        for place in places:
            beside, below = self._split(self._entries[place])
            if len(below) > left:
                found[place] = [self._cut(place)]
            else:
                found[place] = [self._line(place, beside), *map(self._under, below)]
                left -= len(below)
        return found

    def _rank(self, place: int) -> int:
        """The worst off comes first."""
        return states.rank(self._entries[place].word)

    def _under(self, text: str) -> Text:
        line = Text(f"{' ' * self._indent}{text}")
        line.truncate(self._width)
        return line

    def _split(self, entry: Entry) -> tuple[str, list[str]]:
        """What stands beside the word, and what below. Of what is ready nothing does: its address is no
        reason."""
        if entry.is_ready:
            return entry.reason, []
        hint = self._wrapped(f"hint: {entry.hint}", self._width - self._indent) if entry.hint else []
        if cell_len(entry.reason) <= self._beside:
            return entry.reason, hint
        if self._beside < BESIDE:
            return "", [*self._wrapped(entry.reason, self._width - self._indent), *hint]
        first, *rest = self._wrapped(entry.reason, self._beside)
        return first, [*rest, *hint]

    def _wrapped(self, text: str, width: int) -> list[str]:
        return [line.plain.rstrip() for line in Text(text).wrap(self._console, max(width, 1))]

    def _cut(self, place: int) -> Text:
        return self._line(place, self._entries[place].reason)

    def _line(self, place: int, reason: str) -> Text:
        entry = self._entries[place]
        style = " ".join(states.colours(entry.word)) if self._colour else ""
        line = Text.assemble(
            (states.sign(entry.word), style),
            f" {_fitted(entry.name, self._name)} ",
            (_fitted(entry.word, self._word), style),
            f" {_fitted(reason, self._beside)} {entry.elapsed.rjust(self._elapsed)}",
        )
        line.rstrip()
        line.truncate(self._width)
        return line

    def _rest(self, hidden: int) -> Text:
        return self._under(f"and {words.counted(hidden, 'more service')}")


def _fitted(text: str, width: int) -> str:
    """Of exactly this width, with an ellipsis in place of what is cut off."""
    width = max(width, 0)
    if cell_len(text) <= width or not width:
        return set_cell_size(text, width)
    return set_cell_size(f"{set_cell_size(text, width - 1).rstrip()}…", width)
