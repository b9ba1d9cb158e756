"""The sixteen colours as they look on the monitor's dark ground, each with a contrast of 4.5 or more there.

What services print is shown in them too, so that their red is the red of `failed`.
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
