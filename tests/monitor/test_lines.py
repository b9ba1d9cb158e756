"""The lines at hand: bounded, chosen, found, and each at its row, whatever comes meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faces.fake_daemon import entry
from locald.faces.words import name_colours
from locald.monitor.drawn import Look
from locald.monitor.lines import Choice, Line, Lines, contains, line_of, places


def line(text: str, **facts: Any) -> Line:
    found = line_of({**entry(text), **facts})
    assert found
    return found


def many(count: int) -> list[Line]:
    return [line(f"line {number}") for number in range(count)]


def test_only_the_newest_are_kept() -> None:
    lines = Lines(limit=100)
    for _ in range(7):
        lines.add(many(60))
    assert lines.kept == 100
    assert len(lines.shown) == 100
    assert lines.shown[-1].plain == "line 59"
    assert lines.height == 100


def test_a_line_keeps_its_row_when_older_ones_are_let_go() -> None:
    lines = Lines(limit=10, width=5)
    lines.add([line("x" * 12), *many(9)])
    before = lines.first_row
    lines.add(many(1))
    assert lines.first_row == before + 3
    found = lines.at_row(0)
    assert found
    assert found[0].plain == "line 0"


def test_older_lines_come_before_and_the_others_keep_their_rows() -> None:
    lines = Lines(width=5, choice=Choice(words="x"))
    lines.add([line("x 1"), line("no"), line("x 2")])
    before = lines.first_row
    assert lines.add_before([line("x" * 12), line("never"), line("x 0")]) == 4
    assert lines.first_row == before - 4
    assert [lines.row_of(number) for number in range(4)] == [0, 3, 4, 5]
    assert [each.plain for each in lines.shown] == ["x" * 12, "x 0", "x 1", "x 2"]
    assert lines.add_before([line("no")]) == 0
    assert (lines.height, lines.kept) == (6, 7)


marked = st.lists(st.tuples(st.sampled_from(["web", "api"]), st.sampled_from("abx"), st.integers(0, 4)))


@given(marked, st.sampled_from(["", "x"]))
def test_what_was_drawn_over_is_gone_as_if_it_had_never_been(
    told: list[tuple[str, str, int]], words: str
) -> None:
    lines = Lines(choice=Choice(words=words))
    left: list[tuple[str, str]] = []
    for service, text, over in told:
        lines.add([line(text, service=service, over=over)])
        own = [place for place, (whose, _) in enumerate(left) if whose == service][::-1][:over]
        left = [each for place, each in enumerate(left) if place not in own] + [(service, text)]
    assert [(each.service, each.plain) for each in lines.shown] == [each for each in left if words in each[1]]
    assert lines.height == len(lines.shown)


def test_a_long_line_fills_as_many_rows_as_it_needs() -> None:
    lines = Lines(width=10)
    lines.add([line("a" * 25), line(""), line("日本語テキスト")])
    assert lines.height == 3 + 1 + 2
    assert [found[1:] for row in range(6) if (found := lines.at_row(row))] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (2, 0),
        (2, 1),
    ]
    assert lines.at_row(6) is None


def test_what_comes_while_somebody_reads_waits() -> None:
    lines = Lines()
    lines.add(many(3))
    lines.held = True
    lines.add(many(5))
    assert (len(lines.shown), len(lines.waiting)) == (3, 5)
    lines.release()
    assert (len(lines.shown), len(lines.waiting)) == (8, 0)


def test_what_waits_is_bounded_too() -> None:
    lines = Lines()
    lines.held = True
    for _ in range(30):
        lines.add(many(1000))
    assert len(lines.waiting) == 20_000


def test_lines_are_chosen_by_stream_level_and_words() -> None:
    lines = Lines()
    lines.add(
        [
            line("fine", level="info"),
            line("bad", level="error", stream="stderr"),
            line("so so", level=None, stream="stderr"),
            line("noise", level="debug"),
        ]
    )

    def shown(choice: Choice) -> list[str]:
        lines.choose(choice)
        return [each.plain for each in lines.shown]

    assert shown(Choice(stream="stderr")) == ["bad", "so so"]
    assert shown(Choice(level="warn")) == ["bad"]
    assert shown(Choice(level="info")) == ["fine", "bad", "so so"]
    assert shown(Choice(words="fine|NOISE")) == ["fine"]
    assert shown(Choice(words="fine|noise")) == ["fine", "noise"]
    assert shown(Choice()) == ["fine", "bad", "so so", "noise"]


def test_small_letters_find_both_and_a_capital_finds_itself() -> None:
    assert contains("An Error", "error")
    assert not contains("an error", "Error")
    assert places("abcABC", "b") == [(1, 2), (4, 5)]


def test_words_and_events_are_found_in_both_directions() -> None:
    lines = Lines()
    lines.add([line("a"), line("started", stream="locald"), line("b"), line("a")])
    assert lines.find("a", 0, 1) == 0
    assert lines.find("a", 2, 1) == 3
    assert lines.find("a|b", 2, -1) == 2
    assert lines.find("zzz", 0, 1) is None
    assert lines.find_event(3, -1) == 1


def test_an_odd_entry_is_no_line() -> None:
    assert line_of({"line": 3}) is None
    assert line_of("text") is None
    assert line_of({"line": "x"}) is not None


texts = st.text(alphabet="ab 日\u0301é", max_size=40)


@settings(max_examples=80)
@given(st.lists(texts, max_size=20), st.integers(10, 30))
def test_every_row_of_every_line_is_drawn_once_and_fits(printed: list[str], room: int) -> None:
    look = Look(width=room + 2)
    lines = Lines(width=look.room)
    lines.add(map(line, printed))
    drawn: dict[int, str] = {}
    for row in range(lines.height):
        found = lines.at_row(row)
        assert found
        piece = look.pieces(found[0])[found[2]]
        assert piece.cell_len <= look.room
        drawn[found[1]] = drawn.get(found[1], "") + piece.plain
    assert [drawn[number] for number in range(len(lines.shown))] == [each.plain for each in lines.shown]


def test_colours_are_those_of_the_program_and_words_found_are_marked() -> None:
    look = Look(width=60, words="err")
    text = look.row(line("\x1b[32mgreen\x1b[0m error"), 0)
    styles = [(text.plain[span.start : span.end], str(span.style)) for span in text.spans]
    assert ("green", "color(2)") in styles
    assert ("err", "black on yellow") in styles


def test_a_name_stands_before_each_line_where_several_services_are_shown() -> None:
    look = Look(width=60, names=name_colours(["api", "worker"]))
    assert look.row(line("hello", service="api"), 0).plain == "api    │ hello"
    assert look.row(line("oh", service="worker", stream="stderr"), 0).plain == "worker ┃ oh"


def test_on_a_wide_screen_each_line_has_its_time() -> None:
    text = Look(width=100).row(line("hello"), 0).plain
    assert text.endswith(":00.000 │ hello")


def test_a_line_of_a_structured_log_is_shown_by_its_fields() -> None:
    raw = entry('{"msg":"hello","by":"me"}') | {"shown": "hello  \x1b[2mby=\x1b[22mme"}
    line = line_of(raw)
    assert line
    assert line.plain == "hello  by=me"
