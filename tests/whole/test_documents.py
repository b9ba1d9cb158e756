"""What the documents name is there. (That their links lead somewhere is checked by tools/pages.py.)"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`([a-z_]+/(?:[a-z_/]*|[a-z_/]+\.py))`", text)
    assert len(named) > 15
    folders = (ROOT, ROOT / "src" / "locald", ROOT / "dashboard" / "src")
    assert [name for name in named if not any((folder / name).exists() for folder in folders)] == []


def test_every_table_that_the_documents_show_has_the_columns_of_the_program() -> None:
    from locald.cli.commands import timeline
    from locald.cli.shared import overview
    from locald.monitor import table

    known = {tuple(" ".join(head).split()) for head in (overview.HEAD, timeline.HEAD)}
    known |= {tuple(getattr(column, title) for column in table.COLUMNS) for title in ("title", "short")}
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    shown = {
        (page.name, tuple(line.split()))
        for page in pages
        for line in re.findall(r"^ +(SERVICE .*)$", page.read_text(), re.MULTILINE)
    }
    assert len(shown) > 3
    assert {(page, head) for page, head in shown if head not in known} == set()


def test_every_command_that_the_documents_show_exists() -> None:
    """In code that is set apart or between backticks."""
    from locald.cli.index import COMMANDS

    known = {command for group in COMMANDS.values() for command in group}
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    shown = {
        (page.name, command)
        for page in pages
        for command in re.findall(r"(?:^ +(?:\$ )?|`)(?:\./)?locald ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    assert shown
    assert {(page, command) for page, command in shown if command not in known} == set()


LITERARY = (
    *("in the way", "is in its way", "remedy", "mend ", "mended", "end the wish", "ends the wish"),
    *("wanted again", "look after", "looked after", "nothing can move", "is being ended", "the verdict"),
    *("a stranger", "is alive", "exited with 0", "exited with 1", "exited with 3", "gave up after"),
    *("is held by", "load it anew", "made anew", "whoever", "## further"),
)
"""What nobody in this field would say. The two references are made from the program's own words."""


def test_the_documents_use_plain_words() -> None:
    pages = {
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("findings/*.md"),
    }
    pages -= {ROOT / "docs" / "reference" / name for name in ("cli.md", "file.md")}
    found = {
        (page.name, words)
        for page in pages
        for words in LITERARY
        if words in " ".join(page.read_text().lower().split())
    }
    assert found == set()
