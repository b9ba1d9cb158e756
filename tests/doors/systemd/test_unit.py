"""What an order becomes as a transient unit, and a line of the journal as ours. No systemd is asked."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from locald.adapters.processes import Order as ProcessOrder
from locald.adapters.systemd.journal import message
from locald.adapters.systemd.unit import INFINITY, Order, carried, labels, properties, run_of, unit_name
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, KillMode, ServiceSpec

RUN = Run(Key("shop@feat", "web"), 3)


def made(env: dict[str, str] | None = None, *, speaks: bool = False, **spec: Any) -> dict[str, Any]:
    process = ProcessOrder(
        argv=("serve", "$HOME", "100%"),
        cwd="/shop",
        env=env or {},
        umask=0o027,
        limits={"nofile": (1024, 4096), "core": (0, -1)},
        tty=True,
        watchdog=spec.get("watchdog"),
        logs="/logs",
        log_size=1,
    )
    definition = Definition(RUN.key, "/shop", replace(ServiceSpec("web"), **spec), None)
    order = Order(definition, process, {}, "/logs", speaks)
    return {name: value for name, _, value in properties(RUN, order, "/bin/serve", "me", ["LANG", "A"])}


def test_a_unit_is_named_after_its_service_and_says_of_which_run_it_is() -> None:
    assert unit_name(RUN.key) == "locald-shop.feat-web.service"
    fields = made()["LogExtraFields"]
    assert carried(fields) == labels(RUN, "me")
    assert run_of(carried(fields)) == RUN
    assert run_of({}) is None


def test_words_reach_the_program_as_they_are() -> None:
    assert made()["ExecStartEx"] == [["/bin/serve", ["serve", "$HOME", "100%"], ["no-env-expand"]]]


def test_its_environment_is_its_own_and_what_systemd_would_refuse_is_left_out() -> None:
    unit = made({"A": "1", "BASH_FUNC_x%%": "() { :; }", "BYTES": "\udcff", "É": "1"})
    assert unit["Environment"] == ["A=1"]
    assert unit["UnsetEnvironment"] == ["LANG"]


def test_limits_are_those_of_the_shell_the_hard_ones_first() -> None:
    limits = [(name, value) for name, value in made().items() if name.startswith("Limit")]
    assert limits == [
        ("LimitNOFILE", 4096),
        ("LimitNOFILESoft", 1024),
        ("LimitCORE", INFINITY),
        ("LimitCORESoft", 0),
    ]


def test_how_it_ends_is_what_the_file_says() -> None:
    unit = made(stop_signal="SIGINT", stop_timeout=1.5, kill_mode=KillMode.MIXED, watchdog=7.0)
    assert (unit["KillSignal"], unit["TimeoutStopUSec"], unit["KillMode"]) == (2, 1_500_000, "mixed")
    assert unit["WatchdogUSec"] == 7_000_000


def test_ready_is_waited_for_where_it_will_be_said() -> None:
    assert made()["Type"] == "exec"
    assert made(speaks=True)["Type"] == "notify"


def test_a_line_of_the_journal_ends_unless_it_goes_on() -> None:
    at = {"__REALTIME_TIMESTAMP": "5"}
    assert message({"MESSAGE": "one", **at}).data == b"one\n"
    assert message({"MESSAGE": [255, 65], **at}).data == b"\xffA\n"
    assert message({"MESSAGE": "half", "_LINE_BREAK": "line-max", **at}).data == b"half"
    assert message({"MESSAGE": None, **at}).data == b"\n"
    assert message({"MESSAGE": "one", **at}).moment == 5000
