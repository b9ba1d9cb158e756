"""How to make a program listen on $PORT: what to say when it listens elsewhere.

Many development servers do not look at PORT and choose a port of their own. locald sees which program
listens where, and knows how the common ones are told. A server is recognised by a word of the command,
else by the program that listens. What it is told is the user's own command, with nothing changed but the
port: a program that nobody knows is never told the command of another. The port that a server likes is only
a guess, made for a script of package.json, whose command is not seen here, and said as one.
"""

from __future__ import annotations

import re
import shlex
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
    Server("Django", r"\brunserver\b", "python manage.py runserver $PORT", "$PORT"),
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
    Server("Rails", r"\brails s(erver)?\b", "rails server -p $PORT", "-p $PORT"),
    Server("Puma", r"\bpuma\b", "puma -p $PORT", "-p $PORT", 9292, _RUBY),
    Server("Rack", r"\brackup\b", "rackup -p $PORT", "-p $PORT"),
    Server("Jekyll", r"\bjekyll\b", "jekyll serve --port $PORT", "--port $PORT", 4000, _RUBY),
    Server("PHP", r"\bphp[\d.]* -S\b", "php -S 127.0.0.1:$PORT", ""),
    Server("Laravel", r"\bartisan serve\b", "php artisan serve --port=$PORT", "--port=$PORT"),
    Server("Hugo", r"\bhugo\b", "hugo server --port $PORT", "--port $PORT", 1313, "hugo"),
    Server(
        "Caddy",
        r"\bcaddy file-server\b",
        "caddy file-server --listen 127.0.0.1:$PORT",
        "--listen 127.0.0.1:$PORT",
    ),
)

_SCRIPT = re.compile(r"\b(npm|pnpm|yarn|bun) (run )?[\w:.-]+")
_ALONE = re.compile(r"[^&|;<>\"'`$(){}\n]*")
_WORD, _ENDS = r"(?<![\w-])", r"(?![\w/-]|\.(?!m?js\b|cjs\b|cmd\b))"
"""a whole word, which is no folder: `flask-demo/app.py` is not Flask"""
_SHELL = re.compile(r"\b(ba|da|z|k)?sh -\w*c\b")
_IS_OPTION = re.compile(r"(?<=\s)(--[\w.-]*port[= ]|-[pP][= ]?)\d{2,5}(?![\w.])")


def fix(command: str | tuple[str, ...], program: str, port: int) -> str:
    """What to do about a program that listens on `port` and not on $PORT: one sentence, where it can be with
    the user's own command, changed in nothing but the port.

    `command`: the service's, as written. `program`: the name of the process that listens.
    """
    words = command if isinstance(command, str) else shlex.join(command)
    if re.search(r"\$\{?PORT\b", words):
        return _ignored(command, port)
    said = _said(words.strip(), program, port)
    is_list = not isinstance(command, str) and "`" in said
    return said + (" as a string, since $PORT in a list is not expanded" if is_list else "")


def _ignored(command: str | tuple[str, ...], port: int) -> str:
    """What is said where the command names $PORT already."""
    if isinstance(command, str):
        return f"it listens on {port}, although its command contains $PORT: check where $PORT goes"
    return (
        "the command contains $PORT, but the program does not use it: "
        "write `command` as a string, since $PORT in a list is not expanded"
    )


def recognise(command: str, program: str = "") -> Server | None:
    """The server that a command starts, or that a program is; None when it is none of those known here."""
    for text in (command, program):
        for server in _SERVERS:
            if text and re.search(rf"{_WORD}(?:{server.words}){_ENDS}", text):
                return server
    return None


def with_port(command: str, server: Server) -> str:
    """A command that starts this server, perhaps by a script of package.json, with the port handed over."""
    if not server.option:
        return command
    # npm keeps options for itself, but for those behind two hyphens.
    separator = " --" if command.startswith("npm ") and " -- " not in command else ""
    return f"{command}{separator} {server.option}"


def _said(command: str, program: str, port: int) -> str:
    server = recognise(command, program)
    listens = f"{server.name if server else 'it'} listens on {port}"
    if changed := _replaced(command, port) or (_extended(command, server) if server else ""):
        return f"{listens}: write `{changed}`"
    if server and server.option.startswith("-"):
        return f"{listens}: start it with `{server.option}`"
    if not server and (guess := _usual(program, port)) and (changed := _extended(command, guess)):
        return f"{listens}, as {guess.name} does: if it is {guess.name}, write `{changed}`"
    return f"{listens}: pass $PORT on the command line, or make the program read PORT"


def _replaced(command: str, port: int) -> str:
    """The command with $PORT for its port; empty where it names none, or where nobody would expand it."""
    number = re.compile(rf"(?:(?<![\w.])|(?<=\s-[a-zA-Z])){port}(?!\w|\.\w)")
    places = [found.span() for found in number.finditer(command)]
    # A server that finds its port in use takes the next one: then the option tells what was asked for.
    places = places or [(found.end(1), found.end()) for found in _IS_OPTION.finditer(command)]
    if not places or any(_is_kept(command, begin) for begin, _ in places):
        return ""
    for begin, end in reversed(places):
        command = f"{command[:begin]}$PORT{command[end:]}"
    return command


def _is_kept(command: str, place: int) -> bool:
    """Whether the shell leaves a variable alone that stands there: in single quotes, unless these hold the
    command of another shell."""
    return command[:place].count("'") % 2 == 1 and not _SHELL.search(command[:place])


def _extended(command: str, server: Server) -> str:
    """The command with the option behind it, if its last part is what starts this server, or a script."""
    parts = re.split(r"(.*(?:&&|;)\s*)", command, maxsplit=1)
    before, last = (parts[1], parts[2]) if parts[1:] else ("", command)
    starts_it = recognise(last) is server or _SCRIPT.fullmatch(last)
    if not starts_it or not _ALONE.fullmatch(last) or _IS_OPTION.search(last):
        return ""
    if server.name == "Create React App":
        return f"{before}PORT=$PORT {last}"
    return before + with_port(last, server) if server.option else ""


def _usual(program: str, port: int) -> Server | None:
    """The server that likes this port, and may run as such a program."""
    return next((one for one in _SERVERS if one.port == port and re.search(one.programs, program)), None)
