"""Who can send READY=1 is seen in the program, its libraries and its script."""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from children import Children, children
from locald.adapters import programs
from locald.adapters.programs import Programs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["children"]


def running(*command: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().strip() == "runs"
    return process


def can_notify(*command: str) -> bool:
    with running(*command) as process:
        found = Programs().can_notify(process.pid)
        process.communicate()
    return found


def test_a_program_without_the_word_cannot(children: Children) -> None:
    child = children.start('print("runs", flush=True)\ntold()')
    assert child.says() == "runs"
    assert not Programs().can_notify(child.pid)


def test_code_on_the_command_line_with_the_word_can() -> None:
    code = "import os, sys; os.environ.get('NOTIFY_SOCKET'); print('runs', flush=True); sys.stdin.read()"
    assert can_notify(sys.executable, "-S", "-c", code)


@pytest.mark.parametrize(("line", "can"), [("os.environ.get('NOTIFY_SOCKET')", True), ("pass", False)])
def test_a_script_is_looked_into(tmp_path: Path, line: str, can: bool) -> None:
    script = tmp_path / "server.py"
    script.write_text(f"import os, sys\n{line}\nprint('runs', flush=True)\nsys.stdin.read()\n")
    assert can_notify(sys.executable, "-S", str(script)) is can


@pytest.mark.parametrize("static", [True, False])
def test_a_program_that_holds_the_word_can(tmp_path: Path, static: bool) -> None:
    """As static programs of Go and Rust do."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    word = "NOTIFY_SOCKET" if static else "SOMETHING_ELSE"
    source = tmp_path / "server.c"
    source.write_text(
        f'#include <stdio.h>\n#include <stdlib.h>\nint main(void) {{ getenv("{word}"); puts("runs");'
        " fflush(stdout); while (getchar() != EOF); return 0; }\n"
    )
    subprocess.run([compiler, "-o", str(tmp_path / "server"), str(source)], check=True)
    assert can_notify(str(tmp_path / "server")) is static


def test_a_program_that_has_mapped_libsystemd_can() -> None:
    if not ctypes.util.find_library("systemd"):
        pytest.skip("no libsystemd")
    code = "import ctypes, sys; ctypes.CDLL('libsystemd.so.0'); print('runs', flush=True); sys.stdin.read()"
    assert can_notify(sys.executable, "-c", code)


def test_a_file_that_changes_is_looked_into_again(tmp_path: Path) -> None:
    script, known = tmp_path / "server.py", Programs()
    for line, can in (("pass", False), ("os.environ.get('NOTIFY_SOCKET')", True)):
        script.write_text(f"import os, sys\n{line}\nprint('runs', flush=True)\nsys.stdin.read()\n")
        with running(sys.executable, "-S", str(script)) as process:
            assert known.can_notify(process.pid) is can
            process.communicate()


@pytest.mark.parametrize("before", [0, 1, programs.BLOCK - 6, programs.BLOCK, 3 * programs.BLOCK - 1])
def test_the_word_is_found_wherever_it_stands(tmp_path: Path, before: int) -> None:
    with tmp_path.joinpath("program").open("w+b") as file:
        file.write(b"x" * before + programs.WORD + b"x" * 10)
        file.flush()
        assert programs._search(file.fileno())
        file.truncate(before + len(programs.WORD) - 1)
        assert not programs._search(file.fileno())


def test_what_was_prepared_is_not_searched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Programs()
    with running(sys.executable, "-S", "-c", "print('runs', flush=True); input()") as process:
        assert not known.prepare([process.pid, 2**22 + 1])
        monkeypatch.setattr(programs, "_search", lambda _: pytest.fail("searched again"))
        assert not known.can_notify(process.pid)
        process.communicate("\n")


def test_a_process_that_is_gone_cannot() -> None:
    assert not Programs().can_notify(2**22 + 1)
