"""A page of the site: where it comes from, where it goes, and what it says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from website.markdown import Section, read, sections

if TYPE_CHECKING:
    from markdown_it.token import Token


@dataclass(frozen=True)
class Page:
    source: Path
    place: str
    """its path in the site"""

    @cached_property
    def tokens(self) -> list[Token]:
        return read(self.source.read_text(encoding="utf-8"))

    @cached_property
    def sections(self) -> list[Section]:
        return list(sections(self.tokens))

    @property
    def title(self) -> str:
        return self.sections[0].heading if self.sections else self.source.stem

    @property
    def root(self) -> str:
        """The way from here to the top of the site."""
        return os.path.relpath(".", os.path.dirname(self.place) or ".")

    def to(self, place: str) -> str:
        """The way from here to another file of the site."""
        return os.path.relpath(place, os.path.dirname(self.place) or ".")
