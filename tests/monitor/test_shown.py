"""What is shown, worked out without a screen: table, tree, bars, notices, effects, keys."""

from __future__ import annotations

from typing import Any

import pytest

from faces.fake_daemon import row
from locald.faces import states, words
from locald.faces.spans import Span
from locald.monitor import bars, effects, explained, header, keys, safe, table, tree
from locald.monitor.board import Board, Row, Scope, Usage, counts, row_of
from locald.monitor.effects import Action
from locald.monitor.notices import Notice, Notices, few, title

NOON = 1772366400.0
"""2026-03-01T12:00:00Z"""


def known(name: str, *needs: str, **facts: Any) -> Row:
    found = row_of(row(name, depends_on=dict.fromkeys(needs, "healthy"), **facts))
    assert found
    return found


def entries(*rows: Row, usage: Usage | None = None, everywhere: bool = False) -> list[table.Entry]:
    return [table.Entry(each, usage, everywhere) for each in rows]


# The table.


@pytest.mark.parametrize("width", [44, 60, 79, 80, 100, 120, 200])
def test_a_line_never_exceeds_its_width_and_wide_characters_count_twice(width: int) -> None:
    rows = entries(
        known("db"), known("日本語の名前のサービス", health="unhealthy", because="שלום " * 100, restarts=1234)
    )
    plan = table.layout(rows, width)
    lines = [table.head(plan), *(table.line(each, plan) for each in rows)]
    assert len({line.cell_len for line in lines[1:]}) == 1
    assert all(line.cell_len <= width for line in lines)


def test_what_is_left_over_is_for_the_reason() -> None:
    rows = entries(known("db", because="because of this"))
    assert "because of this" in table.line(rows[0], table.layout(rows, 120)).plain
    assert "because of this" not in table.line(rows[0], table.layout(rows, 80)).plain


def test_of_what_does_not_run_the_reason_stands_in_place_of_numbers() -> None:
    rows = entries(
        known("db", state="failed", health="unknown", pid=None, reason="Error: no such volume " * 9),
        known(
            "web", state="blocked", health="unknown", pid=None, reason="blocked by db: Error: no such volume"
        ),
        known("seed", state="completed", pid=None),
        known("api"),
    )
    db, web, seed, api = (table.line(each, table.layout(rows, 80)).plain for each in rows)
    assert db.startswith(" ✗ db      failed    Error: no such volume Error: no such volume ")
    assert len(db) == 80
    assert web.split() == ["⊘", "web", "blocked", "by", "db:", "Error:", "no", "such", "volume"]
    assert seed.split()[:5] == ["✓", "seed", "completed", "healthy", "tcp"]
    assert "Error" not in table.line(rows[3], table.layout(rows, 80)).plain
    assert "24001" in api


def test_on_a_very_narrow_screen_the_last_columns_go_as_a_whole() -> None:
    rows = entries(known("web", port=24001, restarts=12))
    plan = table.layout(rows, 44)
    assert table.head(plan).plain.split() == ["SERVICE", "STATE", "HEALTH", "SOURCE", "PORT"]
    assert table.line(rows[0], plan).plain.split()[-1] == "24001"


def test_where_it_is_narrow_titles_become_short_before_names_are_cut() -> None:
    rows = entries(known("a-service-name", source="process", health="unhealthy"))
    assert "RESTARTS" in table.head(table.layout(rows, 100)).plain
    narrow = table.layout(rows, 82)
    assert "↻" in table.head(narrow).plain
    assert "a-service-name" in table.line(rows[0], narrow).plain


def test_services_of_all_projects_are_called_with_their_project() -> None:
    assert entries(known("db"), everywhere=True)[0].name == "shop:db"


def test_what_all_instances_share_is_marked() -> None:
    db = known("db", instance="_", shared=True, shared_by=["shop"])
    assert entries(db)[0].name == "db (shared)"
    assert entries(db, everywhere=True)[0].name == "shop@_:db (shared)"


def test_what_a_service_uses_is_told_like_every_amount() -> None:
    (entry,) = entries(known("db"), usage=Usage(0.004, 1_200_000_000))
    assert "0.4%  1.2GB" in table.line(entry, table.layout([entry], 100)).plain


def test_words_are_told_apart_by_their_shape() -> None:
    different = ("healthy", "unhealthy", "failed", "blocked", "starting", "stopped", "waiting")
    shapes = [states.sign(word) for word in different]
    assert len(set(shapes)) == len(shapes)


def test_services_are_counted_by_word() -> None:
    rows = [known("a"), known("b"), known("c", health="unhealthy"), known("d", state="completed")]
    rows += [known("e", state="waiting", health="unknown"), known("f", state="blocked", health="unknown")]
    assert list(counts(rows)) == ["unhealthy", "blocked", "waiting", "healthy", "completed"]


