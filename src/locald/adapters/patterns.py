"""Regular expressions that people wrote, looked for in lines that programs wrote, each with a limit of time.

Some patterns take years on some lines: `(a|aa)+$` on sixty letters a. Python's own `re` cannot be interrupted
and lets nothing else run meanwhile, so a slip in a `log` check would stop the whole daemon. The `regex`
package reads the same language, brings most such patterns to an end at once, and keeps a limit for the rest.
What it reads otherwise than Python does (`{e}` behind a letter: "with errors") is escaped before. Most
patterns are plain words, which need none of this: those are looked for as they are, many times faster.

The limit is of the time that the processor gives to the looking itself, so neither a busy machine nor our
other threads make a pattern slow. `regex` counts the time of all threads. So a search that ran out of it, and
had not all of it itself, looks again and may take twice as much: that ends, for it grows as fast as what
others take.

In many lines at once, those are looked for first that have a word of which the pattern needs one (see
`needed_words`); only in these the pattern itself is tried.

Who looks in many lines may set an end to all of it as well: a pattern that needs a tenth of a second for each
of a million lines is slow in none of them. A sound one needs less for a line and a character than it is given
for them, so it comes to its end in the largest history.
"""

from __future__ import annotations

import math
import re
import time
import warnings
from typing import TYPE_CHECKING

from locald.adapters.needed_words import words_of
from locald.domain.values import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import regex

    from locald.adapters.needed_words import Words

_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?!\d+,?\d*\}|,\d*\})", re.DOTALL)
"""what stands behind a backslash, or a brace that is not a number of times: for Python that is a brace"""

_MEANING = frozenset(r".^$*+?{}[]\|()")
"""characters that mean something other than themselves"""

OWN = 0.9
"""share of the limit that the looking itself must have had; the two clocks differ a little"""
BY_LINE, BY_CHARACTER = 20e-6, 1e-6
"""seconds that a sound pattern may take for each, which is ten times what it takes"""


class TooSlow(Exception):
    """In one sentence: looking took longer than it may."""


class Pattern:
    """Raises re.error (on making) for what Python does not read."""

    def __init__(self, text: str, limit: float, whole: float = math.inf) -> None:
        """`limit`: seconds that looking in one line may take. `whole`: seconds that looking in all lines may
        take beyond what is usual for so many."""
        self.text = text
        self._limit = limit
        self._whole = self._left = whole
        self._compiled = None if _MEANING.isdisjoint(text) else _compiled(text)
        self._next = self._plainly if self._compiled is None else _finder(words_of(text))

    def found_in(self, line: str) -> bool:
        """Whether the pattern matches somewhere in the line. Other threads run meanwhile. Raises TooSlow."""
        if self._compiled is None:
            return self.text in line
        began = time.thread_time()
        found = self._looked(self._compiled, line)
        self._spend(time.thread_time() - began, line)
        return found

    def lines_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the lines are in which it is found: where each begins and the next one does. Raises TooSlow.

        `text`: whole lines, each with its end.
        """
        for start, end in self._candidates(text):
            if self.found_in(text[start : end - 1]):
                yield start, end

    def _candidates(self, text: str) -> Iterator[tuple[int, int]]:
        """The lines in which it may be found."""
        start = 0
        while start < len(text) and (near := self._next(text, start)) >= 0:
            start = text.rfind("\n", start, near) + 1 or start
            end = text.index("\n", near) + 1
            yield start, end
            start = end

    def _plainly(self, text: str, start: int) -> int:
        return text.find(self.text, start)

    def _looked(self, compiled: regex.Pattern[str], line: str) -> bool:
        may_take = self._limit
        while True:
            began = time.thread_time()
            try:
                return compiled.search(line, timeout=may_take, concurrent=True) is not None
            except TimeoutError:
                if time.thread_time() - began >= OWN * self._limit:
                    break
                may_take *= 2
        length = f"{len(line)} character{'s' * (len(line) != 1)}"
        what = f"matching /{self.text}/ against a line of {length} took longer than"
        raise TooSlow(f"{what} {duration.show(self._limit)}")

    def _spend(self, seconds: float, line: str) -> None:
        usual = BY_LINE + len(line) * BY_CHARACTER
        self._left = min(self._left + usual - seconds, self._whole)
        if self._left < 0:
            what = f"matching /{self.text}/ against all lines took longer than"
            raise TooSlow(f"{what} {duration.show(self._whole)}")


def _finder(words: Words | None) -> Callable[[str, int], int]:
    """What says where in a text, from a place on, something is that is in every match, or -1."""
    if words is None:
        return lambda _, start: start
    if len(words.words) == 1 and not words.any_case:
        return lambda text, start: text.find(words.words[0], start)
    compiled = _compiled("(?i)" * words.any_case + "|".join(map(re.escape, words.words)))
    return lambda text, start: found.start() if (found := compiled.search(text, start)) else -1


def _compiled(text: str) -> regex.Pattern[str]:
    import regex  # it takes 30 ms to import, and few projects have a use for it

    re.compile(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return regex.compile(_BRACE.sub(lambda found: found[1] or r"\{", text))
        except regex.error as error:
            raise re.error(str(error)) from None
