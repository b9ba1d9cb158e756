"""The monitor's layout, and its sixteen colours, each with a contrast of 4.5 or more.

Output of services is shown in these colours too, so that their red is the red of `failed`.
"""

from __future__ import annotations

from rich.terminal_theme import TerminalTheme

DARK = TerminalTheme(
    (18, 18, 18),
    (224, 224, 224),
    [
        (40, 40, 40),
        (255, 107, 107),
        (105, 219, 124),
        (255, 199, 89),
        (116, 164, 255),
        (218, 146, 255),
        (86, 211, 224),
        (205, 205, 205),
    ],
    [
        (138, 138, 138),
        (255, 138, 138),
        (140, 233, 154),
        (255, 224, 130),
        (145, 187, 255),
        (229, 178, 255),
        (123, 227, 237),
        (255, 255, 255),
    ],
)

CSS = """
#head { height: 1; background: $panel; color: $text; }
#trouble { height: auto; padding: 0 1; background: $error; color: $text; display: none; }
#titles { height: 1; color: $text-muted; text-style: bold; }
#facts { height: 2; padding: 0 1; background: $surface; }
#tabs { height: 1; background: $panel; }
#pane { height: 1fr; }
#search { height: 1; border: none; padding: 0 1; background: $boost; display: none; }
#keys { height: 1; background: $panel; }
Roster { overflow-x: hidden; }
LogPane { overflow-x: hidden; overflow-y: scroll; }
Document { padding: 0 1; }
Roster, LogPane, Document, .box {
    scrollbar-size-vertical: 1; scrollbar-color: $primary; scrollbar-background: $surface;
    scrollbar-background-hover: $surface; scrollbar-background-active: $surface;
}
.roster--cursor { background: $primary 45%; }
.roster--selected { background: $foreground 12%; }
.zoomed { display: none; }
Toast { width: 64; max-width: 90%; padding: 0 1; margin-top: 0; }
ModalScreen { align: center middle; background: $background 60%; }
.box {
    width: 76; max-width: 96%; height: auto; max-height: 96%; padding: 0 2; border: round $primary;
    background: $surface;
}
"""
