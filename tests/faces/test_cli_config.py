"""`config` and `init` on the command line: data on stdout, talk on stderr, 2 for a mistake, and no daemon."""

from __future__ import annotations

import json
import os
import re
import resource
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from locald.cli.command_line import parse
from locald.cli.main import main
from locald.client.project import find_project
from locald.domain.project import config
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from pathlib import Path

SHOP = '[project]\nname = "shop"\n[services.web]\ncommand = "npm start"\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, and the current one. The name of a home that nobody may make."""
    folder = (tmp_path / "shop").resolve()
    folder.mkdir()
    (folder / "locald.toml").write_text(SHOP)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LOCALD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PORT", raising=False)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command line."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_file_without_mistakes_passes(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "config", "check") == (0, "", f"{shop}/locald.toml is valid: 1 service\n")
    assert not (shop.parent / "home").exists()


def test_every_mistake_is_told_with_file_line_and_near_match(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "locald.toml").write_text(SHOP.replace("command", "comand") + "port = 0\n")

    assert said(capsys, "config", "check") == (
        2,
        "",
        "error: locald.toml:4: services.web.comand: unknown key\n"
        'hint: did you mean "command"?\n'
        "error: locald.toml:5: services.web.port: must be a port from 1 to 65535, not 0\n"
        "hint: like port = 3000\n",
    )


def test_mistakes_can_be_read_by_programs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "locald.toml").write_text("project = 1")
    code, out, err = said(capsys, "config", "check", "--json")

    assert (code, err) == (2, "")
    assert json.loads(out) == {
        "error": {
            "code": 2,
            "message": "must be a table, not a number",
            "where": "locald.toml:1: project",
            "hint": "like [project]",
        },
        "file": f"{shop}/locald.toml",
        "problems": [
            {
                "where": "locald.toml:1: project",
                "what": "must be a table, not a number",
                "hint": "like [project]",
            }
        ],
        "warnings": [],
    }


