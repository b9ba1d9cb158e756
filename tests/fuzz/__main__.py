"""`python -m fuzz [PARSER …] [--seconds N] [--seed N]`: noise that looks for lines of ours that no input has
reached yet (atheris, libFuzzer), for each parser N seconds. Exit 1 when one has a fault.

An input that is a fault is told as a line for `corpus/PARSER.txt`: there it is tried by `test_corpus.py` from
then on, with every other.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz import corpus
from fuzz.parsers import PARSERS

LONGEST = 8192
"""bytes of an input: Python's `int` refuses texts of more than 4,300"""
SLOW = 10
"""seconds that one may take"""


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(prog="./test --fuzz")
    options.add_argument("parsers", nargs="*", metavar="PARSER", help=f"of {', '.join(PARSERS)}")
    options.add_argument("--seconds", type=int, default=60, help="for each (60)")
    options.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31) + 1)
    given = options.parse_args(arguments)
    if unknown := [each for each in given.parsers if each not in PARSERS]:
        options.error(f"no such parser: {', '.join(unknown)}")
    print(f"seed {given.seed}", flush=True)
    found = [fuzz(each, given.seconds, given.seed) for each in given.parsers or PARSERS]
    return 0 if all(found) else 1


def fuzz(parser: str, seconds: int, seed: int) -> bool:
    """Whether it has stood."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known"
        known.mkdir()
        for data in corpus.inputs(parser):
            (known / hashlib.sha1(data).hexdigest()).write_bytes(data)
        limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SLOW}", f"-seed={seed}"]
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.one", parser, *limits, f"-artifact_prefix={folder}/", str(known)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        faults = [file.read_bytes() for file in Path(folder).iterdir() if file.is_file()]
    tried = re.search(r"Done (\d+) runs", done.stdout)
    reached = re.findall(r"cov: (\d+)", done.stdout)
    if done.returncode == 0 and tried and not faults:
        print(f"{parser:13} {int(tried[1]):9,} inputs, {reached[-1]} places reached", flush=True)
        return True
    print(f"{parser:13} has a fault:\n{_of_interest(done.stdout)}")
    for data in faults:
        print(f"a line for corpus/{parser}.txt:\n{corpus.spelled(data)}", flush=True)
    return False


def _of_interest(said: str) -> str:
    """Without the fuzzer's own account."""
    begin = said.find("Uncaught Python exception")
    return said[begin:] if begin >= 0 else said[-3000:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