def test_a_count_that_does_not_fit_at_the_top_is_left_out_as_a_whole() -> None:
    board = Board(Scope())
    board.begin({"version": "1"}, [known(f"web-{number}") for number in range(123)])
    for width in range(30, 60):
        shown = header.head(board, "shop", width, gone=False)
        assert shown.cell_len <= width
        assert "● 123 healthy" in shown.plain or "●" not in shown.plain


# The board.


def test_a_row_of_another_project_is_kept_but_not_shown() -> None:
    board = Board(Scope(frozenset({"/shop"})))
    board.begin({}, [known("web"), known("other", project="blog", directory="/blog")])
    assert [each["name"] for each in board.rows] == ["web"]
    board.change([], [("shop", "web")])
    assert board.rows == []


def test_what_is_amiss_stands_first_the_worst_at_the_top_until_it_is_well() -> None:
    board = Board(Scope())
    board.begin({}, [known(name) for name in ("a", "b", "c", "d")])

    def order(*rows: Row) -> str:
        board.change(rows, [])
        return "".join(str(row["name"]) for row in board.rows)

    assert board.worst is None
    assert order(known("d", state="blocked", health="unknown"), known("c", state="failed")) == "cdab"
    assert board.worst == board.get(("shop", "c"))
    assert order(known("b", state="backoff")) == "cbda"
    assert order(known("b", state="starting", health="starting")) == "cbda", "it does not jump between tries"
    assert order(known("b")) == "cdab"
    assert order(known("c", state="stopped")) == "dabc"


def test_what_the_file_says_is_shown_until_the_daemon_knows_the_project() -> None:
    board = Board(Scope(frozenset({"/shop"})), written=[known("web", state="stopped")])
    assert [each["state"] for each in board.rows] == ["stopped"]
    board.begin({}, [known("web")])
    assert [each["state"] for each in board.rows] == ["running"]


def shop_and_feat() -> list[Row]:
    """Two folders of a project, and what they share, which is in the folder of the first."""
    return [
        known("db", instance="_", shared=True, shared_by=["shop", "shop@feat"], directory="/shop"),
        known("web", "db", directory="/shop"),
        known("web", "db", instance="feat", directory="/feat"),
    ]


@pytest.mark.parametrize(("folder", "own"), [("/shop", "shop"), ("/feat", "shop@feat")])
def test_what_is_shared_is_shown_in_every_folder_that_shares_it(folder: str, own: str) -> None:
    board = Board(Scope(frozenset({folder})))
    board.begin({}, shop_and_feat())
    assert [words.key(each) for each in board.of_project(own)] == [
        *([(own, "web"), ("shop@_", "db")] if own == "shop" else [("shop@_", "db"), (own, "web")])
    ]
    assert len(board.rows) == 2
    board.change([], [("shop@_", "db")])
    assert [words.key(each) for each in board.rows] == [(own, "web")]


def test_what_is_shared_is_shown_once_among_all_projects() -> None:
    board = Board(Scope())
    board.begin({}, shop_and_feat())
    assert len(board.rows) == 3


# The tree.


def drawn(*rows: Row) -> list[str]:
    return [f"{branch.guide}{branch.key[1]}{'…' if branch.again else ''}" for branch in tree.branches(rows)]


def test_what_nothing_needs_stands_at_the_left_and_what_it_needs_beneath() -> None:
    rows = [known("db"), known("cache"), known("api", "db", "cache"), known("web", "api")]
    assert drawn(*rows) == ["web", "└─ api", "   ├─ db", "   └─ cache"]


def test_what_several_need_is_shown_beneath_each_and_its_own_needs_once() -> None:
    rows = [known("db"), known("api", "db"), known("web", "api"), known("admin", "api")]
    assert drawn(*rows) == ["web", "└─ api", "   └─ db", "admin", "└─ api…"]


def test_what_is_shared_is_beneath_each_instance_that_needs_it() -> None:
    rows = shop_and_feat()
    assert drawn(*rows) == ["web", "└─ db", "web", "└─ db"]
    rows[1]["waiting_on"] = rows[2]["waiting_on"] = ["db"]
    assert tree.blocking(rows, ("shop@feat", "web")) == {("shop@feat", "web"), ("shop@_", "db")}


def test_a_circle_and_an_unknown_name_end_the_tree() -> None:
    assert drawn(known("a", "b"), known("b", "a", "nobody")) == ["a", "└─ b", "   └─ a…"]