def test_what_only_this_shell_lacks_is_a_warning(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALD_NONE", raising=False)
    (shop / "locald.toml").write_text(SHOP + 'env = { A = "${LOCALD_NONE}" }\nenv_file = "x.env"\n')
    code, out, err = said(capsys, "config", "check")

    assert (code, out) == (0, "")
    assert err.splitlines()[:4] == [
        "warning: locald.toml:5: services.web.env.A: ${LOCALD_NONE} is not set, `locald up` refuses this",
        "hint: set LOCALD_NONE in the shell, or write ${LOCALD_NONE:-default}",
        "warning: locald.toml:6: services.web.env_file: no such file: x.env, `locald up` refuses this",
        "hint: create x.env beside locald.toml, or remove it from env_file",
    ]


def test_warnings_stand_beside_errors_in_the_order_of_the_file(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "locald.toml").write_text(
        SHOP + 'health_check = "/no-such-program"\nprot = 1\nworkdir = "gone"\n[services.api]\n'
    )

    assert said(capsys, "config", "check") == (
        2,
        "",
        'warning: locald.toml:5: services.web.health_check: "/no-such-program" is run as a command, '
        "and reads like an address\n"
        'hint: did you mean `health_check = { type = "http", path = "/no-such-program" }`?\n'
        "error: locald.toml:6: services.web.prot: unknown key\n"
        'hint: did you mean "port"?\n'
        f"warning: locald.toml:7: services.web.workdir: there is no folder {shop}/gone\n"
        f"hint: run `mkdir -p {shop}/gone`, or correct it: it is relative to locald.toml\n"
        "error: locald.toml:8: services.api: command is missing\n"
        'hint: add command = "…", or image = "…" for a container\n',
    )
    told = json.loads(said(capsys, "config", "check", "--json")[1])
    assert [each["where"] for each in told["problems"]] == [
        "locald.toml:6: services.web.prot",
        "locald.toml:8: services.api",
    ]
    assert [each["where"] for each in told["warnings"]] == [
        "locald.toml:5: services.web.health_check",
        "locald.toml:7: services.web.workdir",
    ]


def test_a_check_that_is_a_program_of_this_machine_is_not_doubted(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shop / "health"
    program.write_text("#!/bin/sh\n")
    (shop / "locald.toml").write_text(f'{SHOP}health_check = "{program}"\n')
    assert "is run as a command" in said(capsys, "config", "check")[2]
    program.chmod(0o755)

    assert said(capsys, "config", "check") == (0, "", f"{shop}/locald.toml is valid: 1 service\n")


def test_with_warnings_only_a_file_is_valid(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "locald.toml").write_text(SHOP + 'workdir = "gone"\n')
    code, out, err = said(capsys, "config", "check")

    assert (code, out) == (0, "")
    assert err.splitlines()[0].startswith("warning: locald.toml:5: services.web.workdir: ")
    assert err.splitlines()[-1] == f"{shop}/locald.toml is valid: 1 service"


def test_a_command_is_shown_as_it_is_written_with_its_line(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "locald.toml").write_text(SHOP.replace("npm start", "serve ${services.web.port}"))

    rows = json.loads(said(capsys, "config", "show", "--json")[1])["settings"]
    written = {"key": "services.web.command", "value": "serve ${services.web.port}", "from": "locald.toml:4"}
    assert written in rows


def test_a_value_that_would_be_ignored_is_a_warning(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / ".env").write_text("PORT=3000\n")
    (shop / "locald.toml").write_text(SHOP + '[services.api]\ncommand = "api"\n')

    assert said(capsys, "config", "check")[2].splitlines()[:2] == [
        "warning: .env: PORT is set by locald; value ignored",
        "hint: set `port` of the service to choose a port",
    ]


def test_a_broken_env_file_is_told_with_its_line(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / ".env").write_text("A=1\nB='open\n")

    assert ".env:2: must be of the form NAME=value" in said(capsys, "config", "check")[2]


def test_shown_is_a_file_of_the_same_meaning_with_where_each_value_comes_from(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "config", "show")

    assert (code, err) == (0, "")
    assert config.parse(out) == config.parse(SHOP)
    lines = [line.split("  #") for line in out.splitlines()]
    assert ['services.web.command = "npm start"', " locald.toml:4"] in [[a.rstrip(), *b] for a, *b in lines]
    assert ['services.web.restart = "on-failure"', " default"] in [[a.rstrip(), *b] for a, *b in lines]
    assert "# services.web.port: assigned by locald" in out


def test_shown_to_programs_it_has_the_same_keys(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(capsys, "config", "show", "--json")[1])["settings"]

    assert {"key": "services.web.command", "value": "npm start", "from": "locald.toml:4"} in rows
    assert {"key": "services.web.port", "value": None, "from": "default"} in rows


def test_a_file_with_mistakes_is_not_shown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "locald.toml").write_text("x = 1")
    code, out, err = said(capsys, "config", "show")

    assert (code, out) == (2, "")
    assert "locald.toml:1: x: unknown key" in err


def test_the_schema_needs_no_project(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = said(capsys, "-C", str(tmp_path), "config", "schema")

    assert (code, err) == (0, "")
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_the_file_of_another_folder_can_be_checked(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")

    assert said(capsys, "-C", str(shop), "config", "check")[0] == 0
    assert said(capsys, "config", "check", "-C", str(shop))[0] == 0


# init

COMPOSE = """\
services:
  db:
    image: postgres:16
    restart: unless-stopped
    privileged: true
  cache: { image: redis, privileged: true, restart: always }
"""


def test_init_writes_a_file_that_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = (tmp_path / "My Shop").resolve()
    folder.mkdir()
    (folder / "manage.py").touch()
    monkeypatch.chdir(folder)

    code, out, err = said(capsys, "init")

    assert (code, out) == (0, "")
    assert err == (
        f"wrote {folder}/locald.toml from manage.py (services: web)\nhint: review it, then run `locald up`\n"
        "hint: run `locald init --agents` to write an AGENTS.md for coding agents\n"
    )
    spec = config.parse((folder / "locald.toml").read_text())
    assert (spec.name, spec.services["web"].command) == ("my-shop", "python3 manage.py runserver $PORT")


def test_init_tells_what_became_of_a_compose_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path.resolve()
    (folder / "compose.yaml").write_text(COMPOSE)
    monkeypatch.chdir(folder)

    code, out, err = said(capsys, "init")

    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "carried: compose.yaml:4: db: restart: unless-stopped is always",
        "left: compose.yaml:5 and 1 more: db, cache: privileged: containers get no privileges",
        f"wrote {folder}/locald.toml from compose.yaml (services: db, cache)",
        "hint: review it, then run `locald up`",
        "hint: run `locald init --agents` to write an AGENTS.md for coding agents",
    ]
    text = (folder / "locald.toml").read_text()
    assert sorted(config.parse(text).services) == ["cache", "db"]
    assert "# compose.yaml:5: privileged is left: containers get no privileges\n" in text


def test_init_tells_the_same_as_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    monkeypatch.chdir(tmp_path)

    code, out, _ = said(capsys, "init", "--json", "--print")

    found = json.loads(out)
    assert (code, found["written"], found["sources"]) == (0, False, ["compose.yaml"])
    assert (found["services"], found["not_runnable"], found["guessed"]) == (["db", "cache"], {}, [])
    assert found["left"][0] == {
        "service": "db",
        "key": "privileged",
        "because": "containers get no privileges",
        "where": "compose.yaml:5",
    }
    assert config.parse(found["text"]).name == found["text"].split('name = "')[1].split('"')[0]
    assert not (tmp_path / "locald.toml").exists()


def test_init_reads_one_file_and_overwrites_only_with_force(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "dev.yaml").write_text("processes: { job: { command: ./job } }")

    assert said(capsys, "init", "--from", "dev.yaml")[0] == 2
    assert (shop / "locald.toml").read_text() == SHOP
    code, _, err = said(capsys, "init", "--from", "dev.yaml", "--force")

    assert (code, "from dev.yaml (services: job)" in err) == (0, True)
    assert list(config.parse((shop / "locald.toml").read_text()).services) == ["job"]
    assert [each.name for each in shop.iterdir() if each.name.startswith(".locald")] == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.yaml", "error: none.yaml: cannot be read\nhint: check its path and permissions\n"),
        ("notes.txt", "error: notes.txt: is not of a format that can be read\n"),
        ("big.yaml", "error: big.yaml: is larger than 1 MB\n"),
        ("bad.yaml", "error: bad.yaml:2: is not valid YAML: "),
        ("pipe.yaml", "error: pipe.yaml: cannot be read\n"),
    ],
)
def test_init_refuses_what_it_cannot_read_and_writes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    message: str,
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "bad.yaml").write_text("services: [\n")
    (tmp_path / "big.yaml").write_text("services:\n" + "# filler\n" * 1_200_000)
    os.mkfifo(tmp_path / "pipe.yaml")
    monkeypatch.chdir(tmp_path)

    code, out, err = said(capsys, "init", "--from", source)

    assert (code, out) == (2, "")
    assert err.startswith(message), err
    assert not (tmp_path / "locald.toml").exists()


