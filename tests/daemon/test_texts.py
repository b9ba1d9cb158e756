"""What a daemon remembers of files that it has read, and what it takes from a client that has read one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from locald.cli.shared import reading
from locald.daemon.texts import MOST, KnownTexts
from locald.domain.project.file import FILE
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
[project]
name = "shop"
[services.db]
image = "postgres:16"
volumes = ["./data:/var/lib/postgresql/data"]
[services.seed]
type = "task"
command = ["python", "seed.py", "${services.db.port}"]
depends_on = { db = "started" }
[services.web]
command = "npm run dev -- --port $PORT"
env = { DB = "${services.db.host}" }
health_check = { type = "http", path = "/health", status = [200, 401], headers = { Host = "shop.localhost" } }
stop_signal = "SIGINT"
start_timeout = "2m"
log_size = "10MB"
"""


@pytest.fixture
def texts() -> KnownTexts:
    return KnownTexts()


def read(folder: Path, text: str = SHOP) -> dict[str, object]:
    (folder / FILE).write_text(text)
    found = reading.read(str(folder))
    assert found
    return found


def test_what_a_client_has_read_is_what_the_daemon_would_have_read(texts: KnownTexts, tmp_path: Path) -> None:
    taught = KnownTexts()
    taught.learn(read(tmp_path))
    assert taught.parse(Texts(SHOP)) == texts.parse(Texts(SHOP))
    assert str(taught.parse(Texts(SHOP))) == str(texts.parse(Texts(SHOP))), "to the order of its services"


def test_a_client_s_reading_is_believed_for_that_very_text(
    texts: KnownTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts.learn(read(tmp_path))
    monkeypatch.setattr("locald.domain.project.config.understand", None)
    assert texts.parse(Texts(SHOP)).name == "shop"
    with pytest.raises(TypeError):
        texts.parse(Texts(SHOP + "\n"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "0.0.0"},
        {"texts": [7, None]},
        {"spec": None},
        {"spec": {"name": 7}},
        {"spec": {"name": "shop", "domain": "shop.localhost", "services": {"web": {"type": "magic"}}}},
    ],
)
def test_what_does_not_fit_is_not_taken(texts: KnownTexts, tmp_path: Path, wrong: dict[str, object]) -> None:
    texts.learn(read(tmp_path) | wrong)
    assert texts.parse(Texts(SHOP)).services["web"].log_size == 10_000_000


def test_a_file_with_a_mistake_is_left_to_the_daemon(texts: KnownTexts, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(SHOP + "comand = 1\n")
    assert reading.read(str(tmp_path)) is None
    with pytest.raises(Refused, match="comand"):
        texts.parse(Texts(SHOP + "comand = 1\n"))


def test_a_file_that_is_not_there_is_left_to_the_daemon_too(tmp_path: Path) -> None:
    assert reading.read(str(tmp_path)) is None


def test_the_text_that_was_asked_for_last_is_kept_longest(
    texts: KnownTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = [f'[project]\nname = "p{number}"\n' for number in range(MOST)]
    for each in (first, *others, first, SHOP):
        texts.parse(Texts(each))
    monkeypatch.setattr("locald.domain.project.config.understand", None)
    assert texts.parse(Texts(first)).name == "p0"
    with pytest.raises(TypeError):
        texts.parse(Texts(others[0]))
