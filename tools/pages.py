"""Renders the documentation, `docs/` and the few pages beside it, as a web site in `build/docs/`.

Plain files, to be served by anything. A page's place follows from its source. Links between sources become
links between pages, and one that leads nowhere, or to a heading that is not there, is an error. The
navigation and `llms.txt` are made from the lists of links on `docs/index.md`, so there is one place to add a
page. `search.json` has every section of every page, for the search (tools/website/search.js). `search.html`
lists the same sections for a browser without scripts.

`--check` writes nothing and exits 1 when there is a broken link, in README.md too. `--to FOLDER` writes
somewhere else.
"""

from __future__ import annotations

import argparse
import html
import json
import shutil
import sys
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from website import outline
from website.markdown import READER, lists, walk
from website.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

    from website.markdown import Link

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SITE = ROOT / "build" / "docs"
INDEX = DOCS / "index.md"
LOOKS = Path(__file__).with_name("website")
COPIED = ("style.css", "search.js")

BESIDE = {
    ROOT / "ARCHITECTURE.md": "architecture.html",
    ROOT / "CHANGELOG.md": "changelog.html",
    ROOT / "examples" / "shop" / "README.md": "examples/shop.html",
    ROOT / "examples" / "containers" / "README.md": "examples/containers.html",
}
"""Pages that are no part of docs/, and where they go."""
OUTSIDE = (ROOT / "README.md", ROOT / "findings" / "README.md")
"""No pages of the site, but their links are checked as well."""


class Site:
    def __init__(self) -> None:
        self.broken: list[str] = []
        places = {path: placed(path) for path in sorted(DOCS.rglob("*.md"))}
        places |= {path: place for path, place in BESIDE.items() if path.exists()}
        self.pages = {path: Page(path, place) for path, place in places.items()}
        self.index = self.pages[INDEX]
        groups = [(title, list(self._entries(links))) for title, links in lists(self.index.tokens)]
        self.groups = [(title, entries) for title, entries in groups if entries]
        self.frame = Template((LOOKS / "page.html").read_text(encoding="utf-8"))

    def _entries(self, links: list[Link]) -> Iterator[outline.Entry]:
        """The links of the index that lead to pages. Each has to say what its page is about."""
        for link in links:
            page = self.pages.get((DOCS / link.target).resolve())
            if page and not link.about:
                self._is_broken(self.index, link.target, "its line says nothing about it")
            if page:
                yield outline.Entry(link.text, page, link.about)

    def render(self) -> dict[str, str]:
        """The text of each file by its place. Broken links are collected on the way."""
        index, *pages = self._in_order()
        found = json.dumps(outline.searchable(pages), ensure_ascii=False, separators=(",", ":"))
        summary = self.index.sections[0].text.partition(". ")[0].rstrip(".") + "."
        everything = Page(LOOKS / "page.html", "search.html")
        return {
            "search.json": found,
            "search.html": self._framed(everything, "All sections", outline.listed(pages)),
            "llms.txt": outline.llms(self.index.title, summary, self.groups),
        } | {page.place: self._page(page) for page in (index, *pages)}

    def _in_order(self) -> list[Page]:
        """The index, what it links to, and the rest."""
        named = [entry.page for _, entries in self.groups for entry in entries]
        return list(dict.fromkeys([self.index, *named, *self.pages.values()]))

    def _page(self, page: Page) -> str:
        for token, attribute, link in links_of(page):
            token.attrSet(attribute, self._link(page, link))
        title = page.title if page is self.index else f"{page.title} · locald"
        return self._framed(page, title, READER.renderer.render(page.tokens, READER.options, {}))

    def _framed(self, page: Page, title: str, content: str) -> str:
        return self.frame.substitute(
            title=html.escape(title), root=page.root, navigation=self._navigation(page), content=content
        )

    def _link(self, page: Page, link: str) -> str:
        """A link between sources as one between pages."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return link
        target = (page.source.parent / parts.path).resolve() if parts.path else page.source
        if to := self.pages.get(target):
            if parts.fragment and all(parts.fragment != one.anchor for one in to.sections):
                self._is_broken(page, link, "there is no such heading")
            fragment = f"#{parts.fragment}" if parts.fragment else ""
            return page.to(to.place) + fragment
        if target.is_relative_to(DOCS) and target.is_file():
            return page.to(str(target.relative_to(DOCS)))
        self._is_broken(page, link, "there is no such page")
        return link

    def look_outside(self) -> None:
        """Collect the broken links of what is no part of the site."""
        for page in (Page(source, source.name) for source in OUTSIDE):
            for _, _, link in links_of(page):
                target = (page.source.parent / urlsplit(link).path).resolve()
                if target in self.pages or not target.exists():
                    self._link(page, link)

    def _is_broken(self, page: Page, link: str, why: str) -> None:
        self.broken.append(f"error: {page.source.relative_to(ROOT)}: {link}: {why}")

    def _navigation(self, here: Page) -> str:
        lines = []
        for title, entries in self.groups:
            lines += [f"<h2>{html.escape(title)}</h2>", "<ul>"]
            for text, page, _ in entries:
                current = ' aria-current="page"' if page is here else ""
                lines.append(f'<li><a href="{here.to(page.place)}"{current}>{html.escape(text)}</a>')
            lines.append("</ul>")
        return "\n".join(lines)


def links_of(page: Page) -> Iterator[tuple[Token, str, str]]:
    """Each token with a link, the attribute that has it, and the link."""
    for token in walk(page.tokens):
        for attribute in ("href", "src"):
            if link := token.attrGet(attribute):
                yield token, attribute, str(link)


def placed(path: Path) -> str:
    name = path.relative_to(DOCS).with_suffix(".html")
    return str(name.with_name("index.html") if name.stem == "README" else name)


def write(files: dict[str, str], site: Path) -> None:
    if site == SITE and site.exists():  # pages that are gone; what is elsewhere is not ours to remove
        shutil.rmtree(site)
    for place, text in files.items():
        file = site / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for name in COPIED:
        shutil.copy(LOOKS / name, site)
    for picture in (*DOCS.rglob("*.svg"), *DOCS.rglob("*.png")):
        copy = site / picture.relative_to(DOCS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, copy)


def main() -> int:
    parser = argparse.ArgumentParser(description="Render the documentation as a web site.")
    parser.add_argument("--check", action="store_true", help="write nothing; say which links are broken")
    parser.add_argument("--to", type=Path, default=SITE, metavar="FOLDER", help="where the site goes")
    options = parser.parse_args()
    site = Site()
    files = site.render()
    site.look_outside()
    for line in site.broken:
        print(line, file=sys.stderr)
    if options.check:
        return 1 if site.broken else 0
    write(files, options.to)
    print(f"{len(site.pages)} pages in {options.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
