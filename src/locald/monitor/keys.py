"""The keys, what each does, and how many of them there is room to show.

One table for the footer, the help and the bindings, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Key:
    """`press`: names of keys as Textual calls them; `shown`: as people do. `short` stands in the footer."""

    press: str
    shown: str
    action: str
    short: str
    about: str
    group: str
    footer: str = ""
    """on which pane the footer shows it: `*` on all, empty on none"""


MOVE, LOOK, LOGS, ACT, OTHER = "Move", "Look", "In the logs", "Act", "Else"

KEYS = (
    Key("up,k", "↑ k", "", "", "the service above", MOVE),
    Key("down,j", "↓ j", "", "", "the service below", MOVE),
    Key("tab", "Tab", "swap", "", "between services and the pane below, which ↑ ↓ then scroll", MOVE),
    Key("pageup,pagedown", "PgUp PgDn", "", "", "scroll by a page", MOVE),
    Key("s", "s", "act('up')", "start", "start the selected service and what it depends on", ACT, "*"),
    Key("x", "x", "act('stop')", "stop", "stop it, and what depends on it first", ACT, "*"),
    Key("r", "r", "act('restart')", "restart", "restart it; what depends on it keeps running", ACT, "*"),
    Key("S", "S X R", "act_all('up')", "", "the same with all services of its project", ACT),
    Key("X", "", "act_all('stop')", "", "", ACT),
    Key("R", "", "act_all('restart')", "", "", ACT),
    Key("1,l", "1 l", "pane('logs')", "", "what it printed", LOOK),
    Key("2,w", "2 w", "pane('why')", "", "why it is not ready, or what its health rests on", LOOK),
    Key("3,t", "3 t", "pane('timeline')", "", "how the last start went", LOOK),
    Key("4,e", "4 e", "pane('environment')", "", "its environment, and where each value comes from", LOOK),
    Key("g", "g", "graph", "graph", "the tree of dependencies in place of the table, and back", LOOK, "*"),
    Key("z", "z", "zoom", "zoom", "the pane alone, and back", LOOK, "*"),
    Key(
        "slash",
        "/",
        "search('find')",
        "find",
        "search; lower case finds both, `a|b` finds either",
        LOGS,
        "logs",
    ),
    Key("n", "n N", "find(1)", "", "the next place, the one before", LOGS),
    Key("N", "", "find(-1)", "", "", LOGS),
    Key(
        "ampersand",
        "&",
        "search('only')",
        "only",
        "only lines with these words; none: all lines",
        LOGS,
        "logs",
    ),
    Key("space", "Space", "pause", "pause", "pause, and follow again; scrolling up pauses too", LOGS, "logs"),
    Key("m", "m", "merge", "merge", "all services together, or the selected one", LOGS, "logs"),
    Key("o", "o", "stream", "stream", "both streams, stdout, stderr, or what locald did", LOGS),
    Key("v", "v", "level", "level", "all levels, or only info, warnings, errors", LOGS),
    Key(
        "left_square_bracket",
        "[ ]",
        "event(-1)",
        "",
        "the moment before and after at which it started, changed or ended",
        LOGS,
    ),
    Key("right_square_bracket", "", "event(1)", "", "", LOGS),
    Key("y", "y", "copy", "copy", "copy how it is in one line, to be sent to somebody", OTHER, "*"),
    Key("d", "d", "dashboard", "", "open the dashboard in a browser", OTHER),
    Key("question_mark", "?", "help", "help", "this help", OTHER, "!"),
    Key("q", "q", "quit", "quit", "leave; services keep running", OTHER, "!"),
)


def footer(pane: str, width: int, *, reading: bool) -> Text:
    """The keys of this pane in one line; `help` and `quit` always have their place.

    `reading`: the pane is used and not the list of services, so its own keys come first.
    """
    last = _told([key for key in KEYS if key.footer == "!"])
    shown = [key for key in KEYS if key.footer in ("*", pane)]
    text = Text(no_wrap=True)
    for key in sorted(shown, key=lambda key: (key.footer == "*") == reading):
        one = _told([key])
        if text.cell_len + one.cell_len + last.cell_len <= width:
            text.append_text(one)
    text.append(" " * max(width - text.cell_len - last.cell_len, 0))
    return text.append_text(last)


def _told(keys: Iterable[Key]) -> Text:
    text = Text(no_wrap=True)
    for key in keys:
        text.append(f" {key.shown}", "bold cyan").append(f" {key.short} ")
    return text


def groups() -> list[tuple[str, Sequence[Key]]]:
    """For the help: the keys that it names."""
    shown = [key for key in KEYS if key.shown]
    return [(name, [key for key in shown if key.group == name]) for name in (MOVE, LOOK, ACT, LOGS, OTHER)]
