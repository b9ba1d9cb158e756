"""`up`, `wait`, `restart` and `why` as commands: what they change, what they leave alone, how they end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy, is_in, is_there, is_unhealthy
from whole.machine import Gate, by_name, is_alive, wait_for
from whole.programs import SERVE, STAY, command, noting, saying, serve_after

if TYPE_CHECKING:
    from whole.machine import Machine


def web(rest: str) -> str:
    return f"[services.web]\n{rest}\n"


def other(rest: str) -> str:
    return f"[services.other]\n{rest}\n"


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def mapped(pid: int) -> str:
    """The files that a process has in its memory."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


# How it begins.


def test_the_daemon_of_a_first_up_has_imported_only_what_that_takes(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    machine.up()
    own = mapped(machine.daemon_pid())
    assert "httptools" in own
    assert "aiohttp" not in own


def test_the_keeper_begins_with_its_daemon_and_ends_with_it(machine: Machine) -> None:
    """It is not waited for when the first service starts."""
    machine.locald("server", "start")
    wait_for(machine.keeper_pids, "a keeper")
    machine.locald("server", "stop")
    wait_for(lambda: not machine.keeper_pids(), "its end")


# How it ends.


def test_up_ends_with_0_when_all_are_healthy(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f'type = "worker"\ncommand = {STAY}'))
    done = machine.locald("up")
    assert done.returncode == 0
    assert {row["health"] for row in machine.status().values()} == {"healthy"}


def test_up_ends_with_1_and_names_who_failed_why_and_its_last_lines(machine: Machine) -> None:
    """As soon as nothing can move any more: the healthy one is waited for, and keeps running."""
    gate = Gate(machine.folder)
    fails = command("print('the cause of it all'); sys.exit(3)")
    machine.write(web(f'restart = "no"\ncommand = {fails}') + other(f"command = {serve_after(gate.path)}"))
    machine.locald("server", "start")
    with machine.begin("up") as up:
        machine.until("web", is_in("failed"))
        machine.until("other", is_there)
        assert up.poll() is None
        gate.open()
        out, err = up.communicate(timeout=30)
    assert up.returncode == 1
    assert out == ""
    assert "error: web failed: exited with code 3" in err
    assert "the cause of it all" in err
    assert "hint: " in err
    assert "error: other" not in err
    assert machine.status()["other"]["health"] == "healthy"


def test_the_last_lines_are_those_of_the_latest_run(machine: Machine) -> None:
    code = "append('tries', 'x'); print('try', len(open('tries').readlines())); sys.exit(1)"
    machine.write(web(f"max_restarts = 2\ncommand = {command(code)}"))
    done = machine.locald("up")
    assert "  web | try 3\n" in done.stderr
    assert "try 2" not in done.stderr


