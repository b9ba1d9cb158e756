"""`up --on systemd` as people use it: the whole program, and a real systemd of a user's own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from whole.looking import at, is_healthy
from whole.machine import Machine, wait_for
from whole.own_systemd import Boxed, OwnSystemd, is_there, systemd
from whole.test_keys import taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["systemd"]

pytestmark = pytest.mark.skipif(not is_there(), reason="needs systemd, a bus, and the rights to begin them")

STAY = 'type = "worker"\ncommand = "exec sleep 1000000"\n'
SERVE = 'command = "exec python3 -u -m http.server $PORT --bind 127.0.0.1"\n'
SHOP = f"[services.db]\n{SERVE}[services.web]\n{SERVE}depends_on = ['db']\n"
SAY = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
SENDS = f"{SAY}; s.sendto(b'%s', os.environ['NOTIFY_SOCKET'])"


@pytest.fixture
def own() -> Iterator[OwnSystemd]:
    """One that a test may end."""
    made = OwnSystemd()
    yield made
    made.close()


@pytest.fixture
def boxed(systemd: OwnSystemd, request: pytest.FixtureRequest) -> Iterator[Boxed]:
    """A locald in there, which leaves no unit."""
    made = Boxed(systemd, f"p{len(list(systemd.folder.iterdir()))}")
    yield made
    made.locald("down")
    left = [unit for unit in systemd.locald_units() if made.name in unit]
    made.close()
    assert left == []


def says(word: str) -> str:
    """A program that says something on its notify socket, and stays."""
    return f'command = ["python3", "-c", "{SENDS % word}; import time; time.sleep(1000000)"]\n'


def test_a_file_runs_as_units_in_its_order_and_is_seen_as_here(boxed: Boxed, systemd: OwnSystemd) -> None:
    rows = boxed.up_there(SHOP)
    assert boxed.units() == [boxed.unit("db"), boxed.unit("web")]
    assert {row["source"] for row in rows.values()} == {"tcp"}
    assert at(str(rows["db"]["ready_at"])) <= at(str(rows["web"]["started_at"]))
    told = json.loads(boxed.locald("timeline", "--json").stdout)
    assert told["critical_path"] == ["db", "web"]
    assert systemd.show(boxed.unit("web"), "MainPID") == str(rows["web"]["pid"])
    assert boxed.locald("down").returncode == 0
    assert boxed.units() == []


def test_a_killed_unit_is_restarted_and_why_names_it_with_its_result(
    boxed: Boxed, systemd: OwnSystemd
) -> None:
    row = boxed.up_there(f"[services.web]\n{SERVE}restart = 'on-failure'\n")["web"]
    systemd.systemctl("kill", "--signal=KILL", boxed.unit("web"))
    again = boxed.until("web", lambda row: is_healthy(row) and row["run"] == 2)
    assert again["pid"] != row["pid"]
    told = f"killed by SIGKILL ({boxed.unit('web')}: signal)"
    assert told in boxed.locald("logs", "web").stdout
    boxed.up_there(f"[services.web]\n{SERVE}restart = 'no'\n")
    systemd.systemctl("kill", "--signal=KILL", boxed.unit("web"))
    boxed.until("web", lambda row: row["state"] == "failed")
    assert told in boxed.locald("why", "web").stdout


def test_the_daemon_is_killed_and_the_next_one_takes_up_what_is_there(boxed: Boxed) -> None:
    ticks = "i=0; while :; do echo $((i=i+1)); sleep 0.02; done"
    before = boxed.up_there(f"{SHOP}[services.tick]\ntype = 'worker'\ncommand = '{ticks}'\n")
    wait_for(lambda: boxed.printed("tick", "-n", "5"), "its first lines")
    boxed.kill_daemon()
    boxed.status()  # starts another
    after = boxed.until_all(lambda rows: len(rows) == 3 and all(map(is_healthy, rows.values())))
    assert {name: row["pid"] for name, row in after.items()} == {
        name: row["pid"] for name, row in before.items()
    }
    said = len(boxed.printed("tick", "-n", "1000000"))
    wait_for(lambda: len(boxed.printed("tick", "-n", "1000000")) > said, "more lines")
    lines = boxed.printed("tick", "-n", "1000000")
    assert lines == [str(number + 1) for number in range(len(lines))]
    boxed.locald("restart", "web")
    assert boxed.status()["web"]["run"] == 2


def test_a_daemon_that_has_lost_its_state_stops_what_it_does_not_know(boxed: Boxed) -> None:
    boxed.up_there(SHOP)
    boxed.lose_state()
    wait_for(lambda: boxed.units() == [], "its units are stopped")
    wait_for(lambda: not (boxed.home / "state" / "engines-systemd.json").exists(), "systemd is struck off")


def test_output_is_kept_to_the_last_line(boxed: Boxed) -> None:
    command = "trap 'echo bye; exit 0' TERM; echo hello; echo error >&2; while :; do sleep 0.1; done"
    boxed.up_there(f'[services.job]\ntype = "worker"\ncommand = "{command}"\n')
    wait_for(lambda: boxed.printed("job") == ["hello", "error"], "its first lines")
    boxed.locald("stop")
    assert boxed.printed("job")[-1] == "bye"


def test_lines_that_the_journal_does_not_take_are_told_of() -> None:
    """It takes so many within a time, of all units of a user together, and says so when that is over."""
    own = OwnSystemd("RateLimitIntervalSec=2s\\nRateLimitBurst=100")
    boxed = Boxed(own, "shop")
    flood = "for each in $(seq 2000); do echo $each; done; while :; do sleep 0.3; echo more; done"
    boxed.up_there(f'[services.web]\ntype = "worker"\ncommand = "{flood}"\n')
    told = "lines of your units, which came too fast: RateLimitBurst= in journald.conf says how many it takes"
    wait_for(lambda: any(told in line for line in boxed.logs("web")), "what is told of it")
    boxed.locald("down")
    boxed.close()
    own.close()


def test_a_task_is_completed_before_what_needs_it(boxed: Boxed) -> None:
    seed = '[services.seed]\ntype = "task"\ncommand = "echo seeded"\n'
    rows = boxed.up_there(f"{seed}[services.web]\n{STAY}depends_on = ['seed']\n")
    assert rows["seed"]["state"] == "completed"
    assert boxed.printed("seed") == ["seeded"]
    assert boxed.units() == [boxed.unit("web")]


def test_what_ends_by_itself_has_failed_with_its_last_words(boxed: Boxed) -> None:
    boxed.write(
        "[services.bad]\ncommand = 'echo about to crash >&2; exit 3'\nrestart = 'no'\n", name=boxed.name
    )
    done = boxed.locald("up", "--on", "systemd")
    assert done.returncode == 1
    assert "about to crash" in done.stderr
    row = boxed.status()["bad"]
    assert (row["state"], row["exit_code"]) == ("failed", 3)
    assert f"({boxed.unit('bad')}: exit-code)" in row["because"]


def test_ready_is_the_word_of_systemd_where_the_file_says_so(boxed: Boxed) -> None:
    check = 'health_check = { type = "notify" }\n'
    row = boxed.up_there(f"[services.web]\n{says('READY=1')}{check}")["web"]
    assert (row["source"], row["check"]) == ("explicit", "notify")
    assert row["because"] == f"{boxed.unit('web')} is active, its program sent READY=1"


def test_who_has_said_ready_here_is_waited_for_there(boxed: Boxed) -> None:
    boxed.write(f'[services.web]\ntype = "worker"\n{says("READY=1")}', name=boxed.name)
    boxed.up()
    boxed.until("web", lambda row: row["source"] == "notify")
    rows = boxed.up("--on", "systemd")
    assert rows["web"]["source"] == "systemd"


def test_a_watchdog_that_expires_is_named(boxed: Boxed) -> None:
    boxed.write(
        f"[services.web]\ntype = 'worker'\n{says('READY=1')}watchdog = '300ms'\nrestart = 'no'\n",
        name=boxed.name,
    )
    boxed.locald("up", "--on", "systemd", "-d")
    row = boxed.until("web", lambda row: row["state"] == "failed")
    assert f"{boxed.unit('web')}: watchdog" in row["because"]


def test_it_has_the_environment_the_umask_and_the_folder_that_it_has_here(boxed: Boxed) -> None:
    shows = "pwd; umask; env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= | sort; ulimit -n"
    (boxed.folder / "sub").mkdir()
    services = (
        f'[services.it]\ntype = "task"\nworkdir = "sub"\nenv = {{ A = "1 %n $B" }}\ncommand = "{shows}"\n'
    )
    boxed.write(services, name=boxed.name)
    boxed.up()
    wait_for(lambda: boxed.printed("it"), "its lines")
    here = boxed.printed("it")
    boxed.locald("down")
    boxed.up("--on", "systemd")
    there = boxed.printed("it")
    assert _without_their_own(there) == _without_their_own(here)
    assert "A=1 %n $B" in there


def _without_their_own(lines: list[str]) -> list[str]:
    """But for what only the keeper, or only systemd, adds."""
    added = {"LOCALD_RUN", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "MANAGERPID"}
    added.add("SYSTEMD_EXEC_PID")
    return [line for line in lines if line.partition("=")[0] not in added]


@pytest.mark.parametrize(
    ("check", "command"),
    [
        ('{ type = "http", interval = "100ms" }', SERVE),
        ('{ type = "log", pattern = "Serving" }', SERVE),
        ('{ type = "command", command = "test -e ok", interval = "100ms" }', STAY),
    ],
)
def test_checks_are_carried_out_as_here(boxed: Boxed, check: str, command: str) -> None:
    boxed.file("ok", "")
    row = boxed.up_there(f"[services.web]\n{command}health_check = {check}\n")["web"]
    assert (row["health"], row["source"]) == ("healthy", "explicit")


def test_nothing_of_a_tree_is_left_and_only_the_main_process_hears_of_it_if_the_file_says_so(
    boxed: Boxed,
) -> None:
    child = "(trap 'echo child heard' TERM; while :; do sleep 0.05; done) &"
    main = "trap 'echo main heard; exit 0' USR1; while :; do sleep 0.05; done"
    boxed.up_there(
        f'[services.it]\ntype = "worker"\nkill_mode = "mixed"\nstop_signal = "SIGUSR1"\n'
        f'command = "{child} echo begun; {main}"\n'
    )
    wait_for(lambda: "begun" in boxed.printed("it"), "its first line")
    boxed.locald("stop")
    assert boxed.printed("it") == ["begun", "main heard"]
    assert boxed.units() == []


@pytest.mark.parametrize(
    ("written", "told", "hint"),
    [
        ('command = ["no-such-program"]', "no such program: no-such-program", "PATH"),
        ('command = "true"\nworkdir = "nowhere"', "workdir", "relative to locald.toml"),
    ],
)
def test_what_cannot_be_started_is_told_as_here(boxed: Boxed, written: str, told: str, hint: str) -> None:
    boxed.write(f"[services.web]\n{written}\n", name=boxed.name)
    done = boxed.locald("up", "--on", "systemd")
    assert done.returncode == 1
    assert told in done.stderr
    assert hint in done.stderr


def test_a_unit_of_somebody_else_with_that_name_is_left_alone(boxed: Boxed, systemd: OwnSystemd) -> None:
    unit = boxed.unit("web")
    systemd.run("systemd-run", "--user", f"--unit={unit}", "sleep", "1000000")
    boxed.write(f"[services.web]\n{STAY}", name=boxed.name)
    done = boxed.locald("up", "--on", "systemd")
    assert done.returncode == 1
    assert f'the name "{unit}" is already in use by a unit that is not of this locald' in done.stderr
    boxed.locald("down")
    assert systemd.show(unit, "ActiveState") == "active"
    systemd.systemctl("stop", unit)


def test_a_name_that_is_masked_is_told_to_be_taken(boxed: Boxed, systemd: OwnSystemd) -> None:
    unit = boxed.unit("web")
    (systemd.units / unit).symlink_to("/dev/null")
    systemd.systemctl("daemon-reload")
    boxed.write(f"[services.web]\n{STAY}", name=boxed.name)
    done = boxed.locald("up", "--on", "systemd")
    (systemd.units / unit).unlink()
    systemd.systemctl("daemon-reload")
    assert done.returncode == 1
    assert f'the name "{unit}" is already in use' in done.stderr


def test_a_unit_that_somebody_stops_is_started_again(boxed: Boxed, systemd: OwnSystemd) -> None:
    boxed.up_there(f"[services.web]\n{STAY}restart = 'always'\n")
    systemd.systemctl("stop", boxed.unit("web"))
    assert boxed.until("web", lambda row: is_healthy(row) and row["run"] == 2)


def test_the_local_file_makes_systemd_the_default_and_on_local_brings_it_back(boxed: Boxed) -> None:
    boxed.write(f"[services.web]\n{STAY}", name=boxed.name)
    boxed.file("locald.local.toml", '[project]\nengine = "systemd"\n')
    boxed.up()
    assert boxed.units() == [boxed.unit("web")]
    done = boxed.locald("up", "--on", "local")
    assert done.returncode == 0
    assert "moves to this machine" in done.stderr
    assert boxed.units() == []
    assert is_healthy(boxed.status()["web"])


def test_what_it_takes_of_the_machine_is_measured(boxed: Boxed) -> None:
    boxed.up_there(f"[services.web]\n{SERVE}usage = 'always'\n")
    wait_for(lambda: taken(boxed, "web", boxed.name), "a sample")
    assert taken(boxed, "web", boxed.name)[-1]["memory"] > 100_000


def test_a_bus_that_goes_away_is_told_and_what_runs_is_found_again(own: OwnSystemd) -> None:
    boxed = Boxed(own, "shop")
    pid = boxed.up_there(f"[services.web]\n{STAY}")["web"]["pid"]
    own.systemctl("kill", "--signal=KILL", "dbus.service")
    assert "bus" in boxed.until("web", lambda row: not is_healthy(row))["because"]
    own.of_machine("reload", "user@0.service")
    assert boxed.until("web", is_healthy)["pid"] == pid
    assert boxed.locald("down").returncode == 0
    assert boxed.units() == []
    boxed.close()


def test_a_systemd_that_ends_takes_its_units_with_it_and_they_begin_in_the_next(own: OwnSystemd) -> None:
    boxed = Boxed(own, "shop")
    boxed.up_there(f"[services.web]\n{STAY}restart = 'always'\n")
    own.of_machine("kill", "--signal=KILL", "user@0.service")
    boxed.until("web", lambda row: not is_healthy(row))
    wait_for(lambda: not own.is_up(), "its end")  # what is not known to have ended is not started
    own.of_machine("start", "user@0.service")
    row = boxed.until("web", lambda row: is_healthy(row) and row["run"] == 2)
    assert row["pid"]
    assert boxed.locald("down").returncode == 0
    boxed.close()


def test_what_is_stopped_while_systemd_is_away_does_not_keep_anybody_waiting(own: OwnSystemd) -> None:
    boxed = Boxed(own, "shop")
    boxed.up_there(f"[services.web]\n{STAY}stop_timeout = '200ms'\n")
    own.of_machine("kill", "--signal=KILL", "user@0.service")
    boxed.until("web", lambda row: not is_healthy(row))
    assert boxed.locald("down", timeout=60).returncode == 0
    boxed.close()


def test_without_a_systemd_of_the_user_nothing_changes(own: OwnSystemd) -> None:
    boxed = Boxed(own, "shop")
    boxed.write(f"[services.web]\n{STAY}", name=boxed.name)
    pid = boxed.up()["web"]["pid"]
    own.of_machine("kill", "--signal=KILL", "user@0.service")
    wait_for(lambda: not own.is_up(), "its end")
    done = boxed.locald("up", "--on", "systemd")
    assert done.returncode == 2
    assert "/run/user/0/bus: connection refused" in done.stderr
    assert "loginctl enable-linger" in done.stderr.partition("hint:")[2]
    assert boxed.status()["web"]["pid"] == pid
    boxed.close()


def test_variables_that_systemd_does_not_take_are_left_out_and_named(boxed: Boxed) -> None:
    boxed.env |= {"BASH_FUNC_which%%": "() { :; }", "NAMED-BADLY": "1", "TWO_LINES": "one\ntwo"}
    boxed.up_there(f"[services.web]\n{STAY}[services.it]\ntype = 'task'\ncommand = 'env'\n")
    assert {"TWO_LINES=one", "two"} <= set(boxed.printed("it"))
    told = "systemd takes no variables of these names or values: BASH_FUNC_which%%, NAMED-BADLY"
    assert told in boxed.logs("it")


def test_where_systemd_does_not_run_the_machine_nothing_changes(tmp_path: Path) -> None:
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("it does here")
    machine = Machine(tmp_path / "shop")
    machine.write(f"[services.web]\n{STAY}")
    pid = machine.up()["web"]["pid"]
    done = machine.locald("up", "--on", "systemd")
    assert done.returncode == 2
    assert "systemd does not run this machine" in done.stderr
    assert "locald up --on local" in done.stderr.partition("hint:")[2]
    assert machine.status()["web"]["pid"] == pid
    machine.close()
