"""What counts as a number, and that none is too long to be looked at."""

from __future__ import annotations

import pytest

from locald.domain.values import digits

ENDLESS = "9" * 5000
"""Python's `int` refuses it"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("0", 0), ("7", 7), ("500", 500), ("501", None), ("000000500", 500), ("0" * 5000, 0)),
        *(("", None), ("-1", None), ("+1", None), ("1.0", None), (" 1", None), ("٣", None), ("²", None)),
        (ENDLESS, None),
    ],
)
def test_a_number_is_ascii_digits_up_to_the_largest(text: str, found: int | None) -> None:
    assert digits.number(text, 500) == found


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("65535", 65535), ("65536", 0), ("0", 0), ("x", 0)])
def test_a_port_is_one_of_those_that_there_are(text: str, found: int) -> None:
    assert digits.port(text) == found
