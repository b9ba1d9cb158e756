"""The level of a line of output is what the line says, and nothing is read into it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge.level import LEVELS, Level, is_at_least, level

SAYS = [
    ("ERROR something broke", "error"),
    ("Error: listen EADDRINUSE: address already in use", "error"),
    ("error: no such file", "error"),
    ("bash: error: no", "error"),
    ("[error] 12#12: *1 open() failed", "error"),
    ("2026/05/01 12:00:00 [error] 12#12: *1 open() failed", "error"),
    ("2026-05-01 12:00:00.123 UTC [33] ERROR:  relation does not exist", "error"),
    ("2026-05-01 12:00:00.123 UTC [33] LOG:  database system is ready to accept connections", "info"),
    ("2026-05-01T12:00:00Z FATAL cannot connect", "error"),
    ("CRITICAL:root:it burns", "error"),
    ("panic: runtime error: index out of range", "error"),
    ("Traceback (most recent call last):", "error"),
    ("ValueError: invalid literal", "error"),
    ("django.db.utils.OperationalError: no such table", "error"),
    ("TypeError [ERR_INVALID_ARG_TYPE]: no", "error"),
    ("npm ERR! code ELIFECYCLE", "error"),
    ("E0501 12:00:00.123456   7 main.go:1] no", "error"),
    ("W0501 12:00:00.123456   7 main.go:1] hm", "warn"),
    ("\x1b[31mERROR\x1b[0m something broke", "error"),
    ("\x1b[32mINFO\x1b[0m:     Uvicorn running on http://127.0.0.1:8000", "info"),
    ("INFO:     127.0.0.1:1234 - GET / 200", "info"),
    ("12:00:00.1 WARN  [main] org.example.Main - slow", "warn"),
    ("[warn] slow", "warn"),
    ("(node:7) [DEP0005] DeprecationWarning: Buffer() is deprecated", None),
    ("warning: unused variable", "warn"),
    ("WARNING:root:hm", "warn"),
    ("| warning | hm", "warn"),
    ("<info> there", "info"),
    ("level=info msg=started", "info"),
    ('time="2026-05-01" level=warning msg="an error"', "warn"),
    ("severity: ERROR", "error"),
    ('{"level":"error","msg":"no"}', "error"),
    ('{"msg": "INFO", "level": "debug"}', "debug"),
    ('{"level":30,"time":1,"msg":"pino"}', "info"),
    ('{"level":50,"time":1,"msg":"pino"}', "error"),
    ('{"log.level": "info"}', "info"),
    ('{"severity":"NOTICE"}', "info"),
    ('{"message":"ERROR","n":1}', None),
    ("{'level': 'trace'}", "debug"),
    ("DEBUG (0.001) SELECT 1", "debug"),
    ("TRACE deep", "debug"),
    ("   ERROR indented", "error"),
    ("no errors found", None),
    ("0 errors, 0 warnings", None),
    ("an error: twice", None),
    ("GET /error HTTP/1.1 200", None),
    ("see error.log", None),
    ("the ERROR_CODE is 3", None),
    ("reading ERROR.txt", None),
    ("TERROR", None),
    ("information about you", None),
    ("Log in: http://127.0.0.1", None),
    ("compiled successfully", None),
    ("levels=error", None),
    ("level=70000", None),
    ("", None),
    ("\x1b[2J", None),
]


@pytest.mark.parametrize(("text", "expected"), SAYS)
def test_a_line_has_the_level_that_it_names(text: str, expected: str | None) -> None:
    assert level(text) == expected


@pytest.mark.parametrize("wanted", LEVELS)
def test_at_least_a_level_are_this_one_and_all_graver_ones(wanted: Level) -> None:
    lines = ["ERROR a", "[warn] b", "level=info c", "DEBUG d", "no word of it"]
    chosen = [line for line in lines if is_at_least(line, wanted)]
    assert chosen == lines[: LEVELS.index(wanted) + 1]


def test_a_level_far_behind_does_not_count() -> None:
    assert level("x" * 1000 + " ERROR") is None


def test_in_json_it_may_stand_further_back() -> None:
    assert level('{"msg":"' + "x" * 1000 + '","level":"warn"}') == "warn"


@given(st.text())
def test_any_text_has_one_or_none(text: str) -> None:
    assert level(text) in ("error", "warn", "info", "debug", None)


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, "{" * 1_000_000, " " * 1_000_000, "a/" * 500_000, "\x1b[" * 500_000, "1:" * 500_000],
)
def test_a_long_line_takes_no_longer(text: str) -> None:
    began = time.process_time()
    level(text)
    assert time.process_time() - began < 0.05
