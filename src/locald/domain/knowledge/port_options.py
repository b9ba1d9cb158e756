"""How to make a program listen on $PORT: what to say when it listens elsewhere.

Many development servers do not look at PORT and choose a port of their own. locald sees which program
listens where, and `dev_servers` knows how the common ones are told. A server is recognised by a word of the
command, else by how the process that listens was started. What it is told is the user's own command, with
nothing changed but the port: a program that nobody knows is never told the command of another. Where an
argument cannot reach it, its variable is named, or the script of package.json that starts it.
The port that a server likes is only a guess, and said as one.
"""

from __future__ import annotations

import re
import shlex

from locald.domain.knowledge.dev_servers import SERVERS, Server
from locald.domain.knowledge.origin import NOTHING_KNOWN, Origin

_SCRIPT = re.compile(r"\b(npm|pnpm|yarn|bun) (?:run )?([\w:.-]+)")
_ALONE = re.compile(r"[^&|;<>\"'`$(){}\n]*")
_WORD, _ENDS = r"(?<![\w-])", r"(?![\w/-]|\.(?!m?js\b|cjs\b|cmd\b))"
"""a whole word, which is no folder: `flask-demo/app.py` is not Flask"""
_HANDS_NOTHING_ON = re.compile(r"(make|just|task|rake|invoke|inv|tox|nox|honcho|foreman|overmind)\s")
"""what takes names behind it, not arguments for what these start"""
_SHELL = re.compile(r"\b(ba|da|z|k)?sh -\w*c\b")
_AS_STRING = " as a string, since $PORT in a list is not expanded"
_IS_OPTION = re.compile(r"(?<=\s)(--[\w.-]*port[= ]|-[pP][= ]?)\d{2,5}(?![\w.])")


def fix(command: str | tuple[str, ...], program: str, port: int, origin: Origin = NOTHING_KNOWN) -> str:
    """What to do about a program that listens on `port` and not on $PORT: one sentence, where it can be with
    the user's own command, changed in nothing but the port.

    `command`: the service's, as written. `program`: the name of the process that listens; `origin`: how
    it was started.
    """
    words = command if isinstance(command, str) else shlex.join(command)
    if re.search(r"\$\{?PORT\b", words):
        return _ignored(command, port)
    said = _said(words.strip(), program, port, origin)
    is_list = not isinstance(command, str) and "`" in said
    return said + (_AS_STRING if is_list else "")


def named(command: str | tuple[str, ...]) -> list[int]:
    """The ports that a command may have its program use: what looks like one in it, and what a known server
    likes."""
    words = command if isinstance(command, str) else shlex.join(command)
    numbers = map(int, re.findall(r"(?<![\w.$-])\d{2,5}(?![\w.])|(?<=-[pP])\d{2,5}(?![\w.])", words))
    server = recognise(words)
    liked = [server.port] if server and server.port else []
    return list(dict.fromkeys([*(each for each in numbers if each < 65536), *liked]))


def instead(command: str | tuple[str, ...], port: int | None = None, origin: Origin = NOTHING_KNOWN) -> str:
    """What to write so that it uses $PORT and not `port`: "write `…`"; empty where that is not known."""
    words = (command if isinstance(command, str) else shlex.join(command)).strip()
    if re.search(r"\$\{?PORT\b", words):
        return ""
    server = recognise(words, origin.words, origin.script)
    changed = _replaced(words, port) if port else ""
    told = f"write `{changed}`" if changed else _told(words, server, port or 0, origin) if server else ""
    return told + (_AS_STRING if told and not isinstance(command, str) else "")


def _ignored(command: str | tuple[str, ...], port: int) -> str:
    """What is said where the command names $PORT already."""
    if isinstance(command, str):
        return f"it listens on {port}, although its command contains $PORT: check where $PORT goes"
    return (
        "the command contains $PORT, but the program does not use it: "
        "write `command` as a string, since $PORT in a list is not expanded"
    )


