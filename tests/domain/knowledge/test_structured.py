"""Lines of structured logs as people read them."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.structured import as_fields
from locald.domain.values.plain import plain


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            '{"level":30,"time":1764504000,"pid":7,"msg":"request","status":200,"path":"/a b"}',
            'request  pid=7 status=200 path="/a b"',
        ),
        ('{"event": "started", "level": "info", "timestamp": "2026-11-30T12:00:00Z"}', "started"),
        ('{"severity":"ERROR","message":"no such table","err":{"code":"42P01"},"ok":false,"by":null}',
         'no such table  err={"code":"42P01"} ok=false by=null'),
        ('{"a":1,"b":"","c":"x=y","d":"é"}', 'a=1 b="" c="x=y" d=é'),
        (' {"msg":"two\\nlines"} ', "two\\nlines"),
        ('{"msg":"\\u001b[31mred"}', "\\u001b[31mred"),
    ],
)  # fmt: skip
def test_what_happened_stands_first_then_the_fields(line: str, shown: str) -> None:
    assert plain(as_fields(line) or "") == shown


@pytest.mark.parametrize(
    "line", ["", "text", "{not json}", "[1]", '{"level":"info"}', "{}", "{" * 5000 + "}", '{"a": 1'],
)  # fmt: skip
def test_what_is_no_object_stays_as_it_is(line: str) -> None:
    assert as_fields(line) is None


def test_a_line_without_end_is_not_read() -> None:
    assert as_fields('{"msg":"' + "x" * 100_000 + '"}') is None
