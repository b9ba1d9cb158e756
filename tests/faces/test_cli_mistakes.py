"""A wrong command line: what is wrong in plain words, exit code 2, and a command that works when pasted."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from faces.fake_daemon import FakeDaemon, document, row
from locald.cli.command_line import parse
from locald.cli.described import commands
from locald.cli.index import COMMANDS, MODULES
from locald.cli.main import main
from locald.cli.shared import mistakes, synonyms
from locald.domain.values.problem import Refused
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faces.run_cli import Cli
    from locald.cli.described import Command

ARGPARSE = (
    "the following arguments are required",
    "unrecognized arguments",
    "invalid choice",
    "invalid ",
    "choose from",
    "expected one argument",
    "expected at",
    "ignored explicit argument",
    "not allowed with",
    "ambiguous",
    "could match",
    "argument -",
    "usage:",
    "(choose",
)


def refused(*arguments: str) -> tuple[str, str]:
    """The sentence and the hint for a command line that is refused."""
    with pytest.raises(Refused) as raised:
        parse(arguments)
    (problem,) = raised.value.problems
    return problem.head, problem.hint


def every_command() -> Iterator[tuple[list[str], Command]]:
    """The words of each command and action, with what it takes."""
    for command in commands():
        yield [command.name], command
        for action in command.actions:
            yield [command.name, action.name], action


def given(command: Command) -> list[str]:
    """Arguments that it needs."""
    known = {"SERVICE": ["web"], "SHELL": ["bash"]}
    needed = [each.value for each in command.arguments if f"[{each.value}" not in command.usage]
    return [word for value in needed for word in known.get(value, [])]


def wrong_ways(words: list[str], command: Command) -> Iterator[list[str]]:
    """Each kind of mistake that can be made with it."""
    full = [*words, *given(command)]
    yield [*words, "--nonsense", *given(command)]
    yield [*words, "--nonsense=5", *given(command)]
    if command.actions:
        yield words
        yield [*words, "nonsense"]
        yield [*words, f"{command.actions[0].name}x"]
    elif given(command):
        yield words
    if command.name not in ("exec", "try") and "..." not in command.usage and "PROJECT" not in command.usage:
        yield [*full, "one", "two"]
    for option in command.options:
        yield from _wrong_ways_of_an_option(full, option.flags[-1], bool(option.value))


def _wrong_ways_of_an_option(full: list[str], flag: str, takes_value: bool) -> Iterator[list[str]]:
    at = 1 if full[0] == "exec" else len(full)  # what stands behind its service belongs to the command
    if takes_value:
        yield [*full[:at], flag] if at == len(full) else [full[0], flag]
    elif flag.startswith("--"):
        yield [*full[:at], f"{flag}=5", *full[at:]]
    if flag.startswith("--"):
        yield [*full[:at], f"{flag}x", *full[at:]]


MISTAKES = [
    *(
        way
        for words, command in every_command()
        if command.name != "try"
        for way in wrong_ways(words, command)
    ),
    ["why", "web", "--line", "--json"],
    ["logs", "-n", "many"],
    ["logs", "-n", "9" * 5000],
    ["logs", "--run", "9" * 5000],
    ["logs", "--grep", "("],
    ["logs", "--since", "soon"],
    ["up", "--timeout", "soon"],
    ["up", "--timeout", "-1"],
    ["completion", "tcsh"],
    ["nonsense"],
    ["--nonsense"],
    ["-C"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_no_mistake_is_told_in_the_words_of_argparse(arguments: list[str]) -> None:
    what, hint = refused(*arguments)

    assert what
    assert hint
    assert [phrase for phrase in ARGPARSE if phrase in what + "\n" + hint] == []
    assert "wrong arguments" not in what, "it is known what is wrong"


def test_the_walk_meets_every_command_and_every_kind_of_mistake() -> None:
    assert {mistake[0] for mistake in MISTAKES} >= {name for name in MODULES if name != "try"}
    told = "\n".join(refused(*each)[0] for each in MISTAKES)
    for kind in (
        *("unknown option", "needs a value", "takes no value", "needs a service", "needs an action"),
        *("unknown action", "unexpected argument", "cannot be combined", "unknown command"),
    ):
        assert kind in told


@pytest.mark.parametrize(
    "message",
    [
        "argument --timeout: invalid seconds value: 'x'",
        "argument -n: invalid int value: 'x'",
        "ambiguous option: --ti could match --timeout, --tick",
        "argument -n: expected at least one argument",
        "one of the arguments --a --b is required",
        "argument SHELL: invalid choice: 'x' (choose from bash, zsh)",
    ],
)
def test_what_argparse_could_say_one_day_is_told_in_our_words_too(message: str) -> None:
    from locald.cli.command_line import parser_of

    problem = mistakes.told(parser_of("logs"), message)

    assert problem.hint
    assert [phrase for phrase in ARGPARSE if phrase in str(problem)] == []


def test_the_hints_of_all_mistakes_work_when_they_are_pasted() -> None:
    pasted = [
        shlex.split(command)
        for each in MISTAKES
        for command in re.findall(r"`(locald [^`]*)`", refused(*each)[1])
    ]

    assert len(pasted) > 50
    for _, *arguments in pasted:
        if "--help" in arguments:
            with pytest.raises(SystemExit) as ended:
                parse(arguments)
            assert ended.value.code == 0
        else:
            parse(arguments)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *((word, "status") for word in ("ps", "list", "ls")),
        *((word, "up") for word in ("run", "start")),
        ("kill", "stop"),
        ("tail", "logs"),
        ("log", "logs"),
        ("validate", "config check"),
        ("statsu", "status"),
        ("Status", "status"),
    ],
)
def test_the_word_of_another_tool_leads_to_the_command(cli: Cli, typed: str, meant: str) -> None:
    result = cli(typed)

    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"error: unknown command: {typed} (did you mean {meant}?)\nhint: run `locald {meant}`\n"
    )


@pytest.mark.parametrize(
    ("typed", "works"),
    [
        (["ps", "-a"], "locald status -a"),
        (["-C", "some folder", "ls"], "locald -C 'some folder' status"),
        (["start", "web", "-d"], "locald up web -d"),
        (["tail", "-f", "web"], "locald logs -f web"),
        (["ps", "--sort", "cpu"], "locald status"),
        (["ps", "--help"], "locald status --help"),
        (["log", "--tail", "5"], "locald logs"),
        (["events", "web"], "locald logs -f web"),
        (["env", "web"], "locald exec web -- env"),
        (["history"], "locald timeline"),
        (["config-check"], "locald config check"),
        (["server", "stat"], "locald server status"),
        (["server", "res"], "locald server restart"),
    ],
)
def test_the_rest_of_the_command_line_is_kept_where_it_works(typed: list[str], works: str) -> None:
    assert refused(*typed)[1] == f"run `{works}`"


@pytest.mark.parametrize("before", [["--help"], ["-h"], ["-C", ".", "--help"]])
def test_help_before_a_command_is_the_help_of_the_command(
    before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*before, "up"])
    assert capsys.readouterr().out.startswith("usage: locald up ")


def test_every_synonym_leads_to_a_command_that_there_is_and_hides_none() -> None:
    assert {meant.split()[0] for meant in synonyms.COMMANDS.values()} <= MODULES.keys()
    assert not synonyms.COMMANDS.keys() & MODULES.keys()


def test_a_word_like_no_command_leads_to_the_list() -> None:
    assert refused("xyzzy") == ("unknown command: xyzzy", "run `locald --help` to list the commands")


@pytest.mark.parametrize(
    ("typed", "works"),
    [
        ("logs --tail 5", "locald logs --lines 5"),
        ("logs --limit=7 web", "locald logs --lines 7 web"),
        ("logs -w web", "locald logs -f web"),
        ("logs --tail 5 --folow", "locald logs --lines 5 --follow"),
        ("status -f", "locald status -w"),
        ("status --follow", "locald status --watch"),
        ("status -o json", "locald status --json"),
        ("status --output=json -A", "locald status --json -a"),
        ("up -D", "locald up -d"),
        ("up --no-wait web", "locald up --detach web"),
        ("up --wait web", "locald up web"),
        ("up -t 30", "locald up --timeout 30"),
        ("status --directory .", "locald status -C ."),
        ("exec -it web sh", "locald exec web sh"),
        ("dashboard --no-browser", "locald dashboard --no-open"),
        ("server status --jsn", "locald server status --json"),
        ("timeline web", "locald timeline"),
        ("why web api", "locald why web"),
        ("-v", "locald --version"),
    ],
)
def test_the_option_of_another_tool_leads_to_ours(typed: str, works: str) -> None:
    assert refused(*typed.split())[1] == f"run `{works}`"


def test_an_unknown_option_is_named_with_what_may_be_meant() -> None:
    assert refused("logs", "--tail=5")[0] == "unknown option: --tail (did you mean --lines?)"
    assert refused("up", "--nonsense") == ("unknown option: --nonsense", "run `locald up --help` for usage")


@pytest.mark.parametrize(
    ("typed", "works"),
    [
        ("--json status", "locald status --json"),
        ("-n 5 logs", "locald logs -n 5"),
        ("-d up web", "locald up -d web"),
        ("-C . --json status", "locald status -C . --json"),
        ("--grep up logs", "locald logs --grep up"),
    ],
)
def test_an_option_before_the_command_is_told_where_it_goes(typed: str, works: str) -> None:
    words = typed.split()
    option = next(word for word in words if word.startswith("-") and word != "-C")

    assert refused(*words) == (f"{option} goes after the command", f"run `{works}`")


def test_an_unknown_option_before_the_command_leads_to_the_help_of_the_command() -> None:
    assert refused("--tail", "5", "logs") == ("unknown option: --tail", "run `locald logs --help` for usage")


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (["help"], ["--help"]),
        (["help", "up"], ["up", "--help"]),
        (["help", "config", "check"], ["config", "check", "--help"]),
        (["version"], ["--version"]),
    ],
)
def test_help_and_version_are_understood_as_words(
    capsys: pytest.CaptureFixture[str], typed: list[str], same: list[str]
) -> None:
    with pytest.raises(SystemExit) as asked:
        main(typed)
    said = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(same)

    assert asked.value.code == 0
    assert said == capsys.readouterr().out
    assert said


def test_version_prints_the_version(cli: Cli) -> None:
    result = cli("version")

    assert (result.code, result.out) == (0, f"locald {__version__}\n")


def test_help_for_a_synonym_leads_to_the_help_of_the_command() -> None:
    assert refused("help", "ps")[1] == "run `locald status --help`"


@pytest.mark.parametrize("services", [["web"], ["web", "db"], ["shop:web"]])
@pytest.mark.parametrize("is_up", [True, False])
def test_down_takes_no_service_and_points_to_stop(
    cli: Cli, daemon: FakeDaemon, project: Path, services: list[str], is_up: bool
) -> None:
    """Also beside a folder that is called like the service, and whether or not the project is running."""
    (project / "web").mkdir()
    daemon.on("GET /v1/status", document(row("web")) if is_up else document())

    result = cli("down", *services)

    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: down takes no service\nhint: run `locald stop {' '.join(services)}`\n"
    assert daemon.asked("POST /v1/down") == []


def test_down_still_takes_a_folder(cli: Cli, daemon: FakeDaemon, project: Path) -> None:
    answer: dict[str, Any] = {"project": None, "services": []}
    daemon.on("POST /v1/down", answer)

    for folder, where in (("shop", project.parent), (".", project), ("./", project), (str(project), None)):
        assert cli("down", folder, cwd=where).code == 0

    assert [each.body["directory"] for each in daemon.asked("POST /v1/down")] == [str(project)] * 4


def test_a_right_command_line_imports_nothing_about_wrong_ones() -> None:
    """Who makes no mistake does not wait for the explanation of one."""
    import subprocess
    import sys

    from faces.run_cli import SOURCES

    script = (
        "import sys; from locald.cli.command_line import parse\n"
        "for line in ('status', 'status -a', 'up web -d', 'logs -n 5'): parse(line.split())\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=20,
    )

    imported = set(done.stdout.split())
    assert "locald.cli.commands.logs" in imported
    assert not imported & {"locald.cli.shared.mistakes", "locald.cli.shared.synonyms", "difflib", "shlex"}


def test_the_groups_of_the_help_cover_every_command() -> None:
    assert [name for group in COMMANDS.values() for name in group] == list(MODULES)
