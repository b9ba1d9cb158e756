"""Renders the documentation, `docs/` and the few pages beside it, as a web site in `build/docs/`.

Plain files, to be served by anything. A page's place follows from its source; links between sources become
links between pages, and one that leads nowhere, or to a heading that is not there, is an error. The
navigation is the list of links on `docs/index.md`, so there is one place to add a page.

`--check` writes nothing and exits 1 when there is a broken link. Markdown is read by markdown-it, which
rich brings along.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SITE = ROOT / "build" / "docs"
INDEX = DOCS / "index.md"
LOOKS = Path(__file__).with_name("pages")

BESIDE = {
    ROOT / "ARCHITECTURE.md": "architecture.html",
    ROOT / "CHANGELOG.md": "changelog.html",
    ROOT / "examples" / "shop" / "README.md": "examples/shop.html",
    ROOT / "examples" / "containers" / "README.md": "examples/containers.html",
}
"""Pages that are no part of docs/, and where they go."""


@dataclass(frozen=True, slots=True)
class Page:
    source: Path
    place: str
    """its path in the site"""
    tokens: list[Token]

    @property
    def title(self) -> str:
        return next((text for level, text in headings(self.tokens) if level == "h1"), self.source.stem)

    @property
    def anchors(self) -> set[str]:
        return {slug(text) for _, text in headings(self.tokens)}


class Site:
    def __init__(self) -> None:
        self.reader = MarkdownIt("commonmark").enable("table")
        self.broken: list[str] = []
        places = {path: placed(path) for path in sorted(DOCS.rglob("*.md"))}
        places |= {path: place for path, place in BESIDE.items() if path.exists()}
        self.pages = {path: Page(path, place, self._read(path)) for path, place in places.items()}
        self.sections = list(sections(self.pages[INDEX]))

    def _read(self, path: Path) -> list[Token]:
        return self.reader.parse(path.read_text(encoding="utf-8"))

    def render(self) -> dict[str, str]:
        """The text of each page by its place. Broken links are collected on the way."""
        frame = Template((LOOKS / "page.html").read_text(encoding="utf-8"))
        return {page.place: self._page(page, frame) for page in self.pages.values()}

    def _page(self, page: Page, frame: Template) -> str:
        for token in walk(page.tokens):
            for attribute in ("href", "src"):
                if link := token.attrGet(attribute):
                    token.attrSet(attribute, self._link(page, str(link)))
        anchor_headings(page.tokens)
        return frame.substitute(
            title=html.escape(page.title if page.title == "locald" else f"{page.title} · locald"),
            root=os.path.relpath(".", os.path.dirname(page.place) or "."),
            navigation=self._navigation(page),
            content=self.reader.renderer.render(page.tokens, self.reader.options, {}),
        )

    def _link(self, page: Page, link: str) -> str:
        """A link between sources as one between pages."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return link
        target = (page.source.parent / parts.path).resolve() if parts.path else page.source
        if to := self.pages.get(target):
            if parts.fragment and parts.fragment not in to.anchors:
                self._is_broken(page, link, "there is no such heading")
            fragment = f"#{parts.fragment}" if parts.fragment else ""
            return relative(page, to.place) + fragment
        if target.is_relative_to(DOCS) and target.is_file():
            return relative(page, str(target.relative_to(DOCS)))
        self._is_broken(page, link, "there is no such page")
        return link

    def _is_broken(self, page: Page, link: str, why: str) -> None:
        self.broken.append(f"error: {page.source.relative_to(ROOT)}: {link}: {why}")

    def _navigation(self, here: Page) -> str:
        lines = []
        for title, links in self.sections:
            lines += [f"<h2>{html.escape(title)}</h2>" if title else "", "<ul>"]
            for text, target in links:
                to = self.pages.get((DOCS / target).resolve())
                if to:
                    current = ' aria-current="page"' if to is here else ""
                    lines.append(f'<li><a href="{relative(here, to.place)}"{current}>{html.escape(text)}</a>')
            lines.append("</ul>")
        return "\n".join(lines)


def placed(path: Path) -> str:
    name = path.relative_to(DOCS).with_suffix(".html")
    return str(name.with_name("index.html") if name.stem == "README" else name)


def relative(page: Page, place: str) -> str:
    return os.path.relpath(place, os.path.dirname(page.place) or ".")


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def headings(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    """The tag and the text of each heading."""
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open":
            yield opening.tag, "".join(child.content for child in inside.children or [])


def anchor_headings(tokens: list[Token]) -> None:
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", slug("".join(child.content for child in inside.children or [])))


def slug(text: str) -> str:
    """The anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def sections(index: Page) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The lists of links on the index page, each under its heading."""
    title, links = "", list[tuple[str, str]]()
    for before, token in zip([None, *index.tokens], index.tokens, strict=False):
        if before and before.type == "heading_open" and before.tag == "h2":
            yield title, links
            title, links = token.content, []
        links += links_of(token)
    yield title, links


def links_of(token: Token) -> Iterator[tuple[str, str]]:
    """The text and the target of each link in a line."""
    text, target = "", ""
    for child in token.children or []:
        if child.type == "link_open":
            text, target = "", str(child.attrGet("href"))
        elif child.type == "link_close":
            yield text, target
        text += child.content


def write(pages: dict[str, str]) -> None:
    if SITE.exists():
        shutil.rmtree(SITE)
    for place, text in pages.items():
        file = SITE / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    shutil.copy(LOOKS / "style.css", SITE)
    for picture in (*DOCS.rglob("*.svg"), *DOCS.rglob("*.png")):
        copy = SITE / picture.relative_to(DOCS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, copy)


def main() -> int:
    site = Site()
    pages = site.render()
    for line in site.broken:
        print(line, file=sys.stderr)
    if sys.argv[1:] == ["--check"]:
        return 1 if site.broken else 0
    write(pages)
    print(f"{len(pages)} pages in {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
