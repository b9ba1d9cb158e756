"""Writes dashboard/src/facts/vocabulary.ts, the page's table of states, from `locald.faces.states`, and what
exit codes mean from `locald.faces.runs`.

So a state has one tone, one sign and one rank on the page, in the monitor and on the command line. `--check`
writes nothing and exits 1 when the page's table is not what it should be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # this checkout, whatever else is installed

from locald.faces import runs, states  # noqa: E402

TABLE = ROOT / "dashboard" / "src" / "facts" / "vocabulary.ts"

HEAD = """\
// Every state and health with its tone and its sign, from the worst to the best. Written by
// tools/vocabulary.py from src/locald/faces/states.py and runs.py: change those.
"""


def table() -> str:
    """The whole file."""
    entries = (
        f"  {word}: {{ tone: {spelled(tone)}, sign: {spelled(sign)} }},"
        for word, (tone, sign) in states.STATES.items()
    )
    parts = [
        HEAD,
        f"export type Tone = {' | '.join(map(spelled, states.COLOURS))};",
        "export type Word = keyof typeof STATES;",
        "",
        "\n".join(["export const STATES = {", *entries, "} as const satisfies Record<string, Entry>;"]),
        "",
        "interface Entry {\n  tone: Tone;\n  sign: string;\n}",
        "",
        listed("A service went down by itself.", "DOWN", states.DOWN),
        listed("Somebody has to look at a service: it stands first.", "AMISS", states.AMISS),
        listed("A service has not settled.", "MOVING", states.MOVING),
        "/** Signals, by the exit code that a shell shows after them. */",
        f"export const SIGNALS: Readonly<Record<number, string>> = {json.dumps(runs.SIGNALS)};",
        "",
        "/** Exit codes of what somebody asked to end. */",
        f"export const ASKED: ReadonlySet<number> = new Set({list(runs.ASKED)});",
        "",
    ]
    return "\n".join(parts)


def listed(meaning: str, name: str, members: tuple[str, ...]) -> str:
    """A set of words."""
    inner = ", ".join(map(spelled, members))
    return f"/** {meaning} */\nexport const {name}: ReadonlySet<Word> = new Set<Word>([{inner}]);\n"


def spelled(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def main() -> int:
    text = table()
    if "--check" in sys.argv:
        if TABLE.is_file() and TABLE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TABLE.relative_to(ROOT)} is out of date: run tools/vocabulary.py", file=sys.stderr)
        return 1
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
