"""Regular expressions that people wrote, looked for in lines that programs wrote, each with a limit of time.

Some patterns take years on some lines: `(a|aa)+$` on sixty letters a. Python's own `re` cannot be interrupted
and lets nothing else run meanwhile, so a slip in a `log` check would stop the whole daemon. The `regex`
package reads the same language, brings most such patterns to an end at once, and keeps a limit for the rest.
What it reads otherwise than Python does (`{e}` behind a letter: "with errors") is escaped before. Most
patterns are plain words, which need none of this: those are looked for as they are, many times faster.

The limit is of the processor's time, so a busy machine makes no pattern slow. But it is that of all our
threads, and one of them may be busy with a large history meanwhile: so a search that ran out of time and had
little of it himself looks again.
"""

from __future__ import annotations

import re
import time
import warnings
from typing import TYPE_CHECKING

from locald.domain.values import duration

if TYPE_CHECKING:
    import regex

_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?!\d+,?\d*\}|,\d*\})", re.DOTALL)
"""what stands behind a backslash, or a brace that is not a number of times: for Python that is a brace"""

_MEANING = frozenset(r".^$*+?{}[]\|()")
"""characters that mean something other than themselves"""

LOOKS = 5
"""at one line, where others of our threads took the time"""
OWN = 0.3
"""share of the limit that a thread must have had itself, of two or three that run at once"""


class TooSlow(Exception):
    """In one sentence: looking took longer than it may."""


class Pattern:
    """Raises re.error (on making) for what Python does not read."""

    def __init__(self, text: str, limit: float) -> None:
        """`limit`: seconds that looking in one line may take."""
        self.text = text
        self._limit = limit
        self._compiled = None if _MEANING.isdisjoint(text) else _compiled(text)

    def found_in(self, line: str) -> bool:
        """Whether the pattern matches somewhere in the line. Other threads run meanwhile. Raises TooSlow."""
        if self._compiled is None:
            return self.text in line
        for _ in range(LOOKS):
            began = time.thread_time()
            try:
                return self._compiled.search(line, timeout=self._limit, concurrent=True) is not None
            except TimeoutError:
                if time.thread_time() - began > OWN * self._limit:
                    break
        length = f"{len(line)} character{'s' * (len(line) != 1)}"
        what = f"matching /{self.text}/ against a line of {length} took longer than"
        raise TooSlow(f"{what} {duration.show(self._limit)}")


def _compiled(text: str) -> regex.Pattern[str]:
    import regex  # it takes 30 ms to import, and few projects have a use for it

    re.compile(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return regex.compile(_BRACE.sub(lambda found: found[1] or r"\{", text))
        except regex.error as error:
            raise re.error(str(error)) from None
