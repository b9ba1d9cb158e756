"""The keys of the monitor, in one table for footer, help and bindings, so that they cannot differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Key:
    """`press`: Textual's names of the keys; `shown`: the names for people; `short`: the footer's label."""

    press: str
    shown: str
    action: str
    short: str
    about: str
    group: str
    footer: str = ""
    """on which pane the footer shows it: `*` on all, empty on none"""


NAVIGATION, VIEWS, ACTIONS, LOGS, OTHER = "Navigation", "Views", "Actions", "Logs", "Other"
GROUPS = (NAVIGATION, VIEWS, ACTIONS, LOGS, OTHER)

KEYS = (
    Key("up,k", "↑ k", "", "", "previous service", NAVIGATION),
    Key("down,j", "↓ j", "", "", "next service", NAVIGATION),
    Key("tab", "Tab", "swap", "", "switch between the services and the pane (↑ ↓ scroll it)", NAVIGATION),
    Key("pageup,pagedown", "PgUp PgDn", "", "", "scroll one page", NAVIGATION),
    Key("s", "s", "act('up')", "start", "start the service and its dependencies", ACTIONS, "*"),
    Key("x", "x", "act('stop')", "stop", "stop the service, its dependents first", ACTIONS, "*"),
    Key("r", "r", "act('restart')", "restart", "restart the service (dependents keep running)", ACTIONS, "*"),
    Key("S", "S X R", "act_all('up')", "", "start, stop or restart all services of the project", ACTIONS),
    Key("X", "", "act_all('stop')", "", "", ACTIONS),
    Key("R", "", "act_all('restart')", "", "", ACTIONS),
    Key("1,l", "1 l", "pane('logs')", "", "logs", VIEWS),
    Key("2,w", "2 w", "pane('why')", "", "explain status", VIEWS),
    Key("3,t", "3 t", "pane('timeline')", "", "timeline of the last start", VIEWS),
    Key("4,e", "4 e", "pane('environment')", "", "environment variables and their origin", VIEWS),
    Key("g", "g", "graph", "graph", "switch between the table and the dependency tree", VIEWS, "*"),
    Key("z", "z", "zoom", "zoom", "enlarge the pane, and back", VIEWS, "*"),
    Key(
        "slash",
        "/",
        "search('find')",
        "find",
        "find text (`a|b` matches either, ABC matches case)",
        LOGS,
        "logs",
    ),
    Key("n", "n N", "find(1)", "", "next match, previous match", LOGS),
    Key("N", "", "find(-1)", "", "", LOGS),
    Key(
        "ampersand", "&", "search('only')", "filter", "show only lines with a text (empty: all)", LOGS, "logs"
    ),
    Key("space", "Space", "pause", "pause", "pause or follow (scrolling up pauses)", LOGS, "logs"),
    Key("m", "m", "merge", "merge", "logs of all services, or of the selected one", LOGS, "logs"),
    Key("o", "o", "stream", "stream", "stream: all, stdout, stderr or locald", LOGS),
    Key("v", "v", "level", "level", "minimum level: all, info, warn or error", LOGS),
    Key("left_square_bracket", "[ ]", "event(-1)", "", "previous or next event (start, health, exit)", LOGS),
    Key("right_square_bracket", "", "event(1)", "", "", LOGS),
    Key(
        "left_curly_bracket",
        "{ }",
        "run(-1)",
        "",
        "only the lines of one run: earlier, later",
        LOGS,
    ),
    Key("right_curly_bracket", "", "run(1)", "", "", LOGS),
    Key("y", "y", "copy", "copy", "copy the status as one line", OTHER, "*"),
    Key("d", "d", "dashboard", "", "open the dashboard in a browser", OTHER),
    Key("question_mark", "?", "help", "help", "help", OTHER, "!"),
    Key("q", "q", "quit", "quit", "quit (services keep running)", OTHER, "!"),
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
    return [(name, [key for key in shown if key.group == name]) for name in GROUPS]