def test_up_ends_with_2_for_a_mistake_in_the_file_and_changes_nothing(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    before = machine.up()["web"]
    machine.write(web(f"comand = {STAY}\nport = 0"))
    done = machine.locald("up")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: locald.toml:4: services.web.comand: unknown key" in done.stderr
    assert 'hint: did you mean "command"?' in done.stderr
    assert "services.web.port" in done.stderr
    row = machine.status()["web"]
    assert (row["pid"], row["health"]) == (before["pid"], "healthy")


def test_up_ends_with_3_when_the_daemon_cannot_be_started(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    (machine.home / "state" / "daemon.lock").mkdir(parents=True, mode=0o700)
    done = machine.locald("up")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error: daemon did not start: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_up_ends_with_124_when_its_time_ran_out_and_what_starts_goes_on(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(web(f"command = {serve_after(gate.path)}"))
    machine.locald("server", "start")  # which takes as long as that on a busy machine
    begun = time.monotonic()
    done = machine.locald("up", "--timeout", "700ms")
    assert done.returncode == 124
    assert 0.7 <= time.monotonic() - begun < 10
    assert "web is not ready after 700ms" in done.stderr
    assert machine.status()["web"]["state"] == "starting"
    gate.open()
    assert machine.until("web", is_healthy)["run"] == 1


@pytest.mark.parametrize("verb", ["up", "wait", "restart"])
def test_ctrl_c_leaves_services_running_says_so_and_ends_with_130(machine: Machine, verb: str) -> None:
    gate = Gate(machine.folder)
    machine.write(web(f"command = {serve_after(gate.path)}"))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    with machine.begin(verb) as command_:
        assert command_.stderr
        command_.stderr.readline()  # what it waits for: by then it has asked
        command_.send_signal(signal.SIGINT)
        out, err = command_.communicate(timeout=30)
    assert (command_.returncode, out) == (130, "")
    assert "services keep running" in err
    assert "Traceback" not in err
    run = 2 if verb == "restart" else 1
    machine.until("web", lambda row: is_there(row) and row["run"] == run)  # else the first passes the gate
    gate.open()
    assert machine.until("web", is_healthy)["run"] == run


def test_up_detached_returns_at_once_and_wait_ends_when_all_are_healthy(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(web(f"command = {serve_after(gate.path)}"))
    done = machine.locald("up", "-d")
    assert (done.returncode, done.stdout) == (0, "")
    machine.until("web", is_there)
    with machine.begin("wait", "web") as wait:
        with pytest.raises(AssertionError):
            machine.until("web", is_healthy, patience=0.3)
        assert wait.poll() is None
        gate.open()
        assert wait.wait(30) == 0


def test_wait_ends_with_1_when_somebody_cannot_become_healthy_any_more(machine: Machine) -> None:
    machine.write(web('restart = "no"\ncommand = "exit 4"'))
    machine.locald("up", "-d")
    begun = time.monotonic()
    done = machine.locald("wait", "--timeout", "25s")
    assert done.returncode == 1
    assert time.monotonic() - begun < 15
    assert "web failed: exited with code 4" in done.stderr


def test_wait_with_a_timeout_ends_with_124_and_changes_nothing(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(web(f"command = {serve_after(gate.path)}"))
    machine.locald("up", "-d")
    pid = machine.until("web", is_there)["pid"]
    for timeout in ("300ms", "1ms"):  # however short: it tells how things stand
        done = machine.locald("wait", "--timeout", timeout)
        assert done.returncode == 124
        assert f"web is not ready after {timeout}: starting: " in done.stderr
    assert machine.status()["web"]["pid"] == pid
    gate.open()


@pytest.mark.parametrize("timeout", ["0", "-1s", "soon", "5 parsecs"])
def test_a_timeout_that_is_none_is_a_mistake_of_usage(machine: Machine, timeout: str) -> None:
    machine.write(web(f"command = {SERVE}"))
    done = machine.locald("up", f"--timeout={timeout}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--timeout" in done.stderr
    assert not (machine.home / "run" / "locald.sock").exists()


def test_a_project_without_services_is_up_at_once(machine: Machine) -> None:
    machine.write("")
    assert machine.locald("up").returncode == 0
    assert machine.status() == {}
    assert machine.locald("down").returncode == 0


def test_the_last_service_that_leaves_the_file_is_stopped_and_nothing_is_left_to_wait_for(
    machine: Machine,
) -> None:
    machine.write(web(f"command = {SERVE}") + other('restart = "no"\ncommand = "exit 1"'))
    machine.locald("up")
    machine.write("")
    done = machine.locald("up")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "stopped web (no longer in locald.toml)",
        "removed other (no longer in locald.toml)",
        "locald.toml has no services",
    ]
    again = machine.locald("wait")
    assert (again.returncode, again.stderr) == (0, "locald.toml has no services\n")


def test_up_stop_and_restart_tell_what_they_change_and_nothing_of_before(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f'type = "worker"\ncommand = {STAY}'))
    machine.up()
    for arguments in (["up"], ["up", "-d"], ["wait"]):
        assert machine.locald(*arguments).stderr == "2 services already running\n"
    machine.write(
        web(f'stop_timeout = "9s"\ncommand = {SERVE}') + other(f'type = "worker"\ncommand = {STAY}')
    )
    told = machine.locald("up").stderr.splitlines()
    assert told[:2] == ["restarting: web (changed in locald.toml)", "already running: other"]
    told = machine.locald("restart").stderr.splitlines()
    assert told[0] in ("restarting: web, other", "restarting: other, web")
    assert [line.split()[0] for line in told].count("other:") == 1
    assert machine.locald("stop").stderr in ("stopped web and other\n", "stopped other and web\n")
    assert machine.locald("stop").stderr == "nothing is running\n"


def test_a_service_that_crashes_again_and_again_ends_up_only_when_it_is_given_up(machine: Machine) -> None:
    machine.write(web('max_restarts = 2\ncommand = "exit 1"'))
    done = machine.locald("up")
    assert done.returncode == 1
    assert "restart 2 of 2" in done.stderr
    assert "crash loop: 2 restarts in 60s (max_restarts)" in done.stderr


# Where it speaks.


def test_json_is_on_stdout_and_talk_is_on_stderr(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other('restart = "no"\ncommand = "exit 1"'))
    done = machine.locald("up", "--json")
    assert done.returncode == 1
    rows = by_name(json.loads(done.stdout))
    assert (rows["web"]["health"], rows["other"]["state"]) == ("healthy", "failed")
    assert "web: healthy" in done.stderr
    waited = machine.locald("wait", "--json")
    assert waited.returncode == 1
    assert by_name(json.loads(waited.stdout)).keys() == {"web", "other"}
    assert machine.locald("wait", "web", "--json").returncode == 0


def test_without_a_terminal_there_is_neither_colour_nor_movement(machine: Machine) -> None:
    colourful = command("print('\\x1b[31mred\\x1b[0m'); sys.exit(1)")
    machine.write(web(f'restart = "no"\ncommand = {colourful}'))
    done = machine.locald("up", env={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert "red" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr


# What it leaves alone, what it changes.


def test_what_runs_unchanged_is_left_alone(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f"command = {SERVE}"))
    before = machine.up()
    after = machine.up()
    assert [(row["pid"], row["run"], row["since"]) for row in after.values()] == [
        (row["pid"], row["run"], row["since"]) for row in before.values()
    ]


def test_comments_and_order_change_nothing(machine: Machine) -> None:
    machine.write(web(f'restart = "no"\ncommand = {SERVE}') + other(f"command = {SERVE}"))
    before = machine.up()
    machine.write(
        "# another order\n"
        + other(f"command = {SERVE}  # the same")
        + web(f'command = {SERVE}\nrestart = "no"')
    )
    after = machine.up()
    assert {name: row["pid"] for name, row in after.items()} == {
        name: row["pid"] for name, row in before.items()
    }


def test_what_has_changed_is_restarted_and_nothing_else(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f"command = {SERVE}"))
    before = machine.up()
    machine.write(web(f'command = {SERVE}\nenv = {{ MODE = "new" }}') + other(f"command = {SERVE}"))
    after = machine.up()
    assert [after[name]["pid"] == before[name]["pid"] for name in ("web", "other")] == [False, True]
    assert [after[name]["run"] for name in ("web", "other")] == [2, 1]
    assert not is_alive(before["web"]["pid"])
    assert after["web"]["port"] == before["web"]["port"]


def test_what_has_changed_is_restarted_also_when_another_is_named(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f"command = {SERVE}"))
    machine.up()
    machine.write(web(f"command = {SERVE}") + other(f'command = {SERVE}\nenv = {{ MODE = "new" }}'))
    machine.up("web")
    row = machine.until("other", lambda row: row["run"] == 2 and is_healthy(row))
    assert row["restarts"] == 0
    assert machine.status()["web"]["run"] == 1


def test_an_up_of_another_service_does_not_start_what_is_stopped(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f"command = {SERVE}"))
    machine.up()
    machine.locald("stop", "other")
    assert machine.up("web").keys() == {"web"}
    assert machine.status()["other"]["state"] == "stopped"


def test_what_is_no_longer_in_the_file_is_stopped_and_forgotten(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f'depends_on = ["web"]\ncommand = {SERVE}'))
    before = machine.up()
    machine.write(web(f"command = {SERVE}"))
    after = machine.up()
    assert after["web"]["pid"] == before["web"]["pid"]
    wait_for(lambda: machine.status().keys() == {"web"}, "the end of what was removed")
    assert not is_alive(before["other"]["pid"])


def test_a_changed_env_file_is_a_changed_definition(machine: Machine) -> None:
    (machine.folder / ".env").write_text("MODE=old\n")
    seen = machine.folder / "seen"
    code = f"append({str(seen)!r}, os.environ['MODE']); kept = listen(); stay()"
    machine.write(web(f"command = {command(code)}"))
    machine.up()
    (machine.folder / ".env").write_text("MODE=old  # a comment\n\n")
    assert machine.up()["web"]["run"] == 1
    (machine.folder / ".env").write_text("MODE=new\n")
    assert machine.up()["web"]["run"] == 2
    assert lines(seen) == ["old", "new"]


def test_of_the_callers_variables_only_those_that_the_file_names_are_part_of_the_definition(
    machine: Machine,
) -> None:
    machine.write(web(f'env = {{ MODE = "${{MODE}}" }}\ncommand = {SERVE}'))
    machine.env["MODE"] = "one"
    machine.up()
    machine.env["ANOTHER"] = "variable"
    assert machine.up()["web"]["run"] == 1
    machine.env["MODE"] = "two"
    assert machine.up()["web"]["run"] == 2


def test_what_starts_is_neither_started_twice_nor_restarted_by_a_second_up(machine: Machine) -> None:
    gate, starts = Gate(machine.folder), machine.folder / "starts"
    serve = noting("web", starts, f"gate({str(gate.path)!r}); kept = listen(); stay()")
    machine.write(web(f"command = {serve}"))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    with machine.begin("up") as one, machine.begin("up") as two:
        with pytest.raises(AssertionError):
            machine.until("web", is_healthy, patience=0.5)
        gate.open()
        assert (one.wait(30), two.wait(30)) == (0, 0)
    assert lines(starts) == ["web"]


def test_a_completed_task_runs_again_only_when_it_is_named_changed_or_failed(machine: Machine) -> None:
    runs, fails = machine.folder / "runs", machine.folder / "fails"
    task = f'type = "task"\ncommand = "echo ran >> {runs}; test ! -e {fails}"\n'
    machine.write(web(f'depends_on = ["seed"]\ncommand = {SERVE}') + f"[services.seed]\n{task}")
    machine.up()
    machine.up()
    machine.up("web")
    assert len(lines(runs)) == 1
    machine.up("seed")
    assert len(lines(runs)) == 2
    fails.touch()
    machine.write(
        web(f'depends_on = ["seed"]\ncommand = {SERVE}')
        + f'[services.seed]\nenv = {{ MODE = "changed" }}\n{task}'
    )
    assert machine.locald("up").returncode == 1
    assert len(lines(runs)) == 3
    fails.unlink()
    machine.up()
    assert len(lines(runs)) == 4


def test_restart_takes_the_environment_of_the_shell_that_asks_and_new_runs_keep_it(machine: Machine) -> None:
    seen = machine.folder / "seen"
    code = f"append({str(seen)!r}, os.environ.get('MODE', 'none')); kept = listen(); stay()"
    machine.write(web(f"command = {command(code)}"))
    machine.up()
    done = machine.locald("restart", "web", env={"MODE": "asked"})
    assert done.returncode == 0
    os.kill(machine.status()["web"]["pid"], signal.SIGKILL)
    machine.until("web", lambda row: row["run"] == 3 and is_healthy(row))
    assert lines(seen) == ["none", "asked", "asked"]


def test_restart_does_not_apply_the_file_and_warns_of_what_is_wrong_or_new_in_it(machine: Machine) -> None:
    machine.write(web(f"env = {{ A = '1' }}\ncommand = {SERVE}"))
    machine.up()
    assert "warning" not in machine.locald("restart").stderr
    machine.write(web(f'stop_timeout = "9s"\ncommand = {SERVE}'))
    done = machine.locald("restart")
    assert done.returncode == 0
    assert done.stderr.splitlines()[:2] == [
        "warning: locald.toml: changed since the last `locald up`, restart does not apply it: web",
        "hint: run `locald up` to apply it",
    ]
    machine.write(web(f"comand = {SERVE}"))
    done = machine.locald("restart")
    assert (done.returncode, machine.status()["web"]["health"]) == (0, "healthy")
    assert "warning: locald.toml:4: services.web.comand: unknown key\n" in done.stderr
    assert (
        "warning: locald.toml: cannot be applied, services restart as of the last `locald up`\n"
        "hint: fix it, then run `locald up`\n" in done.stderr
    )


def test_restart_waits_for_health_and_ends_as_up_does(machine: Machine) -> None:
    mended = machine.folder / "mended"
    mended.touch()
    code = f"os.path.exists({str(mended)!r}) or sys.exit(1)\nkept = listen(); stay()"
    machine.write(web(f'restart = "no"\ncommand = {command(code)}'))
    machine.up()
    done = machine.locald("restart", "--json")
    assert done.returncode == 0
    assert by_name(json.loads(done.stdout))["web"]["run"] == 2
    mended.unlink()
    done = machine.locald("restart", "web")
    assert done.returncode == 1
    assert "web failed: exited with code 1" in done.stderr
    mended.touch()
    assert machine.locald("restart", "-d").returncode == 0
    assert machine.until("web", is_healthy)["run"] == 4


# Which project.


def test_a_project_has_one_folder_however_one_got_there(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    pid = machine.up()["web"]["pid"]
    link, below = machine.folder.parent / "link", machine.folder / "a" / "b"
    link.symlink_to(machine.folder)
    below.mkdir(parents=True)
    for place in (link, below):
        done = machine.locald("up", "--json", cwd=place)
        assert by_name(json.loads(done.stdout))["web"]["pid"] == pid, done.stderr
    done = machine.locald("-C", str(link), "status", "--json", cwd=machine.folder.parent)
    assert by_name(json.loads(done.stdout))["web"]["pid"] == pid


def test_a_service_is_named_with_its_project_from_anywhere(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}") + other(f"command = {SERVE}"))
    before = machine.up()
    elsewhere = machine.folder.parent
    assert machine.locald("wait", "shop:web", cwd=elsewhere).returncode == 0
    assert machine.locald("restart", "shop:web", cwd=elsewhere).returncode == 0
    assert machine.locald("stop", "shop:other", cwd=elsewhere).returncode == 0
    assert machine.locald("why", "shop:web", cwd=elsewhere).returncode == 0
    rows = machine.status()
    assert (rows["web"]["run"], rows["other"]["state"]) == (2, "stopped")
    assert rows["web"]["pid"] != before["web"]["pid"]
    assert machine.locald("up", "shop:other", cwd=elsewhere).returncode == 0
    lost = machine.locald("up", cwd=elsewhere)
    assert lost.returncode == 2
    assert "no locald.toml found" in lost.stderr


def test_two_projects_live_side_by_side(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    second = machine.folder.parent / "blog"
    machine.write(web(f"command = {SERVE}"), name="blog", folder=second)
    shop = machine.up()["web"]
    blog = by_name(json.loads(machine.locald("up", "--json", cwd=second).stdout))["web"]
    assert shop["port"] != blog["port"]
    assert machine.locald("down", cwd=second).returncode == 0
    assert machine.status()["web"]["pid"] == shop["pid"]


# Reading.


def test_reading_starts_no_daemon_and_says_how_to(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    for verb in (["wait"], ["why", "web"], ["timeline"], ["ping"]):
        done = machine.locald(*verb)
        assert (done.returncode, done.stdout) == (3, ""), verb
        assert "hint: " in done.stderr
    assert not (machine.home / "run" / "locald.sock").exists()


def test_status_and_why_end_with_0_whatever_the_health(machine: Machine) -> None:
    machine.write(web('restart = "no"\ncommand = "exit 1"') + other(f"command = {saying('STATUS=x')}"))
    machine.locald("up", "web")
    machine.locald("up", "other", "-d")
    machine.until("other", is_there)
    for verb in (["status"], ["why", "web"], ["why", "other"], ["timeline"], ["logs", "web"]):
        assert machine.locald(*verb).returncode == 0


def test_why_tells_in_words_what_it_tells_in_json(machine: Machine) -> None:
    machine.write(
        web(f'depends_on = ["other"]\ncommand = {SERVE}') + other('restart = "no"\ncommand = "exit 6"')
    )
    machine.locald("up")
    why, said = machine.why("web"), machine.locald("why", "web").stdout
    assert why.keys() == {
        "service", "project", "instance", "state", "health", "source", "because", "cause", "blockers",
        "evidence", "hints", "summary",
    }  # fmt: skip
    assert (why["service"], why["project"], why["state"]) == ("web", "shop", "blocked")
    for each in (why["because"], "other", *why["hints"]):
        assert each in said
    assert why["blockers"][-1].keys() == {"service", "state", "health", "because"}
    assert "exited with code 6" in why["blockers"][-1]["because"]


def test_why_of_a_healthy_service_tells_what_its_health_rests_on(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    machine.up()
    why = machine.why("web")
    assert (why["health"], why["source"], why["blockers"]) == ("healthy", "tcp", [])
    newest = why["evidence"][0]
    assert newest.keys() == {"source", "check", "ok", "at", "detail"}
    assert (newest["source"], newest["check"], newest["ok"]) == ("tcp", None, True)
    assert newest["detail"] == why["because"]


def test_up_leaves_an_unhealthy_service_running_and_waits_for_it(machine: Machine) -> None:
    wanted = machine.folder / "wanted"
    wanted.touch()
    check = f'{{ type = "command", command = "test -e {wanted}", interval = "20ms", retries = 1 }}'
    machine.write(web(f"health_check = {check}\ncommand = {SERVE}"))
    before = machine.up()["web"]
    wanted.unlink()
    machine.until("web", is_unhealthy)
    assert machine.locald("up", "--timeout", "300ms").returncode == 124
    with machine.begin("up") as up:
        wanted.touch()
        assert up.wait(30) == 0
    assert machine.status()["web"]["pid"] == before["pid"]
