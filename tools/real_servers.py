"""Writes docs/explanation/real-servers.md from the results of `./test --zoo`, which are in build/zoo.json.

`--check` writes nothing and exits 1 when the page does not name exactly the servers of tests/zoo, each in a
row of the right shape: the numbers are those of one run, so they cannot be compared.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]  # this checkout, whatever else is installed

from zoo.debian import SERVERS as DEBIAN  # noqa: E402
from zoo.development import SERVERS as DEVELOPMENT  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "real-servers.md"
RESULTS = ROOT / "build" / "zoo.json"
STARTS = ("cold", "warm", "killed")
ROW = re.compile(r"\| (?P<name>[^|]+) \| [\d.]+ \| [a-z() ,]+ \| (\d+ \| ){3}[^|]*\|")

HEAD = """\
# Real servers

<!-- Written by tools/real_servers.py from a run of ./test --zoo: change tests/zoo. -->

`./test --zoo` starts the servers of this page with a `command` and nothing else: no `health_check`, no
`start_timeout`. Each has a client of its own protocol, which asks without pause, a new connection for each
request, from before the start until some time after. A test fails if a request that began after `ready_at`
was refused or got an error, if `address` is not one that serves, or if a process or a socket stays behind.
Each server starts three times: cold, again after a stop, and by itself after `kill -9`.

**Lag** is the time from the first good answer to `ready_at`, in milliseconds. It is 0 where locald knew
before the client had its answer. SOURCE is [what locald believed](readiness.md).
"""


def page(rows: list[dict[str, Any]]) -> str:
    """The whole page."""
    by_name = {row["name"]: row for row in rows}
    parts = [HEAD, summary(rows)]
    npm = [each for each in DEVELOPMENT if each.tool]
    pypi = [each for each in DEVELOPMENT if not each.tool]
    for title, servers in (("Debian", DEBIAN), ("PyPI", pypi), ("npm", npm)):
        found = [by_name[each.name] for each in servers if each.name in by_name]
        parts.append(f"\n## {title}\n\n{table(found)}")
    return "".join(parts)


def summary(rows: list[dict[str, Any]]) -> str:
    lags = [lag(row, start) for row in rows for start in STARTS]
    return (
        f"\nThe run of {datetime.now(UTC):%Y-%m-%d}: {len(rows)} servers, {len(lags)} starts. No request "
        f"failed after `ready_at`.\nLag: median {statistics.median(lags)} ms, worst {max(lags)} ms.\n"
    )


def table(rows: list[dict[str, Any]]) -> str:
    head = "| server | version | source | cold | warm | killed | |\n|---|---|---|--:|--:|--:|---|\n"
    return head + "".join(map(line, rows))


def line(row: dict[str, Any]) -> str:
    lags = " | ".join(str(lag(row, start)) for start in STARTS)
    return f"| {row['name']} | {row['version']} | {source(row)} | {lags} | {row['special']} |\n"


def lag(row: dict[str, Any], start: str) -> int:
    return max(round(float(row["lag"][start])), 0)


def source(row: dict[str, Any]) -> str:
    """Two where the first start differs from the later ones."""
    return ", then ".join(dict.fromkeys([row["source"], row["later"]]))


def complaints(text: str) -> list[str]:
    """What is wrong with the page, whatever its numbers."""
    rows = [each for each in text.splitlines() if each.startswith("| ") and not each.startswith("| server")]
    named = [found["name"] if (found := ROW.fullmatch(each)) else each for each in rows]
    expected = [each.name for each in (*DEBIAN, *DEVELOPMENT) if not each.known]
    wrong = [f"not in the page, or in another shape: {each}" for each in expected if each not in named]
    wrong += [f"not a server of tests/zoo: {each}" for each in named if each not in expected]
    return wrong if text.startswith(HEAD) else ["it does not begin as it is written today", *wrong]


def main() -> int:
    if "--check" in sys.argv[1:]:
        wrong = complaints(PAGE.read_text() if PAGE.exists() else "")
        for each in wrong:
            print(f"{PAGE.relative_to(ROOT)}: {each}")
        if wrong:
            print("hint: ./test --zoo && .venv/bin/python tools/real_servers.py")
        return 1 if wrong else 0
    rows = json.loads(RESULTS.read_text())
    PAGE.write_text(page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