def test_init_makes_nothing_up_where_nothing_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path.resolve()
    monkeypatch.chdir(folder)

    code, _, err = said(capsys, "init")

    assert (code, err) == (
        0,
        f"wrote {folder}/locald.toml (services: none)\n"
        f"warning: {folder}: nothing here says what to run\n"
        "hint: write a [services.NAME] table with `command` or `image` in locald.toml\n",
    )
    assert config.parse((folder / "locald.toml").read_text()).services == {}


def test_init_never_touches_a_file_that_is_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "init") == (
        2,
        "",
        f"error: {shop}/locald.toml: already exists\n"
        "hint: run `locald config check` to check it, or `locald init --force` to overwrite it\n",
    )
    assert (shop / "locald.toml").read_text() == SHOP


def test_init_leaves_no_half_of_a_file_on_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        code, _, err = said(capsys, "init")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert code == 2
    assert "locald.toml: cannot be written: File too large" in err
    assert list(tmp_path.iterdir()) == []
    assert said(capsys, "init")[0] == 0


def test_init_writes_for_coding_agents_what_to_run(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command in it can be read, and a file that is there is never touched."""
    code, out, err = said(capsys, "init", "--agents")
    text = (shop / "AGENTS.md").read_text()

    assert (code, out, err) == (0, "", f"wrote {shop}/AGENTS.md\n")
    commands = re.findall(r"`locald (.+?)`", text)
    assert len(commands) >= 8
    for command in commands:
        parse(command.split())
    assert len([line for line in text.splitlines() if line.startswith("- ")]) == 6

    code, _, err = said(capsys, "init", "--agents")
    assert (code, (shop / "AGENTS.md").read_text()) == (2, text)
    assert "hint: run `locald init --agents --print >> AGENTS.md` to add to it" in err
    assert said(capsys, "init", "--agents", "--print") == (0, text, "")


def test_init_can_only_print(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "init", "--print", "--name", "other")

    assert (code, err) == (0, "")
    assert config.parse(out).name == "other"


@pytest.mark.parametrize("name", ["My Shop", "", "shop_1"])
def test_init_gives_the_name_that_was_asked_for_or_none(
    shop: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, err = said(capsys, "init", "--print", "--name", name)

    assert (code, out) == (2, "")
    assert f'error: --name: "{name}" is not a DNS label\nhint: use lower-case letters' in err


# Where the project is.


def test_the_nearest_file_upward_counts(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(shop / "a" / "b")
    assert find_project(None) == str(shop)

    (shop / "a" / "locald.toml").touch()
    assert find_project(None) == str(shop / "a")


def test_a_link_to_a_project_is_the_same_project(shop: Path) -> None:
    link = shop.parent / "link"
    link.symlink_to(shop)

    assert find_project(str(link)) == str(shop)


def test_without_a_project_the_next_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused) as refusal:
        find_project(None)

    assert (
        str(refusal.value)
        == f"{tmp_path.resolve()}: no locald.toml found\nhint: run `locald init` to write one"
    )


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "locald.toml").mkdir()
    with pytest.raises(Refused) as refusal:
        find_project(str(tmp_path))
    where = f"{tmp_path.resolve()}/locald.toml"
    assert str(refusal.value) == f"{where}: is a folder, not a file\nhint: rename it"


def test_a_named_folder_is_taken_at_its_word(shop: Path) -> None:
    (shop / "a").mkdir()
    with pytest.raises(Refused, match=f"did you mean `-C {shop}`") as refusal:
        find_project(str(shop / "a"))
    assert len(refusal.value.problems) == 1
    with pytest.raises(Refused, match="is not a folder"):
        find_project(str(shop / "locald.toml"))
    with pytest.raises(Refused, match="/none: no such folder"):
        find_project(str(shop / "none"))


def test_a_folder_that_was_deleted_under_the_shell_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    os.rmdir(gone)
    with pytest.raises(Refused, match="the current folder: no longer exists"):
        find_project(None)


def test_a_file_that_may_not_be_read_is_a_plain_error(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "locald.toml").write_bytes(b"\xff\xfe")

    assert said(capsys, "config", "check") == (
        2,
        "",
        "error: locald.toml:1: is not UTF-8 text\nhint: save the file as UTF-8\n",
    )


def test_where_no_file_is_the_command_that_writes_one_names_the_folder_as_given(tmp_path: Path) -> None:
    (tmp_path / "my shop").mkdir()
    folder = str(tmp_path / "my shop")

    with pytest.raises(Refused) as refusal:
        find_project(folder)
    assert refusal.value.problems[0].hint == f"run `locald -C '{folder}' init` to write one"


def test_a_name_that_is_empty_can_be_seen(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "stop", "")
    assert (code, err.splitlines()[0]) == (2, 'error: not a service name: ""')
