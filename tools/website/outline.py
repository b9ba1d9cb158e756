"""The whole site in one file, three times: for its search, for a browser without scripts, and for a program.

Links start at the top of the site, where all three files are.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from website.markdown import Section
    from website.page import Page


class Entry(NamedTuple):
    """A link of the index page."""

    text: str
    page: Page
    about: str


def found_at(page: Page, section: Section) -> str:
    """A page's own heading stands at its top."""
    return page.place if section.level == 1 else f"{page.place}#{section.anchor}"


def searchable(pages: Iterable[Page]) -> list[dict[str, str]]:
    """What tools/website/search.js looks through, in the order of the navigation."""
    return [
        {
            "page": page.title,
            "heading": section.heading,
            "url": found_at(page, section),
            "text": section.text,
        }
        for page in pages
        for section in page.sections
    ]


def listed(pages: Iterable[Page]) -> str:
    """The main part of a page that lists all sections of all pages."""
    return "\n".join(["<h1>All sections</h1>", *(line for page in pages for line in _listed(page))])


def _listed(page: Page) -> Iterator[str]:
    yield f'<h2><a href="{page.place}">{html.escape(page.title)}</a></h2>\n<ul class="sections">'
    for section in page.sections[1:]:
        yield f'<li><a href="{found_at(page, section)}">{html.escape(section.heading)}</a>'
    yield "</ul>"


def llms(title: str, summary: str, groups: Iterable[tuple[str, list[Entry]]]) -> str:
    """The site for a language model that looks for the right page (https://llmstxt.org)."""
    lines = [f"# {title}", "", f"> {summary}"]
    for heading, entries in groups:
        lines += ["", f"## {heading}", ""]
        lines += [f"- [{entry.text}]({entry.page.place}): {entry.about}" for entry in entries]
    return "\n".join(lines) + "\n"
