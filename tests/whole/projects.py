"""Projects of different kinds as people have them: each by name, its files by path.

What they run is small and real: servers of the standard library, FastAPI, Flask, Django, Node, Go, make.
"""

from __future__ import annotations

import json
import sys

PYTHON = sys.executable

SERVER = """\
import http.server, os, sys

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass

port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ["PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()
"""
DJANGO = """\
import os, sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
"""
NODE = """\
const http = require("node:http");
http.createServer((_, answer) => answer.end("hello")).listen(process.env.PORT, "127.0.0.1");
"""
WAITS = "import time\nprint('working', flush=True)\ntime.sleep(9999)\n"
GO = """\
package main

import (
	"net"
	"os"
)

func main() {
	listener, _ := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	for {
		client, _ := listener.Accept()
		client.Read(make([]byte, 1000))
		client.Write([]byte("HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello"))
		client.Close()
	}
}
"""
"""without net/http, which takes long to compile"""


def package(scripts: dict[str, str], name: str = "shop", **more: object) -> str:
    return json.dumps({"name": name, "private": True, "scripts": scripts, **more})


PROJECTS: dict[str, dict[str, str]] = {
    "a Procfile with a release": {
        "Procfile.dev": (
            f"release: touch migrated\nweb: test -f migrated && exec {PYTHON} server.py $PORT\n"
            f"worker: {PYTHON} worker.py\n"
        ),
        "server.py": SERVER,
        "worker.py": WAITS,
    },
    "overmind with a Procfile of its own": {
        ".overmind.env": "OVERMIND_PROCFILE=Procfile.local\nOVERMIND_STOP_SIGNALS=web=INT\n",
        "Procfile.local": f"web: {PYTHON} server.py\njob: {PYTHON} worker.py\n",
        "server.py": SERVER,
        "worker.py": WAITS,
    },
    "process-compose with probes": {
        "process-compose.yaml": f"""\
version: "0.5"
environment: ["GREETING=hello"]
processes:
  migrate:
    command: touch migrated
    availability: {{ restart: "no" }}
  api:
    command: test -f migrated && exec {PYTHON} server.py 18431
    depends_on: {{ migrate: {{ condition: process_completed_successfully }} }}
    readiness_probe: {{ http_get: {{ host: 127.0.0.1, port: 18431, path: / }}, period_seconds: 1 }}
  worker:
    command: {PYTHON} worker.py
    ready_log_line: working
    depends_on: {{ api: {{ condition: process_healthy }} }}
  check:
    command: sleep 9999
    readiness_probe: {{ exec: {{ command: test -f migrated }} }}
""",
        "server.py": SERVER,
        "worker.py": WAITS,
    },
    "mprocs": {
        "mprocs.yaml": f"""\
procs:
  web: {{ cmd: ["{PYTHON}", "server.py", "18432"], env: {{ PORT: "18432" }} }}
  worker: {{ shell: "{PYTHON} worker.py", cwd: "<CONFIG_DIR>/jobs", stop: SIGINT }}
  tests: {{ shell: "exit 1", autostart: false }}
""",
        "server.py": SERVER,
        "jobs/worker.py": WAITS,
    },
    "pitchfork": {
        "pitchfork.toml": f"""\
[daemons.setup]
run = "touch set-up"
oneshot = true
[daemons.web]
run = "exec {PYTHON} server.py $PORT"
port = 18433
depends = ["setup"]
ready_http = "http://127.0.0.1:18433/"
[daemons.worker]
run = ["{PYTHON}", "worker.py"]
ready_output = "^working"
""",
        "server.py": SERVER,
        "worker.py": WAITS,
    },
    "concurrently": {
        "package.json": package(
            {
                "dev": 'concurrently -n api,web "npm:dev:*"',
                "dev:api": "node api.js",
                "dev:web": "node web.js",
            }
        ),
        "api.js": NODE,
        "web.js": NODE,
    },
    "workspaces": {
        "package.json": package({"dev": "npm run dev --workspaces"}, workspaces=["apps/*"]),
        "apps/site/package.json": package({"dev": "node server.js"}, "site"),
        "apps/site/server.js": NODE,
        "apps/api/package.json": package({"dev": "node server.js"}, "api"),
        "apps/api/server.js": NODE,
        "apps/lib/package.json": package({"build": "true"}, "lib"),
    },
    "FastAPI in src": {
        "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["fastapi", "uvicorn"]\n',
        "src/shop/__init__.py": "",
        "src/shop/main.py": (
            "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
            '@app.get("/")\ndef home() -> dict[str, str]:\n    return {"hello": "there"}\n'
        ),
    },
    "Flask with a factory": {
        "requirements.txt": "flask\n",
        "shop/__init__.py": "from flask import Flask\n\n\ndef create_app():\n    return Flask(__name__)\n",
        "pyproject.toml": '[project]\nname = "shop"\n',
    },
    "Django": {
        "requirements.txt": "django\n",
        "manage.py": DJANGO,
        "shop/__init__.py": "",
        "shop/settings.py": (
            'SECRET_KEY = "not one"\nDEBUG = True\nROOT_URLCONF = "shop.urls"\nALLOWED_HOSTS = ["*"]\n'
        ),
        "shop/urls.py": (
            "from django.http import HttpResponse\nfrom django.urls import path\n\n"
            'urlpatterns = [path("", lambda request: HttpResponse("hello"))]\n'
        ),
    },
    "Go": {"go.mod": "module shop\n\ngo 1.20\n", "cmd/shop/main.go": GO},
    "make": {
        "Makefile": f"serve: ## start it\n\texec {PYTHON} server.py $(PORT)\n\ntest:\n\tfalse\n",
        "server.py": SERVER,
    },
    "pages": {"index.html": "<h1>hello</h1>\n"},
}
NEEDS = {"concurrently": "npm", "workspaces": "npm", "Go": "go", "make": "make"}
"""programs without which a project cannot run"""
BUILT = {"Go": ["go", "build", "-o", "/dev/null", "./..."]}
"""what is compiled before, since on a busy machine that takes longer than a start may"""
EXPECTED = {
    "a Procfile with a release": {"release", "web", "worker"},
    "overmind with a Procfile of its own": {"web", "job"},
    "process-compose with probes": {"migrate", "api", "worker", "check"},
    "mprocs": {"web", "worker", "tests"},
    "pitchfork": {"setup", "web", "worker"},
    "concurrently": {"api", "web"},
    "workspaces": {"site", "api"},
    "FastAPI in src": {"web"},
    "Flask with a factory": {"web"},
    "Django": {"web"},
    "Go": {"web"},
    "make": {"web"},
    "pages": {"web"},
}
NOT_STARTED = {"tests"}
