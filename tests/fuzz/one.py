"""One parser under atheris, which ends this process: `python -m fuzz.one PARSER [libFuzzer's arguments]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["locald"]):
    from fuzz.parsers import PARSERS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, PARSERS[name])
    atheris.Fuzz()
