"""`why`: the chain down to the root, the evidence, and what to do next."""

from __future__ import annotations

import pytest

from domain.story import Story, listener, service, task, worker
from locald.domain.lifecycle.messages import Listens, Process
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Check, CommandCheck, HealthCheck, HttpCheck, NotifyCheck, ProtocolCheck


def blockers(s: Story, name: str) -> list[tuple[str, str]]:
    return [(row.name, row.state) for row in s.why(name).blockers]


def test_the_blockers_lead_down_to_the_root() -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    (
        s.up(),
        s.refused("db#1", "port 5432 is already in use by pid 7 (postgres)", "end it, or set another `port`"),
    )

    assert blockers(s, "web") == [("api", "blocked"), ("db", "failed")]
    why = s.why("web")
    assert why.row.because == (
        "blocked by api, which needs db: port 5432 is already in use by pid 7 (postgres)"
    )
    assert why.blockers[-1].because == "port 5432 is already in use by pid 7 (postgres)"
    assert why.hints == (
        "end it, or set another `port`",
        "run `locald logs db` to see its output",
        "run `locald up db` to try again",
    )


def test_of_several_the_worst_leads_on() -> None:
    s = Story(service("slow"), task("bad"), service("api", "bad"), service("web", "slow", "api"))
    s.up(), s.spawned("slow#1"), s.spawned("bad#1"), s.exits("bad#1", 1)

    assert blockers(s, "web") == [("slow", "starting"), ("api", "blocked"), ("bad", "failed")]


def test_of_several_that_are_as_bad_the_first_of_the_file_is_the_root_as_in_because() -> None:
    s = Story(task("a"), task("b"), service("web", "a", "b"))
    s.up()
    for name in ("a", "b"):
        s.spawned(f"{name}#1"), s.exits(f"{name}#1", 1)

    assert blockers(s, "web") == [("b", "failed"), ("a", "failed")]
    assert s.because("web") == "blocked by a: exited with code 1"


def test_what_somebody_stopped_leads_on_also_while_it_still_stops() -> None:
    s = Story(service("slow"), service("db"), service("web", "slow", "db"))
    s.up(), s.spawned("slow#1"), s.healthy("db#1"), s.stop("db")

    assert s.state("db") == "stopping"
    assert blockers(s, "web") == [("slow", "starting"), ("db", "stopping")]
    s.stopped("db#1")
    assert s.why("web").hints == ("run `locald up db` to start it",)


def test_nobody_is_named_twice() -> None:
    s = Story(service("db"), service("a", "db"), service("b", "db"), service("web", "a", "b", "db"))
    s.up()

    assert sorted(blockers(s, "web")) == [("a", "waiting"), ("b", "waiting"), ("db", "starting")]


def test_a_healthy_service_shows_what_its_health_rests_on_newest_first() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1"), s.listens("web#1", 9229), s.listens("web#1", 8080, 9229)
    s.says("web#1", "READY=1")

    why = s.why("web")
    assert (why.blockers, why.hints) == ((), ())
    assert [
        (evidence.source, evidence.ok, evidence.detail.partition(") ")[2]) for evidence in why.evidence
    ] == [
        ("notify", True, "sent READY=1"),
        ("tcp", True, "accepts connections on 127.0.0.1:8080"),
        ("tcp", False, "listens on 127.0.0.1:9229, but PORT is 8080"),
    ]


def test_what_never_ran_has_no_evidence() -> None:
    s = Story(service("db"), service("web"))
    s.up("db")

    assert s.why("web").evidence == ()
    assert s.why("web").hints == ("run `locald up web` to start it",)


