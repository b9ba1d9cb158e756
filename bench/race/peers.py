"""Where those come from that race beside this build: dekit from PyPI, in one version, and the build of before
from the history. Both are kept in a folder of the user's cache."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from bench.instance import ROOT

DEKIT = "dekit-cli==0.10.3"
BEFORE = "b16ac08"
"""the last commit before the work on speed began, of which the goals speak"""


def dekit() -> Path | None:
    """Its program, installed if need be; None where it cannot be, which is said."""
    program = _cache() / DEKIT.replace("==", "-") / "bin" / "dekit"
    if not program.exists():
        print(f"installing {DEKIT} into {program.parent.parent}", file=sys.stderr)
        venv.create(program.parent.parent, with_pip=True)
        command = [str(program.with_name("python")), "-m", "pip", "install", "--quiet", DEKIT]
        if subprocess.run(command, check=False).returncode:
            print(f"{DEKIT} cannot be installed: it does not race", file=sys.stderr)
            return None
    return program


def before() -> Path | None:
    """The checkout of that commit, with its environment; None where it cannot be had, which is said."""
    root = _cache() / f"before-{BEFORE}"
    if (root / ".venv" / ".ready").exists():
        return root
    print(f"making the build of {BEFORE} in {root}", file=sys.stderr)
    root.mkdir(parents=True, exist_ok=True)
    history = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE], stdout=subprocess.PIPE, check=False)
    unpacked = subprocess.run(["tar", "-x", "-C", str(root)], input=history.stdout, check=False)
    made = [sys.executable, "-I", str(root / "tools" / "environment.py")]
    if history.returncode or unpacked.returncode or subprocess.run(made, check=False).returncode:
        print(f"the build of {BEFORE} cannot be made: it does not race", file=sys.stderr)
        return None
    return root


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "locald-bench"