def recognise(*texts: str) -> Server | None:
    """The server that a command starts, or that a program is; None when it is none of those known here. What
    comes first counts most."""
    for text in texts:
        for server in SERVERS:
            if text and re.search(rf"{_WORD}(?:{server.words}){_ENDS}", text):
                return server
    return None


def with_port(command: str, server: Server) -> str:
    """A command that starts this server, perhaps by a script of package.json, with the port handed over."""
    if server.first:
        return _inserted(command, server)
    if not server.option:
        return command if server.variable in ("", "PORT") else f"{server.variable}=$PORT {command}"
    # npm keeps options for itself, but for those behind two hyphens.
    separator = " --" if command.startswith("npm ") and " -- " not in command else ""
    return f"{command}{separator} {server.option}"


def _inserted(command: str, server: Server) -> str:
    """For what takes no options behind its arguments."""
    found = re.search(rf"{_WORD}(?:{server.words}){_ENDS}", command)
    return f"{command[: found.end()]} {server.option}{command[found.end() :]}" if found else command


def _said(command: str, program: str, port: int, origin: Origin) -> str:
    server = recognise(command, origin.words, origin.script, program)
    listens = f"{server.name if server else 'it'} listens on {port}"
    if changed := _replaced(command, port):
        return f"{listens}: write `{changed}`"
    if server and (told := _told(command, server, port, origin)):
        return f"{listens}: {told}"
    if not server and (guess := _usual(program, port)) and (changed := _extended(command, guess)):
        return f"{listens}, as {guess.name} does: if it is {guess.name}, write `{changed}`"
    return f"{listens}: pass $PORT on the command line, or make the program read PORT"


def _told(command: str, server: Server, port: int, origin: Origin) -> str:
    """How a known server is told the port, by the command if its argument reaches it from there."""
    if _is_out_of_reach(command, server, origin):
        return _by_variable(command, server) or _in_the_script(server, port, origin)
    if changed := _extended(command, server) or _by_variable(command, server):
        return f"write `{changed}`" if not changed.startswith("write ") else changed
    return f"start it with `{server.option}`" if server.option.startswith("-") else ""


def _is_out_of_reach(command: str, server: Server, origin: Origin) -> bool:
    """Whether it is started by a script that would not hand an argument on: one of another name than the
    command runs, or in which it is not what comes last."""
    run = _SCRIPT.search(command)
    if not run or not origin.script:
        return False
    last = re.split(r"&&|;", origin.script)[-1].strip()
    is_last = recognise(last) is server and _ALONE.fullmatch(last) and not _IS_OPTION.search(last)
    return run[2] not in (origin.name, "run") or not is_last


def _by_variable(command: str, server: Server) -> str:
    """What sets the server's variable for the last part of the command; empty where it has none."""
    before, last = _parts(command)
    if not server.variable or not last or not _ALONE.fullmatch(last):
        return ""
    return f"write `{before}{server.variable}{'' if '=' in server.variable else '=$PORT'} {last}`"


def _in_the_script(server: Server, port: int, origin: Origin) -> str:
    where = f'in the script "{origin.name}" of package.json' if origin.name else "in package.json"
    changed = _replaced(origin.script, port) or _extended(origin.script, server)
    if changed:
        return f"write `{changed}` {where}"
    return f"start it with `{server.option}` {where}" if server.option else ""


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
    before, last = _parts(command)
    starts_it = (recognise(last) is server or _SCRIPT.fullmatch(last)) and not _HANDS_NOTHING_ON.match(last)
    if not starts_it or not _ALONE.fullmatch(last) or _IS_OPTION.search(last):
        return ""
    if server.variable == "PORT":
        return f"{before}PORT=$PORT {last}"
    changed = with_port(last, server)
    return before + changed if changed != last else ""


def _parts(command: str) -> tuple[str, str]:
    """What comes before the last part of a command, and that part."""
    parts = re.split(r"(.*(?:&&|;)\s*)", command, maxsplit=1)
    return (parts[1], parts[2]) if parts[1:] else ("", command)


def _usual(program: str, port: int) -> Server | None:
    """The server that likes this port, and may run as such a program."""
    return next((one for one in SERVERS if one.port == port and re.search(one.programs, program)), None)
