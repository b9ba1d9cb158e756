"""What a page says, read from its Markdown: its headings, the text under each, and its links.

markdown-it, which rich brings along, reads a page into a flat list of tokens. The text inside a paragraph, a
heading or a cell is one `inline` token with children. An anchor is made from the text of its heading as
forges make it, so a link works here and there; a second heading with the same text gets `-1`, a third `-2`.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

READER = MarkdownIt("commonmark").enable("table")
CODE = ("fence", "code_block")


class Section(NamedTuple):
    heading: str
    level: int
    anchor: str
    text: str
    """everything up to the next heading, code included, in one line"""


class Link(NamedTuple):
    text: str
    target: str
    about: str
    """what the line says behind the link"""


def read(text: str) -> list[Token]:
    """The tokens of a page, its headings with anchors."""
    tokens = READER.parse(text)
    seen = Counter[str]()
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open":
            name = slug(plain(inside))
            opening.attrSet("id", f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return tokens


def slug(text: str) -> str:
    """The anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def plain(inline: Token) -> str:
    """The words of a line, without its marks."""
    return "".join(" " if one.type == "softbreak" else one.content for one in inline.children or [])


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def sections(tokens: list[Token]) -> Iterator[Section]:
    """Each heading with what stands below it."""
    starts = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    for start, end in pairwise([*starts, len(tokens)]):
        opening, heading = tokens[start], tokens[start + 1]
        below = tokens[start + 2 : end]
        yield Section(plain(heading), int(opening.tag[1:]), str(opening.attrGet("id")), text_of(below))


def text_of(tokens: list[Token]) -> str:
    parts = (plain(one) if one.type == "inline" else one.content for one in tokens if is_text(one))
    return " ".join(" ".join(parts).split())


def is_text(token: Token) -> bool:
    return token.type == "inline" or token.type in CODE


def lists(tokens: list[Token]) -> Iterator[tuple[str, list[Link]]]:
    """The links of a page, under the heading that they stand under; those of before the first, under none."""
    title, links = "", list[Link]()
    for before, token in pairwise([*tokens[:1], *tokens]):
        if before.type == "heading_open" and before.tag == "h2":
            yield title, links
            title, links = plain(token), []
        links += links_of(token)
    yield title, links


def links_of(inline: Token) -> Iterator[Link]:
    """Each link in a line, with the words that follow it."""
    children = inline.children or []
    for at, child in enumerate(children):
        if child.type == "link_open":
            end = next(to for to in range(at, len(children)) if children[to].type == "link_close")
            about = "".join(one.content or " " for one in children[end + 1 :])
            text = "".join(one.content for one in children[at:end])
            yield Link(text, str(child.attrGet("href")), about.strip(" :,."))