def test_evidence_outlives_its_run_until_the_next() -> None:
    s = Story(service("web", restart="no"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1)

    assert s.why("web").evidence[0].source == "tcp"
    s.up()
    assert s.why("web").evidence == ()


def test_a_running_service_that_lost_a_dependency_names_it() -> None:
    s = Story(service("db", restart="no"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.exits("db#1", 1)

    assert blockers(s, "web") == [("db", "failed")]
    assert "run `locald logs db` to see its output" in s.why("web").hints


# Hints.


def late(**keys: object) -> Story:
    """A service that did not become healthy in time, unless something is done about it."""
    s = Story(service("web", port=8080, start_timeout=3.0, **keys))
    s.up(), s.spawned("web#1")
    return s


def fails(s: Story) -> str:
    s.wait(3), s.stopped("web#1")
    return s.why("web").hints[0]


def test_what_never_opened_its_port_is_told_of_the_port_and_of_workers() -> None:
    s = late()
    hint = 'make it listen on $PORT (8080), or set type = "worker" if it has no port'

    assert s.why("web").hints == (hint,)
    assert fails(s) == hint


def test_what_listens_elsewhere_is_told_how_its_framework_takes_a_port() -> None:
    s = late(command="vite --host")
    s.listens("web#1", 5173)

    assert "vite --host --port $PORT" in fails(s)


def test_a_command_that_is_a_list_is_recognised_too() -> None:
    s = late(command=("npx", "vite"))
    s.listens("web#1", 5173)

    assert "Vite listens on 5173" in fails(s)


def test_whoever_holds_the_port_is_to_be_ended() -> None:
    s = late()
    s.closes("web#1", holder=8080)

    assert fails(s) == "stop pid 4711 (nc), which uses port 8080, or set another `port`"


def test_what_says_that_it_is_still_starting_is_given_more_time_and_nothing_else() -> None:
    """Although it listens elsewhere, and its command names $PORT."""
    s = late(command="RABBIT_PORT=$PORT exec python3 late.py")
    s.says("web#1", "STATUS=loading"), s.listens("web#1", 40001)

    assert fails(s) == 'set start_timeout = "1m", since it said that it is still starting: loading'
    assert not [hint for hint in s.why("web").hints if "list" in hint]


def test_what_says_that_it_is_still_starting_is_not_told_about_its_port() -> None:
    s = late(command="RABBIT_PORT=$PORT exec python3 late.py")
    s.says("web#1", "STATUS=loading"), s.listens("web#1", 40001)

    assert s.row("web").hint is None
    assert not [hint for hint in s.why("web").hints if "40001" in hint]


def test_what_is_ready_by_its_word_and_listens_elsewhere_is_told_how_to_use_port() -> None:
    s = Story(service("web", command="caddy run --port $PORT"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.listens("web#1", 28444)

    told = "it listens on 28444, although its command contains $PORT: check where $PORT goes"
    assert (s.health("web"), s.row("web").hint, s.why("web").hints) == (
        ("healthy", "notify"),
        told,
        (told,),
    )


def test_a_string_is_never_told_about_lists() -> None:
    s = late(command="RABBIT_PORT=$PORT exec python3 late.py")
    s.listens("web#1", 40001)

    assert fails(s) == ("it listens on 40001, although its command contains $PORT: check where $PORT goes")


def test_what_waits_for_ready_is_told_how_to_do_without() -> None:
    s = late(health_check=HealthCheck(NotifyCheck()))
    hint = (
        'make it send READY=1 to $NOTIFY_SOCKET, or set health_check = { type = "tcp" } if it no longer does'
    )

    assert fails(s) == hint


def test_what_has_no_port_is_not_told_to_have_it_looked_at() -> None:
    s = Story(worker("web", start_timeout=3.0, health_check=HealthCheck(NotifyCheck())))
    s.up(), s.spawned("web#1")

    assert fails(s).endswith('or set health_check = { type = "none" } if it no longer does')


def test_a_check_of_the_own_port_is_named_when_nothing_listens_there() -> None:
    s = late(health_check=HealthCheck(HttpCheck()))

    assert fails(s) == "make it listen on $PORT (8080), which its health_check uses"


def test_a_check_elsewhere_gives_no_hints_about_the_port() -> None:
    s = late(health_check=HealthCheck(HttpCheck(port=9000)))

    fails(s)
    assert s.why("web").hints == (
        "raise start_timeout (3s) if it needs longer",
        "run `locald logs web` to see its output",
        "run `locald up web` to try again",
    )


def test_what_did_not_open_its_port_in_time_may_need_longer() -> None:
    s = late()
    fails(s)

    assert s.why("web").hints[:2] == (
        'make it listen on $PORT (8080), or set type = "worker" if it has no port',
        "raise start_timeout (3s) if it needs longer",
    )


def test_more_time_is_not_offered_to_what_listens_elsewhere_or_finds_its_port_in_use() -> None:
    elsewhere, taken = late(), late()
    elsewhere.listens("web#1", 5173), taken.closes("web#1", holder=8080)

    for s in (elsewhere, taken):
        fails(s)
        assert not [hint for hint in s.why("web").hints if "start_timeout" in hint]


def test_a_command_of_a_check_that_is_an_address_is_told_what_was_meant() -> None:
    s = late(health_check=HealthCheck(CommandCheck("/health")))
    s.listens("web#1")
    s.probed("web#1", False, "the health_check command exited with code 127: sh: 1: /health: not found")
    hint = (
        'did you mean `health_check = { type = "http", path = "/health" }`? '
        "As a string, health_check is a command"
    )

    assert s.why("web").hints == (hint,)
    assert fails(s) == hint


def test_a_command_of_a_check_that_the_shell_does_not_find_is_told_so() -> None:
    s = late(health_check=HealthCheck(CommandCheck("pg_isredy")))
    s.listens("web#1")
    s.probed("web#1", False, "the health_check command exited with code 127: sh: 1: pg_isredy: not found")

    assert fails(s) == "correct the health_check command, it names a program that sh could not find"
    assert not [hint for hint in s.why("web").hints if "start_timeout" in hint]


def test_a_check_that_gets_another_answer_is_told_about_its_path_and_status() -> None:
    s = late(health_check=HealthCheck(HttpCheck(path="/helth", status=(204,))))
    s.listens("web#1"), s.probed("web#1", False, "GET http://127.0.0.1:8080/helth returned 404 Not Found")

    assert fails(s) == (
        'set `path` of health_check (now "/helth") to one that returns 204, '
        "or set status = [204, 404] if 404 means healthy too"
    )


@pytest.mark.parametrize(
    ("check", "said", "hint"),
    [
        (
            HttpCheck(),
            "GET http://127.0.0.1:8080/: connection closed without an answer, the server speaks TLS",
            'add scheme = "https" to health_check',
        ),
        (
            HttpCheck(),
            "GET http://127.0.0.1:8080/ returned 400 Bad Request, the server speaks TLS",
            'add scheme = "https" to health_check',
        ),
        (
            HttpCheck(scheme="https"),
            "GET https://127.0.0.1:8080/: the server does not speak TLS",
            'remove scheme = "https" from health_check',
        ),
        (
            ProtocolCheck("redis"),
            "127.0.0.1:8080 did not answer in the redis protocol, but in HTTP",
            'correct `type` of health_check ("redis"), for example to "http"',
        ),
        (
            ProtocolCheck("redis"),
            "127.0.0.1:8080 did not answer in the redis protocol",
            'correct `type` of health_check ("redis"), for example to "tcp"',
        ),
    ],
)
def test_a_check_that_speaks_otherwise_than_the_server_is_told_so(check: Check, said: str, hint: str) -> None:
    s = late(health_check=HealthCheck(check))
    s.listens("web#1"), s.probed("web#1", False, said)

    assert fails(s) == hint


def test_a_server_that_says_that_it_is_not_ready_is_not_told_to_change_its_check() -> None:
    s = late(health_check=HealthCheck(HttpCheck()))
    (
        s.listens("web#1"),
        s.probed("web#1", False, "GET http://127.0.0.1:8080/ returned 503 Service Unavailable"),
    )

    assert fails(s) == "raise start_timeout (3s) if it needs longer"


def test_a_crash_is_not_explained_by_a_port() -> None:
    s = late(restart="no")
    s.exits("web#1", 1)

    assert s.why("web").hints == (
        "run `locald logs web` to see its output",
        "run `locald up web` to try again",
    )


def test_a_failure_after_it_was_ready_is_not_explained_by_a_port() -> None:
    s = late(restart="no")
    s.listens("web#1"), s.wait(100), s.closes("web#1"), s.exits("web#1", 1)

    assert s.why("web").hints == (
        "run `locald logs web` to see its output",
        "run `locald up web` to try again",
    )


def test_a_worker_is_not_told_to_listen() -> None:
    s = Story(worker("jobs", start_timeout=3.0))
    s.up(), s.spawned("jobs#1"), s.says("jobs#1", "STATUS=x"), s.wait(3), s.stopped("jobs#1")

    assert not [hint for hint in s.why("jobs").hints if "listen" in hint or "port" in hint]


def test_who_speaks_but_never_says_ready_is_told_that_this_is_waited_for() -> None:
    hint = (
        'make it send READY=1 to $NOTIFY_SOCKET, or set health_check = { type = "tcp" } '
        "if it uses the socket for other messages only"
    )
    s = late()
    s.says("web#1", "STATUS=x"), s.listens("web#1")
    assert s.why("web").hints == (hint,)
    assert fails(s) == hint

    s = late()
    s.listens("web#1"), s.wait(1), s.says("web#1", "STATUS=x")
    assert s.state("web") == "running"
    assert s.why("web").hints[0] == hint
    s.says("web#1", "READY=1")
    assert s.why("web").hints == ()


def test_a_task_is_not_told_to_say_ready() -> None:
    s = Story(task("seed", start_timeout=3.0))
    s.up(), s.spawned("seed#1"), s.says("seed#1", "READY=1"), s.exits("seed#1", 0)
    s.up("seed"), s.spawned("seed#2"), s.says("seed#2", "STATUS=x"), s.wait(3), s.stopped("seed#2")

    assert s.why("seed").hints[:2] == (
        'set start_timeout = "1m", since it said that it is still starting: x',
        "run `locald logs seed` to see its output",
    )


def test_every_other_state_says_what_can_be_done() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.wait(1), s.closes("web#1")
    assert s.why("web").hints == (
        "run `locald logs web` to see its output",
        "run `locald restart web` to start it again",
    )

    s.exits("web#1", 1)
    assert s.why("web").hints == ("run `locald logs web` to see its output",)
    s.wait(0.1), s.healthy("web#2"), s.exits("web#2", 0)
    assert s.why("web").hints == ("run `locald restart web` to start it again",)
    s.stop("web")
    assert s.why("web").hints == ("run `locald up web` to start it",)


# The hint beside a row.


def test_a_row_has_the_step_that_follows_from_what_was_seen() -> None:
    s = Story(service("web", port=24001, command="vite"))
    s.up(), s.spawned("web#1")
    assert s.row("web").hint is None, "it may still come"
    s.listens("web#1", 5173)
    assert s.row("web").hint == "Vite listens on 5173: write `vite --port $PORT`"
    s.listens("web#1", 5173, 24001)
    assert s.row("web").hint is None


def test_a_debugger_alone_is_no_reason_for_a_hint_and_is_never_told_the_port() -> None:
    s = Story(service("web", port=24001, command="node --inspect=9444 app.js"))
    s.up(), s.spawned("web#1"), s.listens("web#1", 9444)
    assert s.row("web").hint is None
    assert not any("--inspect=$PORT" in hint for hint in s.why("web").hints)


def test_what_becomes_its_port_in_a_moment_is_no_reason_for_one() -> None:
    s = Story(service("web", command="vite"))
    s.up(), s.spawned("web#1")
    own = (listener(5173, Process(1, "node")),)
    s.tell(Listens(Run(Key("shop", "web"), 1), own, False, None, s.now, serving=(5173,)))
    assert s.row("web").hint is None


def test_of_what_failed_or_ended_the_row_has_what_to_do_and_not_that_it_can_be_tried_again() -> None:
    s = Story(service("web"), worker("jobs", command="cat"))
    s.up(), s.refused("web#1", "no such program: vit", 'did you mean "vite"?')
    s.spawned("jobs#1"), s.wait(1), s.exits("jobs#1", 0)
    assert s.row("web").hint == 'did you mean "vite"?'
    assert s.row("jobs").hint == 'set stdin = "open", since cat exits when its standard input ends'
    s.up("web"), s.spawned("web#2"), s.exits("web#2", 1), s.stop("web")
    assert s.row("web").hint is None


def test_of_a_port_that_locald_chose_and_somebody_took_meanwhile_a_restart_gets_another() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.closes("web#1", holder=s.port("web"))
    told = f"stop pid 4711 (nc), which uses port {s.port('web')}, or run `locald restart web`, which takes"
    assert s.row("web").hint == f"{told} another port"
