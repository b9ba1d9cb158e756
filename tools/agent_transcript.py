"""Writes the transcript in docs/guides/agents.md: what an agent asks `locald mcp`, and what it is answered.

Its client is the SDK's, its project a folder of its own, the daemon one of its own. Of the answers what
matters is shown, and what differs from time to time is numbered in order of its appearance. `--check` writes
nothing and exits 1 when the page does not show these calls, or keys that the answers do not have; it starts
nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # this checkout, whatever else is installed

from locald.mcp.tools import TOOLS  # noqa: E402

PAGE = ROOT / "docs" / "guides" / "agents.md"
BEGIN, END = "<!-- transcript:begin -->\n", "<!-- transcript:end -->"
FILE = """\
[project]
name = "shop"

[services.db]
command = "python3 -m http.server $PORT"

[services.web]
command = "python3 web.py"
depends_on = ["db"]
restart = "no"
"""
BROKEN = 'print("WARN no cache", flush=True)\nraise SystemExit("ERROR DB_URL is not set")\n'
MENDED = "import http.server as h, os\nh.test(h.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))\n"
LOCALD = [sys.executable, "-m", "locald"]
Json = dict[str, Any]
CALLS: list[tuple[str, Json, list[str]]] = [
    ("up", {"timeout": "1m"}, ["error"]),
    ("logs", {"services": ["web"], "level": "warn"}, ["lines", "truncated", "cursor"]),
    ("up", {}, ["services"]),
    ("exec", {"service": "web", "command": ["sh", "-c", "echo $PORT"]}, ["exit_code", "stdout"]),
    ("stop", {"services": ["web"]}, ["stopped"]),
]
"""Each with the fields of its answer that are shown. Before the second `up` the program is mended."""
ROW, LINE = ("name", "state", "health", "because"), ("service", "stream", "line")


def transcript() -> str:
    with tempfile.TemporaryDirectory(prefix="ld", dir="/tmp") as place:
        folder = Path(place, "shop")
        folder.mkdir()
        (folder / "locald.toml").write_text(FILE)
        env = {**os.environ, "LOCALD_HOME": f"{place}/home", "PYTHONPATH": str(ROOT / "src")}
        env["LOCALD_PROXY"] = "off"
        try:
            return asyncio.run(talk(folder, env))
        finally:
            subprocess.run([*LOCALD, "server", "stop"], env=env, check=True, capture_output=True)


async def talk(folder: Path, env: dict[str, str]) -> str:
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(command=LOCALD[0], args=[*LOCALD[1:], "mcp"], cwd=folder, env=env)
    shown = []
    async with Client(stdio_client(server)) as agent:
        for number, (tool, arguments, fields) in enumerate(CALLS):
            if tool == "up":
                (folder / "web.py").write_text(MENDED if number else BROKEN)
            result = await agent.call_tool(tool, arguments)
            shown.append(told(tool, arguments, result.structured_content, fields))
    return "\n".join(shown)


def told(tool: str, arguments: Json, answer: Json, fields: list[str]) -> str:
    kept = {name: part(name, answer[name]) for name in fields}
    return f"{asked(tool, arguments)}\n{drawn(kept)}\n"


def drawn(document: Json) -> str:
    """As JSON, objects of a list one below the other."""
    fields = []
    for name, value in document.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else []
        below = ",\n   ".join(json.dumps(row, ensure_ascii=False) for row in rows)
        text = f"[\n   {below}]" if rows else json.dumps(value, ensure_ascii=False)
        fields.append(f"{json.dumps(name)}: {text}")
    return "{" + ",\n ".join(fields) + "}"


def asked(tool: str, arguments: Json) -> str:
    return f"→ {tool} {json.dumps(arguments)}"


def part(name: str, value: Any) -> Any:
    """What is shown of a field."""
    if name in ("services", "lines"):
        fields = ROW if name == "services" else LINE
        return [{each: steady(row[each]) for each in fields} for row in value]
    return "eyJzaG9w…" if name == "cursor" else steady(value)


def steady(value: Any) -> Any:
    """Numbers of processes and ports differ each time."""
    return re.sub(r"\bpid \d+|\b\d{5}\b", _numbered, value) if isinstance(value, str) else value


_SEEN: dict[str, dict[str, int]] = {"pid ": {}, "": {}}


def _numbered(found: re.Match[str]) -> str:
    """The same number again for the same process or port, the next one for another."""
    what = "pid " if found[0].startswith("pid ") else ""
    seen = _SEEN[what]
    return f"{what}{seen.setdefault(found[0], len(seen) + (4711 if what else 24001))}"


def is_right(page: str) -> bool:
    """Whether the page shows these calls, and fields that there are."""
    shown = re.findall(r"^→ .*$", page, re.MULTILINE)
    if shown != [asked(tool, arguments) for tool, arguments, _ in CALLS]:
        return False
    schemas = {tool.name: tool.answers["properties"].keys() | {"error"} for tool in TOOLS}
    return all(set(fields) <= schemas[tool] for tool, _, fields in CALLS)


def main() -> int:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    now, _, after = rest.partition(END)
    if sys.argv[1:] == ["--check"]:
        if not is_right(now):
            print(f"{PAGE.relative_to(ROOT)}: run tools/agent_transcript.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(f"{before}{BEGIN}```\n{transcript()}```\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
