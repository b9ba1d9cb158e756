"""The site that tools/pages.py makes of the documentation: its files agree with each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "tools/pages.py", "--to", str(folder)], cwd=ROOT, check=True)
    return folder


def is_there(site: Path, url: str) -> bool:
    place, _, anchor = url.partition("#")
    text = (site / place).read_text() if (site / place).is_file() else ""
    return f'id="{anchor}"' in text if anchor else bool(text)


def test_every_section_that_a_search_can_find_is_there(site: Path) -> None:
    found = json.loads((site / "search.json").read_text())
    urls = [section["url"] for section in found]
    assert len(urls) == len(set(urls)) > 200
    assert [url for url in urls if not is_there(site, url)] == []


def test_a_search_can_find_the_text_of_every_page(site: Path) -> None:
    found = json.loads((site / "search.json").read_text())
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {"index.html", "search.html"}
    assert {section["url"].partition("#")[0] for section in found} == pages
    text = " ".join(section["text"] for section in found)
    for words in ("already in use by pid", "locald up migrate", "WATCHDOG_USEC"):  # prose, code, a code span
        assert words in text


def test_the_list_for_browsers_without_scripts_has_the_same_sections(site: Path) -> None:
    listed = set(re.findall(r'href="([^"]+)"', (site / "search.html").read_text()))
    found = json.loads((site / "search.json").read_text())
    assert {section["url"] for section in found} <= listed


def test_llms_txt_names_every_page_of_the_index_with_a_line_each(site: Path) -> None:
    lines = (site / "llms.txt").read_text().splitlines()
    assert lines[0] == "# locald"
    assert re.fullmatch(r"> locald runs .*\.", lines[2])
    linked = [re.fullmatch(r"- \[[^\]]+\]\(([^)]+)\): \S.*", line) for line in lines if line.startswith("-")]
    assert len(linked) > 20
    places = [link[1] for link in linked if link]
    assert len(places) == len(linked)
    assert [place for place in places if not is_there(site, place)] == []
    groups = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert groups == ["Tutorial", "Guides", "Reference", "Explanation"]


def test_every_guide_and_explanation_is_in_the_navigation(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    folders = ("tutorial", "guides", "reference", "explanation")
    pages = [
        f"{folder}/{path.stem}.html" for folder in folders for path in (ROOT / "docs" / folder).glob("*.md")
    ]
    assert len(pages) > 15
    assert [page for page in pages if f"({page})" not in text] == []
