"""A port that somebody else has: who, and what to do about it."""

from __future__ import annotations

import pytest

from domain.story import Story, listener, service, worker
from locald.domain.explain import in_use
from locald.domain.lifecycle.messages import Listener, Process
from locald.domain.project.names import Key

NC = listener(5000, Process(9, "nc"))
HELD = "port 5000 is already in use by pid 9 (nc), which listens on 127.0.0.1:5000"


def hint(s: Story, port: int, holder: Listener | None = NC, other: Key | None = None) -> str:
    return in_use.hint(s.service("web"), port, holder, other)


@pytest.mark.parametrize(
    ("command", "write"),
    [
        ("flask run", "write `flask run --port $PORT`"),
        ("flask run -p 5000", "write `flask run -p $PORT`"),
        ("python3 app.py", "pass $PORT on the command line, or make the program read PORT"),
        (("app", "5000"), "write `app $PORT` as a string, since $PORT in a list is not expanded"),
        ("flask run --port ${PORT:-5000}", "pass $PORT on the command line, or make the program read PORT"),
    ],
)
def test_a_port_that_is_not_its_own_is_told_with_what_makes_it_use_port(
    command: str | tuple[str, ...], write: str
) -> None:
    s = Story(service("web", command=command))
    s.up()
    assert hint(s, 5000) == f"{HELD}: run `kill 9` to stop that process, or {write}"


def test_another_service_is_named_and_can_be_stopped() -> None:
    s = Story(service("web", command="flask run"))
    s.up()
    told = hint(s, 5000, other=Key("shop", "api"))
    assert told.startswith(f"{HELD} (service shop:api): run `locald stop shop:api`, or write ")


def test_the_port_of_the_file_can_be_another_one_and_an_assigned_one_is_given_up() -> None:
    s = Story(service("web", port=5000))
    s.up()
    assert hint(s, 5000).endswith("or set another `port`")
    s = Story(service("web"))
    s.up()
    own = s.port("web")
    told = hint(s, own, listener(own, Process(9, "nc")))
    assert told.endswith("or run `locald up web`, which takes another port")


def test_of_another_users_process_only_that_is_known() -> None:
    s = Story(service("web", port=5000))
    s.up()
    told = "port 5000 is already in use by a process of another user: set another `port`"
    assert hint(s, 5000, listener(5000, Process(0))) == told


def test_what_is_free_by_now_can_be_tried_again() -> None:
    s = Story(service("web"))
    s.up()
    told = "port 5000 was in use and is free now: run `locald up web` to try again"
    assert hint(s, 5000, None) == told


def test_where_no_port_is_named_and_its_own_is_free_it_wanted_another() -> None:
    s = Story(service("web", command="python -m http.server"), worker("jobs"))
    s.up()
    told = in_use.hint_without_port(s.service("web"))
    assert told == (
        "the port that it wants was in use, and PORT is free: write `python -m http.server $PORT`"
    )
    told = in_use.hint_without_port(s.service("jobs"))
    assert told.endswith("have it use another port")


def test_who_listens_is_a_service_that_runs() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.listens("web#1", 5000)
    assert in_use.who_listens(s.world, 5000) == Key("shop", "web")
    s.stop(), s.stopped("web#1")
    assert in_use.who_listens(s.world, 5000) is None


def test_what_names_no_port_may_have_wanted_one_of_its_command_or_the_one_that_its_server_likes() -> None:
    s = Story(service("web", command="flask run -p 8123 # 3.12"), service("jobs", command="sleep 9"))
    s.up()
    assert in_use.wanted(s.service("web")) == [s.port("web"), 8123, 5000]
    assert in_use.wanted(s.service("jobs")) == [s.port("jobs")]
