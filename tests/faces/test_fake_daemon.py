"""The daemon of these tests says what the real one says, field for field."""

from __future__ import annotations

from faces import fake_daemon
from locald.domain.explain.view import Row
from locald.wire.version import __version__


def test_a_row_has_the_fields_of_the_real_one() -> None:
    assert list(fake_daemon.row("web")) == list(Row.__struct_fields__)


def test_it_is_of_our_version() -> None:
    assert __version__ == fake_daemon.VERSION
