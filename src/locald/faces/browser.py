"""Opens a page in a browser, where there is one.

`$BROWSER` is the user's choice, also over ssh: editors set it there to a program that opens the page at the
other end. Else a display tells that there is a browser, and the desktop knows which.
"""

from __future__ import annotations

import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FAILS_WITHIN = 2.0
"""seconds: what has not failed by then is taken for a browser that runs"""
OF_A_DESKTOP = (
    ["xdg-open"],
    ["gio", "open"],
    ["sensible-browser"],
    ["x-www-browser"],
    ["firefox"],
    ["chromium"],
    ["google-chrome"],
)


def show(url: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Open the page. Whether there was something to open it with, and it did not fail at once."""
    return any(_run(command) for command in _commands(url, environ))


def _commands(url: str, environ: Mapping[str, str]) -> list[list[str]]:
    """The ways to open it that this machine has, the best first."""
    wanted = [choice.split() for choice in environ.get("BROWSER", "").split(":") if choice.strip()]
    found = [_with(url, words) for words in wanted]
    if environ.get("WSL_DISTRO_NAME"):
        found.append(["wslview", url])
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        found += [[*words, url] for words in OF_A_DESKTOP]
    return [command for command in found if shutil.which(command[0], path=environ.get("PATH"))]


def _with(url: str, words: list[str]) -> list[str]:
    """By the custom of `$BROWSER`, `%s` stands for the address; without it, it comes last."""
    filled = [word.replace("%s", url) for word in words]
    return filled if filled != words else [*words, url]


def _run(command: list[str]) -> bool:
    """Start it on its own: it may outlive us, and has nothing to say on our terminal."""
    import subprocess

    nowhere = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except OSError:
        return False
    try:
        return process.wait(FAILS_WITHIN) == 0
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it runs, and nothing waits for it
        return True
