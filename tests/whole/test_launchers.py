"""`./locald` and what it rests on: a checkout that runs from a bare Python, and costs nothing afterwards.

A copied checkout with a stand-in for its interpreter shows what is called, how, and from where. That a real
environment can be made is shown by every run of `./test` in a fresh clone, this one's included.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
SHOWS_ITSELF = '#!/bin/sh\necho "$PWD"\nfor each; do echo "$each"; done\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the launchers in a folder with a space, its environment made and current."""
    root = tmp_path / "a checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "tools").mkdir()
    for name in (
        "locald",
        "pyproject.toml",
        "constraints.txt",
        "tools/environment.sh",
        "tools/environment.py",
    ):
        shutil.copy2(ROOT / name, root / name)
    executable(root / ".venv" / "bin" / "python", SHOWS_ITSELF)
    (root / ".venv" / ".ready").write_text(f"{root}\n")
    return root


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def call(
    program: Path | str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [os.fspath(program), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("way", ["absolute", "relative", "link", "link to a link", "path"])
def test_it_runs_here_whichever_way_it_is_called(checkout: Path, tmp_path: Path, way: str) -> None:
    """The folder stays the caller's, and arguments stay whole."""
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "link").symlink_to(checkout / "locald")
    (tmp_path / "again").symlink_to("link")
    program = {
        "absolute": f"{checkout}/locald",
        "relative": "../a checkout/locald",
        "link": f"{tmp_path}/link",
        "link to a link": "../again",
        "path": "locald",
    }[way]
    env = {"PATH": f"{checkout}:{os.environ['PATH']}"} if way == "path" else None
    command = ["sh", "-c", '"$0" "$@"', program] if way == "path" else [program]
    done = call(*command, "up", "two words", "*", cwd=here, env=env)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        str(here), "-I", str(checkout / ".venv/bin/locald"), "up", "two words", "*",
    ]  # fmt: skip


def test_with_everything_in_place_it_starts_no_other_program(checkout: Path, tmp_path: Path) -> None:
    """Nothing can be found on this PATH, so nothing was needed."""
    done = call(checkout / "locald", "ping", cwd=tmp_path, env={"PATH": str(tmp_path / "empty")})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stale", ["an edited file", "another folder", "no interpreter", "no stamp"])
def test_what_may_be_stale_is_looked_into_before_anything_runs(
    checkout: Path, tmp_path: Path, stale: str
) -> None:
    stamp = checkout / ".venv" / ".ready"
    match stale:
        case "an edited file":
            os.utime(checkout / "pyproject.toml", (stamp.stat().st_mtime + 10,) * 2)
        case "another folder":
            stamp.write_text("/somewhere/else\n")
        case "no interpreter":
            (checkout / ".venv" / "bin" / "python").unlink()
        case _:
            stamp.unlink()
    programs = tmp_path / "programs"
    programs.mkdir()
    executable(programs / "python3", f'#!/bin/sh\n[ "$2" = -c ] && exit 0\n{SHOWS_ITSELF[10:]}exit 7\n')
    done = call(checkout / "locald", "status", "--json", cwd=tmp_path, env={"PATH": str(programs)})
    assert done.stderr.splitlines()[1:] == ["-I", str(checkout / "tools/environment.py")]
    assert done.returncode == 7
    assert done.stdout == "", "what a command prints is the command's alone"


def test_without_a_python_that_is_new_enough_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    """A name on the PATH is not enough: it has to run, and to be of version 3.11."""
    (checkout / ".venv" / ".ready").unlink()
    programs = tmp_path / "programs"
    programs.mkdir()
    executable(programs / "python3", "#!/bin/sh\nexit 1\n")
    executable(programs / "python3.13", "#!/bin/sh\nexit 127\n")
    done = call(checkout / "locald", "up", cwd=tmp_path, env={"PATH": str(programs)})
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error == "error: there is no Python 3.11 or newer on the PATH"
    assert hint.startswith("hint: ")


def environment_of(checkout: Path) -> Any:
    """The copy's tools/environment.py as a module."""
    place = importlib.util.spec_from_file_location("environment", checkout / "tools" / "environment.py")
    assert place
    assert place.loader
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_of_two_first_calls_the_second_waits_and_finds_the_work_done(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (checkout / ".venv" / ".ready").unlink()
    first = os.open(checkout, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    command = [sys.executable, "-I", str(checkout / "tools/environment.py")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr
        assert "waiting" in second.stderr.readline()
        (checkout / ".venv" / ".ready").write_text(environment_of(checkout).stamp_text())
        os.close(first)
        assert second.communicate(timeout=30)[1] == ""
    assert second.returncode == 0


def test_another_python_or_other_versions_make_another_stamp(checkout: Path) -> None:
    environment = environment_of(checkout)
    texts = {environment.stamp_text()}
    executable(checkout / ".venv" / "bin" / "python", "#!/bin/sh\necho 3.99\n")
    texts.add(environment.stamp_text())
    with open(checkout / "constraints.txt", "a") as file:
        file.write("another==1.0\n")
    texts.add(environment.stamp_text())
    assert len(texts) == 3


def test_every_version_is_pinned() -> None:
    """constraints.txt names whatever the environment of this run has, in that version."""
    from importlib.metadata import distributions

    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
        if not line.startswith("#")
    )
    bundled = {"pip", "setuptools", "locald"}
    for each in distributions():
        name = each.name.lower().replace("_", "-")
        if name not in bundled:
            assert pinned.get(name) == each.version.replace("_", "-"), name
