"""The first picture, beside the one that Textual draws of the same rows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from faces.fake_daemon import row
from locald.monitor import first
from locald.monitor.app import Monitor
from locald.monitor.first import picture
from locald.monitor.subject import subject
from monitor.stand_in import screen

if TYPE_CHECKING:
    from rich.color import Color

    from locald.monitor.subject import Subject


def shop(*more: str) -> Subject:
    rows = [row("db", port=24000), row("web", state="failed", health="unknown"), *map(row, more)]
    return subject(str(rows[0]["directory"]), rows)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 12), (20, 10)])
@pytest.mark.parametrize("more", [[], [f"worker-{number}" for number in range(30)]])
async def test_nothing_moves_when_textual_draws_over_it(size: tuple[int, int], more: list[str]) -> None:
    about = shop(*more)
    app = Monitor(lambda: ["/nowhere"], about.scope, name=about.name, written=about.written)
    app._listen = lambda: None  # type: ignore[method-assign]
    drawn = picture(about, *size, None)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        later = [line.rstrip() for line in screen(pilot).split("\n")]
    above = next(number for number, line in enumerate(drawn, 1) if "1 logs" in line)
    assert drawn[-1].rstrip() == later[size[1] - 1]
    width = size[0] - 1 if more else size[0]  # the thumb of the scroll bar is not drawn yet
    assert [line[:width].rstrip() for line in drawn[:above]] == [
        line[:width].rstrip() for line in later[:above]
    ]


async def test_its_grounds_are_those_of_the_style_sheet() -> None:
    about = shop()
    app = Monitor(lambda: ["/nowhere"], about.scope, name=about.name, written=about.written)
    app._listen = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)):
        roster = app.query_one("#roster")
        styles = {
            first.PLAIN: roster.rich_style,
            first.SELECTED: roster.get_component_rich_style("roster--cursor"),
            first.HEAD: app.query_one("#head").rich_style,
            first.TITLES: app.query_one("#titles").rich_style,
            first.FACTS: app.query_one("#facts").rich_style,
            first.BAR: app.query_one("#tabs").rich_style,
        }
    found = {ground: (_rgb(style.color), _rgb(style.bgcolor)) for ground, style in styles.items()}
    assert found == {ground: (ground.text, ground.behind) for ground in styles}


def _rgb(colour: Color | None) -> tuple[int, ...]:
    assert colour
    return tuple(colour.get_truecolor())


@pytest.mark.parametrize("size", [(20, 10), (5, 3), (1, 1), (300, 80)])
def test_it_is_as_large_as_the_screen(size: tuple[int, int]) -> None:
    drawn = picture(shop("服务"), *size, None)
    assert len(drawn) == size[1]
    assert {cell_len(line) for line in drawn} == {size[0]}


def test_a_project_without_rows_has_its_header() -> None:
    assert "shop" in picture(subject("/projects/shop", []), 80, 24, None)[0]


def test_what_draws_it_imports_no_textual() -> None:
    told = (
        "import sys, locald.monitor.opening, locald.monitor.subject as s; sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
