"""Makes the pictures of the documentation anew: the dashboard and the pages in place of services in a real
browser, the monitor in its terminal.

    .venv/bin/python tools/screenshots.py [PICTURE…]

They show `tools/demo/`, a project in which one thing has failed, in a locald of its own. What they show is
the same each time; times, ports and ids differ, so only run this when the faces have changed, and look at
what comes out. It takes Debian's chromium, fonts-dejavu and a built page (`./locald dashboard` builds it).

`--check` makes none, and says what is wrong with those there are: missing, too large, or shown nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "tools" / "demo"
DOCS = ROOT / "docs"
PICTURES = DOCS / "pictures"
LARGEST = 150_000
"""bytes of a picture: whoever reads the documentation loads them all"""
TERMINAL = (100, 30)
ALIKE = 48
"""of two colours, squared: about what two neighbouring shades of an edge differ by"""
SCALE = 1.5
"""pixels of a picture for one of the page: sharp, and yet small"""


class Shot(NamedTuple):
    route: str
    sign: str
    """what is there once the view is complete"""
    theme: str = "light"
    width: int = 1180
    height: int = 620
    click: str = ""
    """what is clicked before"""
    hover: str = ""
    name: str = ""
    """of a service: the page that is in its place, by name, and not the dashboard"""


SHOTS = {
    "services": Shot("/project/shop/services", "td.memory:has-text('MB')", width=1400, height=450),
    "services-dark": Shot("/project/shop/services", "td.memory:has-text('MB')", "dark", 1400, 450),
    "graph": Shot("/project/shop/graph", "[data-node=suggest]", height=400, hover="[data-node=suggest]"),
    "timeline": Shot("/project/shop/timeline", ".slow", height=580),
    "why": Shot("/service/shop/suggest/why", "section .line:has-text('no space left')", height=690),
    "logs": Shot("/project/shop/logs", ".line:has-text('GET')", "dark", height=550),
    "effect": Shot(
        "/project/shop/services", "dialog[open]", width=1400, height=450, click="[aria-label='Stop cache']"
    ),
    "phone": Shot("/project/shop/services", "td.memory:has-text('MB')", "dark", 390, 811),
    "in-place": Shot("", "h1:has-text('search is blocked')", height=600, name="search"),
    "in-place-phone": Shot("", "h1:has-text('index failed')", "dark", 390, 700, name="index"),
    "unknown-name": Shot("", "h1:has-text('No service')", "dark", height=500, name="shpo"),
}
MONITOR = "monitor"
NAMES = (*SHOTS, MONITOR)


class Demo:
    """A locald of its own that runs the demonstration, by name too if there is to be a proxy."""

    def __init__(self, folder: Path, *, has_proxy: bool) -> None:
        self.folder = folder / "shop"
        self.home = folder / "home"
        shutil.copytree(DEMO, self.folder)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        proxy = "on" if has_proxy else "off"
        self.environment = kept | {"LOCALD_HOME": str(self.home), "LANG": "C.UTF-8", "LOCALD_PROXY": proxy}

    def locald(self, *arguments: str, good: bool = True) -> str:
        command = [sys.executable, "-m", "locald", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if good and done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def begin(self) -> None:
        """Three starts, the last of them slow; then let all talk."""
        for _ in range(2):
            self.locald("up", good=False)
            self.locald("stop")
        (self.folder / "slow").write_text("api")
        self.locald("up", good=False)
        (self.folder / "talk").touch()

    def end(self) -> None:
        self.locald("down", good=False)
        self.locald("server", "stop", good=False)


@contextmanager
def demo(*, has_proxy: bool) -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="ld", dir="/tmp"))
    made = Demo(folder, has_proxy=has_proxy)
    try:
        made.begin()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


# The dashboard.


def photograph(browser: Browser, made: Demo, shot: Shot) -> bytes:
    is_phone = shot.width < 600
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=2 if is_phone else SCALE * 1180 / shot.width,
        color_scheme=shot.theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        ignore_https_errors=True,  # nobody trusts its authority
    )
    page = context.new_page()
    if shot.name:
        port = json.loads(made.locald("proxy", "status", "--json"))["https_port"]
        page.goto(f"https://{shot.name}.shop.localhost:{port}/")
    else:
        page.goto(made.locald("dashboard", "--url").strip())
        page.goto(f"{page.url.partition('#')[0]}#{shot.route}")
        neutral(page, made)
    if shot.click:
        page.locator(shot.click).first.click()
    page.locator(shot.sign).last.wait_for()
    if shot.hover:
        page.locator(shot.hover).hover()
    page.evaluate("() => new Promise((done) => setTimeout(done, 400))")  # for what fades in
    picture = page.screenshot()
    context.close()
    return picture


def neutral(page: Page, made: Demo) -> None:
    """Show the folder as anybody's."""
    page.evaluate(
        """([from, to]) => {
          const change = () => document.querySelectorAll("bdi").forEach((one) => {
            if (one.textContent.startsWith(from)) one.textContent = to + one.textContent.slice(from.length);
          });
          new MutationObserver(change).observe(document.body, { childList: true, subtree: true });
          change();
        }""",
        [str(made.folder), "/home/ada/shop"],
    )


# The monitor.


async def drawn(made: Demo) -> str:
    """Its screen, as SVG."""
    os.environ["LOCALD_HOME"] = str(made.home)
    from locald.monitor.start import monitor
    from locald.wire.home import Home

    rows = json.loads(made.locald("status", "--json"))["services"]
    app = monitor(Home.find(), str(made.folder), rows, dict)
    async with app.run_test(size=TERMINAL) as pilot:
        await pilot.pause(1.5)
        await pilot.press("w")
        for _ in range(len(rows)):
            await pilot.press("down")
        await pilot.pause(1.0)
        return app.export_screenshot()


