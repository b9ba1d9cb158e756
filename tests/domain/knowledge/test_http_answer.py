"""The status line of an HTTP answer decides, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge.protocols.http import MOST, NotHttp, StatusLine, request, status_line

OK = StatusLine(200, "OK")


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        (b"HTTP/1.1 200 OK\r\n", OK),
        (b"HTTP/1.0 200 OK\n", OK),
        (b"HTTP/1.1 200\r\n", OK),
        (b"HTTP/1.1 200 \r\n", OK),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", StatusLine(204, "No Content")),
        (b"HTTP/1.1 418 Short and stout\r\n", StatusLine(418, "Short and stout")),
        (b"HTTP/1.1 599 \x1b[31mred\x07\r\n", StatusLine(599, "[31mred")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", OK),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n", OK),
        (b"HTTP/1.1 101 Switching Protocols\r\n", StatusLine(101, "Switching Protocols")),
    ],
)
def test_the_final_status_line_is_read(answer: bytes, meant: StatusLine) -> None:
    assert status_line(answer) == meant


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HT",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 100 Continue\r\nA: b\r\n",
        b"HTTP/1.1 102 P\r\n\r\n",
    ],
)
def test_the_beginning_of_an_answer_asks_for_more(answer: bytes) -> None:
    assert status_line(answer) is None


@pytest.mark.parametrize(
    ("answer", "is_tls"),
    [
        (b"220 mail.test ESMTP\r\n", False),
        (b"HTTX", False),
        (b"HTTP/1.1 OK 200\r\n", False),
        (b"HTTP/1.1 99 Low\r\n", False),
        (b"HTTP/1.1 600 High\r\n", False),
        (b"HTTP/1.1 200" + b"x" * MOST, False),
        (b"\0\0\x12\x04\0\0\0\0\0", False),
        (b"\x15\x03\x01\0\x02\x02\x46", True),
    ],
)
def test_what_is_no_status_line_is_not_http(answer: bytes, is_tls: bool) -> None:
    with pytest.raises(NotHttp) as raised:
        status_line(answer)
    assert raised.value.is_tls is is_tls


@given(answer=st.binary(max_size=200))
def test_no_bytes_do_more_than_that(answer: bytes) -> None:
    try:
        found = status_line(b"HTTP/1.1 " + answer)
    except NotHttp:
        return
    assert found is None or (100 <= found.status <= 599 and (not found.phrase or found.phrase.isprintable()))


def test_a_request_ends_its_connection_and_the_users_headers_go_over_ours() -> None:
    assert request("/up?x=1", "127.0.0.1:80", {"host": "shop.localhost", "X-Token": "t"}) == (
        b"GET /up?x=1 HTTP/1.1\r\nUser-Agent: locald\r\nAccept: */*\r\nConnection: close\r\n"
        b"host: shop.localhost\r\nX-Token: t\r\n\r\n"
    )
