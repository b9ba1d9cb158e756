"""Records `locald up` and `locald status` in examples/shop, as the moving picture docs/pictures/up.svg.

    .venv/bin/python tools/recording.py

The commands really run, in a pseudo-terminal and with a locald of their own in a temporary folder. What they
write goes onto a small screen (`Screen`), which knows the few control sequences that locald uses and refuses
all others. Each change of the screen becomes a frame of the picture, shown for as long as it stood. CSS shows
one frame after the other. A reader who wants no motion sees the last one. Ports are the same each time; pids
and times differ, so only run this when the output has changed, and look at what comes out.

`--check` records nothing, and says what is wrong with the picture that is there.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "examples" / "shop"
PICTURE = ROOT / "docs" / "pictures" / "up.svg"
LARGEST = 100_000
COMMANDS = ("up", "status")
COLUMNS, LINES = 96, 24
QUIET = 0.02
"""seconds without output after which a frame is complete: locald writes one in a single piece, or two"""
TYPING, READING, LAST = 0.6, 1.2, 6.0
"""seconds: a command before it runs, what it said before the next one, and the end"""

WIDTH, HEIGHT, MARGIN = 8.4, 20, 16
STYLES = {0: "", 1: "bold", 2: "quiet", 31: "bad", 32: "good", 33: "warn", 94: "busy"}
LOOKS = """\
text { font: 14px ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
text { fill: #dfe5eb; white-space: pre } .bold { font-weight: 700 } .quiet { fill: #98a3ae }
.good { fill: #5fc48b } .busy { fill: #79b4ff } .warn { fill: #e0b34f } .bad { fill: #ff8578 }
.frame { visibility: hidden } .frame:last-of-type { visibility: visible }
"""


class Cell(NamedTuple):
    sign: str = " "
    style: str = ""


@dataclass
class Screen:
    """A terminal that scrolls never and knows little: what locald does on one."""

    lines: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: str = ""

    def take(self, text: str) -> None:
        for control, argument, kind, sign in re.findall(r"(\x1b\[([?\d;]*)([a-zA-Z]))|([\s\S])", text):
            if control:
                self._obey(argument, kind)
            elif sign == "\r":
                self.column = 0
            elif sign == "\n":
                self._go_to(self.row + 1)
            else:
                self._put(sign)

    def _obey(self, argument: str, kind: str) -> None:
        match kind:
            case "m":
                styles = [STYLES[int(number or 0)] for number in argument.split(";")]
                self.style = " ".join(filter(None, styles))
            case "A":
                self._go_to(self.row - int(argument or 1))
            case "K" if argument == "2":
                self.lines[self.row] = []
            case "h" | "l" if argument == "?25":
                pass  # the cursor is not drawn
            case _:
                raise ValueError(f"the screen does not know CSI {argument}{kind}")

    def _go_to(self, row: int) -> None:
        self.row = row
        self.lines += [[] for _ in range(row + 1 - len(self.lines))]

    def _put(self, sign: str) -> None:
        if not sign.isprintable():
            raise ValueError(f"the screen does not know {sign!r}")
        line = self.lines[self.row]
        line += [Cell()] * (self.column + 1 - len(line))
        line[self.column] = Cell(sign, self.style)
        self.column += 1

    def shown(self) -> tuple[tuple[Cell, ...], ...]:
        return tuple(map(tuple, self.lines))


Shown = tuple[tuple[Cell, ...], ...]
Frames = list[tuple[float, Shown]]
"""what is shown, and from when on: seconds since the beginning"""


# Recording.


def record() -> tuple[Frames, float]:
    """The frames, and when the last command had ended."""
    folder = Path(tempfile.mkdtemp(prefix="ld", dir="/tmp"))
    shop = shutil.copytree(SHOP, folder / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | {"LOCALD_HOME": str(folder / "home"), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    environment["LOCALD_PROXY"] = "off"
    try:
        return played(shop, environment)
    finally:
        subprocess.run([*locald(), "server", "stop"], env=environment, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def locald() -> list[str]:
    return [sys.executable, "-m", "locald"]


def played(shop: Path, environment: dict[str, str]) -> tuple[Frames, float]:
    screen, frames, now = Screen(), Frames(), 0.0
    for command in COMMANDS:
        screen.take(f"\x1b[1m$ locald {command}\x1b[0m\r\n")
        frames.append((now, screen.shown()))
        now, began = now + TYPING, time.monotonic()
        for text in written([*locald(), command], shop, environment):
            screen.take(text)
            frames.append((now + time.monotonic() - began, screen.shown()))
        now += time.monotonic() - began + READING
    return frames, now


def written(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """What a command writes to its terminal, in the pieces in which it stands there for a while."""
    end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    piece = b""
    while data := more(end):
        piece += data
        if not select.select([end], [], [], QUIET)[0]:
            yield piece.decode()
            piece = b""
    yield piece.decode()
    os.close(end)
    if process.wait() != 0:
        sys.exit(f"{' '.join(command)} exited with code {process.returncode}")


def more(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # EIO: nobody has the other side any more
        return b""


def of_interest(frames: Frames) -> Frames:
    """Without those that differ from the one before in an amount of time alone."""
    groups = groupby(frames, lambda frame: re.sub(r" *[\d.]+m?s\b", "", words_of(frame[1])))
    together = [list(group) for _, group in groups]
    return [(group[0][0], group[-1][1]) for group in together]


def words_of(shown: Shown) -> str:
    return "\n".join("".join(cell.sign for cell in line) for line in shown)


# Drawing.


def drawn(frames: Frames, until: float) -> str:
    """The picture. Each frame has keyframes of its own, in percent of the whole."""
    whole = until + LAST
    lines = max(len([line for line in shown if line]) for _, shown in frames)
    width, height = COLUMNS * WIDTH + 2 * MARGIN, lines * HEIGHT + 2 * MARGIN
    ends = [start for start, _ in frames[1:]] + [whole]
    timing = [
        moving(number, start / whole, end / whole)
        for number, ((start, _), end) in enumerate(zip(frames, ends, strict=True))
    ]
    style = LOOKS + "@media (prefers-reduced-motion: no-preference) {\n" + "\n".join(timing) + "\n}"
    style = style.replace("WHOLE", f"{whole:.2f}s")
    body = "\n".join(framed(number, shown) for number, (_, shown) in enumerate(frames))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">\n'
        f"<title>locald up and locald status in the shop example</title>\n<style>\n{style}\n</style>\n"
        f'<rect width="100%" height="100%" rx="10" fill="#15191e"/>\n{body}\n</svg>\n'
    )


def moving(number: int, start: float, end: float) -> str:
    """One frame: hidden, visible from its start to its end, and hidden again."""
    before = "" if number == 0 else "0% { visibility: hidden } "
    steps = f"{before}{start:.3%} {{ visibility: visible }} {end:.3%} {{ visibility: hidden }}"
    name = f"f{number}"
    return f".{name} {{ animation: {name} WHOLE step-end infinite }} @keyframes {name} {{ {steps} }}"


def framed(number: int, shown: Shown) -> str:
    lines = [word for row, line in enumerate(shown) for word in set_in(row, line)]
    return f'<g class="frame f{number}">\n' + "\n".join(lines) + "\n</g>"


def set_in(row: int, line: tuple[Cell, ...]) -> Iterator[str]:
    """Each word in its place, whatever the font of the reader."""
    y = MARGIN + row * HEIGHT + 15
    for style, column, text in runs(line):
        kind = f' class="{style}"' if style else ""
        place = f'x="{MARGIN + column * WIDTH:.1f}" y="{y}" textLength="{len(text) * WIDTH:.1f}"'
        yield f"<text {place}{kind}>{html.escape(text)}</text>"


def runs(line: tuple[Cell, ...]) -> Iterator[tuple[str, int, str]]:
    """The style, the column and the text of what stands together: alike, and with no more than one space."""
    column = 0
    for style, cells in groupby(line, lambda cell: cell.style):
        text = "".join(cell.sign for cell in cells)
        for found in re.finditer(r"\S+( \S+)*", text):
            yield style, column + found.start(), found.group()
        column += len(text)


# The command.


def faults() -> list[str]:
    """What is wrong with the picture."""
    if not PICTURE.exists():
        return [f"{PICTURE.name} is missing: run tools/recording.py"]
    found = []
    last = list(ET.parse(PICTURE).getroot().iter("{http://www.w3.org/2000/svg}g"))[-1]
    text = " ".join(last.itertext()).split()
    services = tomllib.loads((SHOP / "locald.toml").read_text(encoding="utf-8"))["services"]
    found += [f"{PICTURE.name} ends without {name}" for name in services if name not in text]
    if (size := PICTURE.stat().st_size) > LARGEST:
        found.append(f"{PICTURE.name} has {size} bytes; {LARGEST} are allowed")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Record `locald up` for the documentation.")
    parser.add_argument("--check", action="store_true", help="record nothing; say what is wrong")
    if not parser.parse_args().check:
        frames, until = record()
        PICTURE.write_text(drawn(of_interest(frames), until), encoding="utf-8")
    found = faults()
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
