"""Python: FastAPI, Flask, Django and Streamlit, started as their own tools start them.

The command is one that serves: a server is given the application that was found in the sources, and the
port. Where no application is found, no service is made up. What runs Python is what the project uses: uv,
poetry, pdm, pipenv, or its own `.venv`.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from locald.domain.intake.plan import Plan, Planned, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.intake.plan import Folder

SIGNS = ("pyproject.toml", "requirements.txt", "manage.py", "Pipfile", "uv.lock")

_RUNNERS = (
    ("uv.lock", "uv run "),
    ("poetry.lock", "poetry run "),
    ("pdm.lock", "pdm run "),
    ("Pipfile.lock", "pipenv run "),
)
_USUAL = ("main", "app", "server", "api", "asgi", "wsgi", "application", "run", "__init__", "streamlit_app")
_APP = re.compile(
    r"^(?P<name>\w+)\s*(?::[^=\n]*)?=\s*(?:\w+\.)?(?P<kind>FastAPI|Starlette|Litestar|Flask|Quart|FastHTML)\(",
    re.MULTILINE,
)
_FACTORY = re.compile(r"^def (?P<name>create_app|make_app)\(", re.MULTILINE)
_SERVES = re.compile(
    r"serve_forever\(|HTTPServer\(|web\.run_app\(|uvicorn\.run\(|\.run\(.*port|socketserver\."
)


class App(NamedTuple):
    """An application in the sources."""

    kind: str
    module: str
    name: str
    folder: str
    """from where the module is imported"""
    file: str


def read(folder: Folder, here: str = ".") -> Plan:
    """The service of a Python project; none where nothing is found that serves."""
    names = folder.names(here)
    report = Report(next((_within(here, each) for each in SIGNS if each in names), ""))
    run = _runner(folder, here)
    found = (
        _django(folder, here, run)
        or _application(folder, here, run, report)
        or _plain(folder, here, run, report)
    )
    services = (found,) if found else ()
    return Plan((report.source,) if found else (), services, report.remarks if found else ())


def _within(here: str, file: str) -> str:
    return posixpath.normpath(posixpath.join(here, file))


def _runner(folder: Folder, here: str) -> str:
    """What stands before a program of the project's environment."""
    names = folder.names(here)
    if runner := next((run for lock, run in _RUNNERS if lock in names), ""):
        return runner
    if "python" in folder.names(posixpath.join(here, ".venv/bin")):
        return ".venv/bin/"
    return ""


def _python(run: str) -> str:
    return f"{run}python" if run else "python3"


def _django(folder: Folder, here: str, run: str) -> Planned | None:
    if "manage.py" not in folder.names(here):
        return None
    return _planned(here, f"{_python(run)} manage.py runserver $PORT", "There is manage.py.")


def _planned(here: str, command: str, about: str) -> Planned:
    keys: dict[str, object] = {"command": command}
    return Planned("web", keys | ({"workdir": here} if here != "." else {}), about=about)


def _application(folder: Folder, here: str, run: str, report: Report) -> Planned | None:
    app = next(_apps(folder, here), None)
    if app is None:
        return _streamlit(folder, here, run, report)
    report.source = report.source or app.file
    report.guessed("web", "command", f"{app.kind} is in {app.file}")
    return _planned(here, run + _command(app, folder, here), "")


def _command(app: App, folder: Folder, here: str) -> str:
    if app.kind in ("Flask", "Quart"):
        tool = app.kind.lower()
        module = (
            f"{app.folder}.{app.module}".lstrip(".").replace("/", ".") if app.folder != "." else app.module
        )
        module = (
            posixpath.join(app.folder, f"{app.module}.py")
            if app.folder != "." and "." not in app.module
            else module
        )
        name = "" if app.name in ("app", "application", "create_app", "make_app") else f":{app.name}"
        return f"{tool} --app {module}{name} run --port $PORT"
    if app.kind == "Litestar":
        return f"litestar --app {app.module}:{app.name} run --port $PORT"
    place = f" --app-dir {app.folder}" if app.folder != "." else ""
    if (
        app.kind == "FastAPI"
        and "fastapi[" in _requirements(folder, here)
        and "uvicorn" not in _requirements(folder, here)
    ):
        return f"fastapi dev {app.file} --port $PORT"
    return f"uvicorn {app.module}:{app.name}{place} --reload --port $PORT"


def _apps(folder: Folder, here: str) -> Iterator[App]:
    """Applications, the likeliest first."""
    for place in _places(folder, here):
        for stem in _USUAL:
            file = posixpath.normpath(posixpath.join(here, place, f"{stem}.py"))
            text = folder.text(file) or ""
            found = _APP.search(text)
            if not found and (factory := _FACTORY.search(text)) and "Flask(" in text:
                yield _app("Flask", factory["name"], place, stem, file)
            if found:
                yield _app(found["kind"], found["name"], place, stem, file)


def _app(kind: str, name: str, place: str, stem: str, file: str) -> App:
    """A package is imported from the folder around it."""
    around, package = (
        ("src", place[4:]) if place.startswith("src/") else (".", "" if place in (".", "src") else place)
    )
    around = "src" if place == "src" else around
    module = ".".join(filter(None, [package.replace("/", "."), "" if stem == "__init__" else stem]))
    return App(kind, module, name, around, file)


def _places(folder: Folder, here: str) -> Iterator[str]:
    """Where an application may be: the folder, its packages, those in `src`."""
    yield "."
    names = folder.names(here)
    likely: list[str] = [each for each in ("app", "api", "backend", "server", "src") if each in names]
    if "src" in names:
        likely += [f"src/{each}" for each in folder.names(posixpath.join(here, "src"))]
    project = re.sub(r"[-.]+", "_", str(_project(folder, here).get("name", "")))
    yield from likely
    if project in names and project not in likely:
        yield project


def _streamlit(folder: Folder, here: str, run: str, report: Report) -> Planned | None:
    for stem in ("streamlit_app", "app", "main"):
        file = _within(here, f"{stem}.py")
        if re.search(r"^(import|from) streamlit\b", folder.text(file) or "", re.MULTILINE):
            report.source = report.source or file
            command = f"{run}streamlit run {stem}.py --server.port $PORT --server.headless true"
            return _planned(here, command, f"{stem}.py imports streamlit.")
    return None


def _plain(folder: Folder, here: str, run: str, report: Report) -> Planned | None:
    """A program that serves by itself."""
    for stem in ("main", "app", "server"):
        file = _within(here, f"{stem}.py")
        if _SERVES.search(folder.text(file) or ""):
            report.source = report.source or file
            return _planned(here, f"{_python(run)} {stem}.py", f"There is {stem}.py, which serves.")
    return None


def _project(folder: Folder, here: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(folder.text(posixpath.normpath(posixpath.join(here, "pyproject.toml"))) or "")
        project = table.get("project", {})
    except (ValueError, RecursionError, AttributeError):
        return {}
    return project if isinstance(project, dict) else {}


def _requirements(folder: Folder, here: str) -> str:
    """What the project needs, as text: it is only searched for words."""
    names = ("pyproject.toml", "requirements.txt", "Pipfile")
    return "\n".join(folder.text(posixpath.normpath(posixpath.join(here, each))) or "" for each in names)