def test_the_way_to_the_blocker_is_known() -> None:
    rows = [
        known("db", state="failed"),
        known("cache"),
        known("api", "db", "cache", waiting_on=["db"]),
        known("web", "api", waiting_on=["api"]),
    ]
    assert tree.blocking(rows, ("shop", "web")) == {("shop", "web"), ("shop", "api"), ("shop", "db")}
    assert not tree.blocking(rows, ("shop", "cache"))


# The timeline.


def started(name: str, *moments: float | None, **facts: Any) -> dict[str, Any]:
    names = ("queued_at", "spawned_at", "listening_at", "ready_at")
    stamps = [None if at is None else f"2026-03-01T12:00:{at:06.3f}Z" for at in moments]
    return {"name": name, **dict(zip(names, stamps, strict=True)), **facts}


def lines_of(
    width: int, now: float, rows: list[Row], *services: dict[str, Any], path: tuple[str, ...] = ()
) -> list[str]:
    timeline = {"services": list(services), "critical_path": list(path), "total_ms": 10_000}
    return bars.draw(timeline, rows, now, width).plain.splitlines()


def test_bars_share_one_scale_from_the_first_request_to_the_last_readiness() -> None:
    services = started("db", 0, 0, 2, 4), started("web", 0, 4, None, 10)
    marks, db, web, *rest = lines_of(
        61, NOON + 99, [known("db"), known("web")], *services, path=("db", "web")
    )
    assert marks.startswith("       │0 ")
    assert db.startswith("◆ db   ▒")
    assert db.endswith("4.0s")
    assert abs(db.count("▒") - db.count("█")) <= 1
    assert web.count("·") == db.count("▒") + db.count("█")
    assert web.endswith("6.0s")
    assert rest[1] == "◆ critical path: db → web   total: 10s"


def test_what_is_on_its_way_grows_up_to_now() -> None:
    rows = [known("db", state="starting", health="starting"), known("web", state="waiting", health="unknown")]
    services = started("db", 0, 1, None, None), started("web", 0, None, None, None)
    _, db, web, *rest = lines_of(60, NOON + 10, rows, *services)
    assert db.endswith("◐ starting 9.0s")
    assert set(web.split()[1]) == {"·"}
    assert "not ready yet: db (starting), web (waiting)" in rest


def test_what_failed_is_said_and_does_not_grow() -> None:
    rows = [known("db", state="failed", health="unknown"), known("web")]
    _, db, *_ = lines_of(60, NOON + 99, rows, started("db", 0, 1, None, None), started("web", 0, 1, 2, 3))
    assert db.endswith("✗ failed")
    assert db.count("▒") == 1


def test_what_takes_much_longer_than_usual_stands_out() -> None:
    def told(ready: float) -> tuple[str, str]:
        part = started("db", 0, 0, 1, ready, median_ms=2100)
        note = bars.note(Span(part, known("db"), NOON))
        return note.plain, str(note.style)

    assert told(9) == ("9.0s, median 2.1s", "bold yellow")
    assert told(2) == ("2.0s, median 2.1s", "")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_picture_fits_its_width(width: int) -> None:
    services = started("a" * 60, 0, 0, 8, 9, median_ms=2100), started("web", 0, 0, None, None)
    rows = [known("a" * 60), known("web", state="starting", health="starting")]
    assert all(len(line) <= width for line in lines_of(width, NOON + 20, rows, *services)[:3])


def test_what_was_ready_long_before_has_no_part_in_a_later_start() -> None:
    services = started("db", 0, 0, 1, 2), started("web", 50, 50, 51, 52)
    assert any("ready 48s earlier" in line for line in lines_of(80, NOON + 99, [], *services))


def test_a_timeline_of_nothing_says_so() -> None:
    assert lines_of(80, NOON, []) == ["nothing started yet"]


def test_an_odd_timeline_is_drawn_as_far_as_it_is_one() -> None:
    odd = {
        "services": [None, {"name": 3}, {"name": "db", "queued_at": 7, "waited_for": 3}],
        "critical_path": 4,
    }
    assert "db" in bars.draw(odd, [], NOON, 80).plain


# Notices.


def test_what_was_so_at_the_beginning_is_no_news() -> None:
    assert Notices().about([known("web", health="unhealthy"), known("db", state="failed")]) == []


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ({"health": "unhealthy"}, "unhealthy"),
        ({"state": "backoff", "health": "unknown"}, "backoff"),
        ({"state": "failed", "health": "unknown"}, "failed"),
    ],
)
def test_a_service_that_goes_down_is_told_once(now: dict[str, str], word: str) -> None:
    notices = Notices()
    notices.about([known("web")])
    told = [each.text for each in notices.about([known("web", because="HTTP 500", **now)]) if not each.good]
    assert told[0] == f"web {words.phrase(word)}: HTTP 500"
    assert not [
        each for each in notices.about([known("web", because="HTTP 501", **now)]) if each.text in told
    ]


