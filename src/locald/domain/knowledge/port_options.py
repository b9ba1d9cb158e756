"""How to make a program listen on $PORT: what to say when it listens elsewhere.

Many development servers do not look at PORT and choose a port of their own. locald sees which program
listens where, and knows how the common ones are told. A server is recognised by a word of the command,
else by the program that listens, else by the port that it likes; the command is the surest, since half of
the programs are called `node` or `python3`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """A development server. `option`: what tells it the port, behind its own arguments."""

    name: str
    words: str
    """a regular expression for the command or the program"""
    fix: str
    """a command that works"""
    option: str
    port: int = 0
    """where it listens by default, when that says something about what it is; else 0"""
    programs: str = ""
    """with `port`: a regular expression for the programs that it may run as"""


_NODE, _PYTHON, _RUBY = r"node|bun|deno|MainThread", "python", "ruby|puma"

_SERVERS = (
    Server("Remix", r"\bremix\b", "remix vite:dev --port $PORT", "--port $PORT"),
    Server("Vite", r"\bvite\b(?!-node)", "vite --port $PORT", "--port $PORT", 5173, _NODE),
    Server("Next.js", r"\bnext\b|next-server", "next dev -p $PORT", "-p $PORT"),
    Server("Create React App", r"\breact-scripts\b|\bcraco\b", "PORT=$PORT react-scripts start", ""),
    Server("webpack", r"\bwebpack(-dev-server)?\b", "webpack serve --port $PORT", "--port $PORT"),
    Server("Angular", r"\bng serve\b|\bng\b", "ng serve --port $PORT", "--port $PORT", 4200, _NODE),
    Server("Nuxt", r"\bnux[it]\b", "nuxt dev --port $PORT", "--port $PORT"),
    Server("Astro", r"\bastro\b", "astro dev --port $PORT", "--port $PORT", 4321, _NODE),
    Server("Gatsby", r"\bgatsby\b", "gatsby develop -p $PORT", "-p $PORT"),
    Server("Storybook", r"\bstorybook\b", "storybook dev -p $PORT", "-p $PORT", 6006, _NODE),
    Server("Parcel", r"\bparcel\b", "parcel --port $PORT", "--port $PORT", 1234, _NODE),
    Server("Eleventy", r"\beleventy\b|@11ty", "eleventy --serve --port=$PORT", "--port=$PORT"),
    Server("Django", r"\brunserver\b|\bmanage\.py\b", "python manage.py runserver $PORT", "$PORT"),
    Server("Flask", r"\bflask\b", "flask run --port $PORT", "--port $PORT", 5000, _PYTHON),
    Server("FastAPI", r"\bfastapi\b", "fastapi dev --port $PORT", "--port $PORT"),
    Server("Uvicorn", r"\buvicorn\b", "uvicorn APP --port $PORT", "--port $PORT"),
    Server("Gunicorn", r"\bgunicorn\b", "gunicorn --bind 127.0.0.1:$PORT APP", "--bind 127.0.0.1:$PORT"),
    Server("Hypercorn", r"\bhypercorn\b", "hypercorn --bind 127.0.0.1:$PORT APP", "--bind 127.0.0.1:$PORT"),
    Server(
        "Streamlit",
        r"\bstreamlit\b",
        "streamlit run APP --server.port $PORT",
        "--server.port $PORT",
        8501,
        _PYTHON,
    ),
    Server("Jupyter", r"\bjupyter\b", "jupyter lab --port $PORT", "--port $PORT", 8888, _PYTHON),
    Server("http.server", r"\bhttp\.server\b", "python3 -m http.server $PORT", "$PORT"),
    Server("MkDocs", r"\bmkdocs\b", "mkdocs serve -a 127.0.0.1:$PORT", "-a 127.0.0.1:$PORT"),
    Server("Rails", r"\brails\b", "rails server -p $PORT", "-p $PORT"),
    Server("Puma", r"\bpuma\b", "puma -p $PORT", "-p $PORT", 9292, _RUBY),
    Server("Rack", r"\brackup\b", "rackup -p $PORT", "-p $PORT"),
    Server("Jekyll", r"\bjekyll\b", "jekyll serve --port $PORT", "--port $PORT", 4000, _RUBY),
    Server("PHP", r"\bphp[\d.]* -S\b", "php -S 127.0.0.1:$PORT", ""),
    Server("Laravel", r"\bartisan serve\b", "php artisan serve --port=$PORT", "--port=$PORT"),
    Server("Hugo", r"\bhugo\b", "hugo server --port $PORT", "--port $PORT", 1313, "hugo"),
    Server("Caddy", r"\bcaddy\b", "caddy file-server --listen 127.0.0.1:$PORT", "--listen 127.0.0.1:$PORT"),
)

_SCRIPT = re.compile(r"\b(npm|pnpm|yarn|bun) (run )?[\w:.-]+")
_ALONE = re.compile(r"[^&|;<>\"'`$(){}\n]*")


def fix(command: str, program: str, port: int) -> str:
    """What to do about a program that listens on `port` and not on $PORT: one sentence, with a command.

    `command`: the service's, as written (a list joined by spaces). `program`: the name of the process
    that listens.
    """
    server = recognise(command, program, port)
    if re.search(r"\$\{?PORT\b", command):
        return (
            "the command contains $PORT, but the program does not use it: "
            "write `command` as a string, since $PORT in a list is not expanded"
        )
    if server is None:
        return f"it listens on {port}: pass $PORT on the command line, or make the program read PORT"
    head = f"{server.name} listens on {port}, set its port on the command line"
    fixed = _with_fix(command, server)
    return f"{head}: `{server.fix}`" + ("" if fixed == server.fix else f", here `{fixed}`")


def recognise(command: str, program: str = "", port: int = 0) -> Server | None:
    """The server that a command starts; None when it is none of those known here."""
    for text in (command, program):
        for server in _SERVERS:
            if text and re.search(server.words, text):
                return server
    likely = (server for server in _SERVERS if port and server.port == port)
    return next((server for server in likely if not program or re.search(server.programs, program)), None)


def with_port(command: str, server: Server) -> str:
    """A command that starts this server, perhaps by a script of package.json, with the port handed over."""
    if not server.option:
        return command
    # npm keeps options for itself, but for those behind two hyphens.
    separator = " --" if command.startswith("npm ") else ""
    return f"{command}{separator} {server.option}"


def _with_fix(command: str, server: Server) -> str:
    """The user's own command with the port in it where that is easily seen, else the usual one."""
    command = command.strip()
    if not server.option or not _ALONE.fullmatch(command) or re.search(r"\b\d{4,5}\b", command):
        return server.fix
    named = re.search(server.words, command) and "port" not in command and " -p" not in command
    return with_port(command, server) if named or _SCRIPT.fullmatch(command) else server.fix
