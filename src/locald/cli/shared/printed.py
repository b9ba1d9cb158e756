"""Output of services on standard output, for a person or a pipe: line by line, or many lines at once.

Lines of several services begin with their names. On a terminal only their colours are left of what steers it,
and a bar tells the two streams apart; elsewhere the daemon has taken out the escape sequences already, so
that many lines are written as they came, and only what stands before each is put in between.
"""

from __future__ import annotations

import sys

from locald.cli.shared import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Entry = dict[str, Any]


class Printer:
    def __init__(self, names: Callable[[], Sequence[str]], *, with_times: bool = False) -> None:
        """`names`: asks for those of all services that lines may be of, once, if nobody has told them."""
        self._with_times = with_times
        self._ask = names
        self._names: Sequence[str] | None = None
        self._colour, self._terminal = say.has_colour(sys.stdout), say.is_terminal(sys.stdout)
        self._prefixes: dict[tuple[str, str], str] = {}

    def tell_names(self, names: Sequence[str]) -> None:
        self._names = names

    def line(self, entry: Entry) -> None:
        """An object of `logs --json`."""
        time = f"{say.paint(entry['at'], 'dim', on=self._colour)} " if self._with_times else ""
        sys.stdout.write(f"{time}{self._prefix(entry)}{self._shown(entry['line'])}\n")

    def lines(self, head: Entry, data: bytearray) -> None:
        """Many of a `service` and a `stream`, in UTF-8, each with its end."""
        prefix = self._prefix(head)
        if self._terminal:
            lines = data.decode("utf-8", "replace")[:-1].split("\n")
            sys.stdout.write("".join(f"{prefix}{self._shown(line)}\n" for line in lines))
            return
        if prefix:
            before = prefix.encode()
            data = data.replace(b"\n", b"\n" + before)
            data[:0] = before
            del data[len(data) - len(before) :]
        _write(data)

    def _shown(self, text: str) -> str:
        if not self._terminal:
            return text
        from locald.faces.steering import CONTROL_BUT_TAB
        from locald.faces.text import colours_only

        return colours_only(text) if self._colour else CONTROL_BUT_TAB.sub("", text)

    def _prefix(self, entry: Entry) -> str:
        key = entry["service"], entry["stream"]
        if (known := self._prefixes.get(key)) is None:
            known = self._prefixes[key] = self._made_prefix(*key)
        return known

    def _made_prefix(self, name: str, stream: str) -> str:
        if self._names is None:
            self._names = self._ask()
        several = len(self._names) > 1
        bar = self._bar(stream, several)
        if not several:
            return bar
        padded = f"{name:<{max(map(len, self._names))}}"
        if self._colour:
            from locald.faces.words import name_colours

            padded = say.paint(padded, name_colours(self._names).get(name, "blue"), on=True)
        return f"{padded} {bar}"

    def _bar(self, stream: str, several: bool) -> str:
        """What stands between name and line, and tells the streams apart for a person."""
        if stream == "locald":
            return say.paint("| locald: " if several else "locald: ", "dim", on=self._colour)
        if stream == "stderr" and self._terminal:
            return say.paint("! ", "dim", on=self._colour)
        return "| " if several else ""


def _write(data: bytearray) -> None:
    """Text in UTF-8, as it is where that is what standard output speaks."""
    if (sys.stdout.encoding or "").lower() in ("utf-8", "utf8"):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    else:
        sys.stdout.write(data.decode())