def test_a_service_that_somebody_stopped_did_not_go_down() -> None:
    notices = Notices()
    notices.about([known("db"), known("web")])
    stopping = [known("db"), known("web", state="stopping", health="unknown")]
    stopped = [known("db"), known("web", state="stopped", health="unknown")]
    assert all(each.good for news in (stopping, stopped) for each in notices.about(news))


def test_an_up_is_complete_when_nothing_is_on_its_way() -> None:
    notices = Notices()
    notices.about([known("db"), known("web", state="waiting", health="unknown")])
    assert notices.about([known("db"), known("web", state="starting", health="starting")]) == []
    assert [each.text for each in notices.about([known("db"), known("web")])] == [
        "shop: all 2 services ready"
    ]


def test_an_up_that_ends_without_all_is_told_as_bad_news() -> None:
    notices = Notices()
    starting = known("web", state="starting", health="starting")
    notices.about([starting])
    told = notices.about([known("web", state="failed", health="unknown", because="exited with code 1")])
    assert [each.good for each in told] == [False, False]
    assert [each.text for each in told] == ["web has failed: exited with code 1", "shop: web is not ready"]


def test_many_notices_at_once_are_told_in_three() -> None:
    many = [Notice(f"svc-{number} has failed", good=False) for number in range(50)]
    assert [each.text for each in few(many)] == ["svc-0 has failed", "svc-1 has failed", "and 48 more"]
    assert few(many[:3]) == many[:3]


def test_the_title_names_the_worst_first() -> None:
    rows = [known("db"), known("web", health="unhealthy")]
    assert title(rows, "shop") == "▲ web unhealthy · shop"
    assert title(rows[:1], "shop") == "● 1/1 · shop"


# In one line, the effect, the keys.


def test_what_is_copied_is_the_summary_of_the_daemon_or_else_what_is_seen() -> None:
    said = "shop:web is blocked: db failed: exited with code 1 at once — locald logs shop:db"
    assert explained.summary({"summary": said}, known("web")) == said
    gone = known("web", state="failed", health="unknown", because="exited with code 1")
    assert explained.summary({}, gone) == "shop:web has failed: exited with code 1"


def test_facts_are_two_lines_and_leave_out_what_does_not_fit() -> None:
    told = header.facts(known("web", because="x" * 500), 70).plain.splitlines()
    assert told[0] == "● web is healthy (tcp, fallback) · http://127.0.0.1:24001/ · pid 4790"
    assert told[1] == "x" * 69 + "…"


def test_an_effect_says_the_order() -> None:
    told = effects.told({"ends": ["web", "api"], "starts": ["api", "web"]}).plain
    assert "stops web → api" in told
    assert "starts api → web" in told
    assert "nothing to do" in effects.told({"ends": [], "starts": []}).plain


def test_an_action_on_all_services_says_so() -> None:
    assert Action("restart", "shop").question == "Restart all services of shop?"
    assert Action("up", "shop", ("web",)).query == [("action", "up"), ("project", "shop"), ("service", "web")]


@pytest.mark.parametrize("pane", ["logs", "why"])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_help_and_quit_always_have_their_place_in_the_footer(pane: str, width: int) -> None:
    told = keys.footer(pane, width, reading=pane == "logs")
    assert told.cell_len == width
    assert told.plain.endswith(" ? help  q quit ")


def test_the_keys_of_the_pane_that_is_used_come_first() -> None:
    assert keys.footer("logs", 80, reading=True).plain.startswith(" / find")
    assert keys.footer("logs", 80, reading=False).plain.startswith(" s start")


# Harmless text.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[red]x[/red]", "[red]x[/red]"),
        ("\x1b[31mred\x1b[0m\x1b]0;title\x07", "red"),
        ("a\u202eb\u2066c\x00\x9b2J", "abc"),
        ("half \ud800", "half �"),
        ("two\nlines", "two lines"),
    ],
)
def test_text_of_documents_steers_nothing(text: str, shown: str) -> None:
    assert safe.harmless({"because": [text]}) == {"because": [shown]}


def test_a_megabyte_is_cut_and_its_length_told() -> None:
    shown = safe.line("y" * 1_000_000)
    assert len(shown) < 2_100
    assert shown.endswith("… (1,000,000 characters)")


def test_of_output_colours_stay_to_its_end() -> None:
    assert safe.output("\x1b[31mred\x1b[2J!") == "\x1b[31mred!\x1b[0m"
    assert safe.uncoloured(safe.output("\x1b[31mred")) == "red"
