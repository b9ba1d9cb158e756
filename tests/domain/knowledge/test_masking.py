"""Secrets of an environment are not shown, and it is told which."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.masking import MASK, masked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET", "x"),
        ("DB_PASSWORD", "x"),
        ("PGPASSWORD", "x"),
        ("SMTP_PASSWD", "x"),
        ("GITHUB_TOKEN", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("apiKey", "x"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/a.json"),
        ("BASIC_AUTH", "a:b"),
        ("SESSION_COOKIE", "x"),
        ("SENTRY_DSN", "https://abc@o1.example/2"),
        ("DATABASE_URL", "postgres://app:secret@127.0.0.1:5432/shop"),
        ("REDIS_URL", "redis://:secret@127.0.0.1"),
        ("PROXIES", "a http://b:c@d"),
        ("MAIL_URL", "smtp://me@example.com:p@ss:word@mail"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(name: str, value: str) -> None:
    assert masked({name: value, "HOME": "/root"}) == ({name: MASK, "HOME": "/root"}, [name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "24001"),
        ("PATH", "/usr/bin:/bin"),
        ("PWD", "/home/me"),
        ("OLDPWD", "/home/me"),
        ("SSH_AUTH_SOCK", "/run/agent"),
        ("URL", "http://127.0.0.1:24001/"),
        ("DATABASE_URL", "postgres://app@127.0.0.1:5432/shop"),
        ("REPOSITORY", "git@example.com:me/shop"),
        ("EMPTY_PASSWORD", ""),
    ],
)
def test_what_does_not_is_shown(name: str, value: str) -> None:
    assert masked({name: value}) == ({name: value}, [])


@pytest.mark.parametrize("value", ["a" * 130_000, "a://" + "b:" * 65_000, "a://" * 32_000, ":@" * 65_000])
def test_a_long_value_is_looked_through_once(value: str) -> None:
    """Else this would take minutes."""
    assert masked({"BLOB": value}) == ({"BLOB": value}, [])


def test_names_come_sorted_and_the_order_of_variables_stays() -> None:
    shown, names = masked({"Z_TOKEN": "1", "A": "2", "A_TOKEN": "3"})
    assert (list(shown), names) == (["Z_TOKEN", "A", "A_TOKEN"], ["A_TOKEN", "Z_TOKEN"])