def rendered(browser: Browser, svg: str) -> bytes:
    """As a picture, with a font that is here: the SVG names one that would come from the network."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, device_scale_factor=1.25)
    page = context.new_page()
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono")
    style = "body { margin: 0; background: #292929 } svg { width: 1100px; display: block }"
    page.set_content(f"<style>{style}</style>{svg}")
    picture = page.locator("svg").first.screenshot()
    context.close()
    return picture


# Small files.


class Pixels(NamedTuple):
    width: int
    height: int
    data: list[bytes]
    """three bytes each, row by row"""


def smaller(png: bytes) -> bytes:
    """The same picture in 256 colours, which for lines and letters are enough."""
    pixels = decoded(png)
    often = Counter(pixels.data)
    palette = spread(often)
    place = {colour: nearest(colour, palette) for colour in often}
    rows = range(0, len(pixels.data), pixels.width)
    data = b"".join(b"\0" + bytes(map(place.__getitem__, pixels.data[at : at + pixels.width])) for at in rows)
    head = pixels.width.to_bytes(4) + pixels.height.to_bytes(4) + bytes([8, 3, 0, 0, 0])
    chunks = [
        chunk(b"IHDR", head),
        chunk(b"PLTE", b"".join(palette)),
        chunk(b"IDAT", zlib.compress(data, 9)),
        chunk(b"IEND", b""),
    ]
    return png[:8] + b"".join(chunks)


def spread(often: Counter[bytes]) -> list[bytes]:
    """At most 256 colours: the most frequent of each kind, lest the rare kinds be lost to greys."""
    chosen: list[bytes] = []
    for colour, _ in often.most_common():
        if len(chosen) < 256 and (not chosen or apart(colour, chosen[nearest(colour, chosen)]) > ALIKE):
            chosen.append(colour)
    return chosen


def apart(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda place: apart(colour, palette[place]))


def decoded(png: bytes) -> Pixels:
    """What a browser makes: eight bits each of red, green and blue (PNG, third edition, 9 and 10)."""
    at, packed, width, height = 8, b"", 0, 0
    while at < len(png):
        size, kind, body = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8], png[at + 8 :]
        if kind == b"IHDR":
            width, height = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
            assert body[8:13] == bytes([8, 2, 0, 0, 0]), "not as a browser writes it"
        elif kind == b"IDAT":
            packed += body[:size]
        at += 12 + size
    raw, step = zlib.decompress(packed), 3 * width
    above, data = bytearray(step), bytearray()
    for row in range(height):
        begin = row * (step + 1)
        above = unfiltered(raw[begin], bytearray(raw[begin + 1 : begin + 1 + step]), above)
        data += above
    return Pixels(width, height, [bytes(data[at : at + 3]) for at in range(0, len(data), 3)])


def unfiltered(kind: int, row: bytearray, above: bytearray) -> bytearray:
    if kind == 2:
        return bytearray((one + up) & 255 for one, up in zip(row, above, strict=True))
    for at in range(len(row) if kind else 0):
        left, corner = (row[at - 3], above[at - 3]) if at >= 3 else (0, 0)
        row[at] = (row[at] + predicted(kind, left, above[at], corner)) & 255
    return row


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


# The command.


def make(names: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or sys.exit("there is no chromium: ./test --install")
    PICTURES.mkdir(exist_ok=True)
    by_name = [name for name in names if name in SHOTS and SHOTS[name].name]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--force-color-profile=srgb"]
        ) as browser,
    ):
        for has_proxy in (False, True):
            if chosen := [name for name in names if (name in by_name) == has_proxy]:
                with demo(has_proxy=has_proxy) as made:
                    for name in chosen:
                        keep(name, picture_of(name, browser, made))


def picture_of(name: str, browser: Browser, made: Demo) -> bytes:
    if name != MONITOR:
        return photograph(browser, made, SHOTS[name])
    with ThreadPoolExecutor(1) as aside:  # the browser has a loop in this thread
        svg = aside.submit(asyncio.run, drawn(made)).result()
    return rendered(browser, svg)


def keep(name: str, picture: bytes) -> None:
    small = smaller(picture)
    (PICTURES / f"{name}.png").write_bytes(small)
    print(f"{name}: {len(small) // 1000} kB", flush=True)


def faults() -> list[str]:
    """What is wrong with the pictures."""
    found = [f"{name}.png is missing" for name in NAMES if not (PICTURES / f"{name}.png").exists()]
    text = "".join(path.read_text() for path in [ROOT / "README.md", *DOCS.rglob("*.md")])
    for path in sorted(PICTURES.glob("*.png")):
        if path.stem not in NAMES:
            found.append(f"{path.name} is made by nobody")
        if f"pictures/{path.name}" not in text:
            found.append(f"{path.name} is shown nowhere")
        if path.stat().st_size > LARGEST:
            found.append(f"{path.name} has {path.stat().st_size} bytes; {LARGEST} are allowed")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation anew.")
    parser.add_argument("names", nargs="*", metavar="PICTURE", help=f"of {', '.join(NAMES)} (none: all)")
    parser.add_argument(
        "--check", action="store_true", help="make none; say what is wrong with those there are"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no picture is called {', '.join(sorted(unknown))}")
    if not options.check:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        make(options.names or list(NAMES))
    found = faults()
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
