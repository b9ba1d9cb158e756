"""Projects that are known by a file: Rails, Laravel, Hugo …, and the programs of Rust and Go that serve.

A program of Rust or Go is a service only if its sources say that it serves; of any other the report says
that it was seen and is not a service.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import TYPE_CHECKING, Any

from locald.domain.intake.plan import Plan, Planned, Report, named

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

SIGNS = (
    ("artisan", "php artisan serve --port=$PORT"),
    ("bin/rails", "bin/rails server -p $PORT"),
    ("config.ru", "rackup -p $PORT"),
    ("hugo.toml", "hugo server --port $PORT"),
    ("mkdocs.yml", "mkdocs serve -a 127.0.0.1:$PORT"),
    ("_config.yml", "jekyll serve --port $PORT"),
)
"""a file that tells what the project is, and how such a project is started; of several the first counts"""

_RUST = re.compile(
    r"\b(axum|actix[-_]web|rocket|warp|tide|hyper|poem|salvo|tonic|tiny_http|ntex|gotham|trillium)\b"
    r"|TcpListener::bind"
)
_GO = re.compile(
    r"ListenAndServe|net\.Listen\(|gin\.(Default|New)\(|echo\.New\(|fiber\.New\(|chi\.NewRouter|grpc\.NewServer|http\.Serve\("
)
_JS = re.compile(r"\.listen\(|createServer\(|Bun\.serve|Deno\.serve")


def read(folder: Folder) -> Plan:
    """The services; none where no such file is found."""
    for file, command in SIGNS:
        path, _, name = file.rpartition("/")
        if name in folder.names(path or "."):
            return Plan((file,), (Planned("web", {"command": command}, about=f"There is {file}."),))
    for reader in (_cargo, _go, _script, _pages):
        if (plan := reader(folder)).services or plan.remarks:
            return plan
    return Plan()


def _script(folder: Folder) -> Plan:
    text = folder.text("server.js") or ""
    if not _JS.search(text):
        return Plan()
    return Plan(("server.js",), (Planned("web", {"command": "node server.js"}, about="There is server.js."),))


def _pages(folder: Folder) -> Plan:
    """A page of its own is what is to be served."""
    if "index.html" not in folder.names():
        return Plan()
    command = "python3 -m http.server $PORT --bind 127.0.0.1"
    return Plan(
        ("index.html",), (Planned("web", {"command": command}, about="Serves the pages in this folder."),)
    )


def _cargo(folder: Folder) -> Plan:
    top = _toml(folder.text("Cargo.toml"))
    report = Report("Cargo.toml")
    members = top.get("workspace", {}).get("members", []) if isinstance(top.get("workspace"), dict) else []
    found = [
        (".", top),
        *((path, _toml(folder.text(f"{path}/Cargo.toml"))) for path in _members(folder, members)),
    ]
    mains = [
        (path, table)
        for path, table in found
        if _has_main(folder, path) and isinstance(table.get("package"), dict)
    ]
    serving = [(path, table) for path, table in mains if _serves(folder, path, table)]
    for path, table in mains:
        if (path, table) not in serving:
            because = "nothing in it says that it serves: add it as a service if it does"
            report.left("", str(table["package"].get("name", path)), because)
    names = named([str(table["package"].get("name", path)) for path, table in serving], report)
    services = tuple(
        Planned(label, {"command": "cargo run" if path == "." else f"cargo run -p {name}"})
        for (name, label), (path, _) in zip(names.items(), serving, strict=True)
        if re.fullmatch(r"[\w-]+", name)
    )
    return _one(Plan(("Cargo.toml",) if services else (), services, report.remarks))


def _members(folder: Folder, patterns: Any) -> list[str]:
    found: list[str] = []
    for pattern in patterns if isinstance(patterns, list) else ():
        base, _, last = str(pattern).rstrip("/").rpartition("/")
        names = folder.names(base or ".") if "*" in last else (last,)
        matching = [each for each in names if re.fullmatch(re.escape(last).replace(r"\*", ".*"), each)]
        found += [posixpath.normpath(posixpath.join(base, each)) for each in matching]
    return found


def _has_main(folder: Folder, path: str) -> bool:
    return "main.rs" in folder.names(posixpath.join(path, "src"))


def _serves(folder: Folder, path: str, table: dict[str, Any]) -> bool:
    needs = table.get("dependencies")
    main = folder.text(posixpath.normpath(posixpath.join(path, "src/main.rs"))) or ""
    return bool(_RUST.search(" ".join(needs) if isinstance(needs, dict) else "") or _RUST.search(main))


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (ValueError, RecursionError):
        return {}


def _one(plan: Plan) -> Plan:
    """A single service is called web."""
    if len(plan.services) != 1:
        return plan
    only = plan.services[0]
    return Plan(plan.sources, (Planned("web", only.keys, about=f'Runs "{only.name}".'),), plan.remarks)


def _go(folder: Folder) -> Plan:
    if folder.text("go.mod") is None:
        return Plan()
    report = Report("go.mod")
    mains = {f"./cmd/{name}": name for name in folder.names("cmd")}
    mains = {".": "main", **mains}
    found: dict[str, str] = {}
    for path, name in mains.items():
        files = [
            each for each in folder.names(path) if each.endswith(".go") and not each.endswith("_test.go")
        ]
        text = "\n".join(
            folder.text(posixpath.normpath(posixpath.join(path, each))) or "" for each in files[:20]
        )
        if not re.search(r"^package main\b", text, re.MULTILINE):
            continue
        if _GO.search(text) or (path == "." and len(files) and _GO.search(text)):
            found[name] = path
        else:
            report.left("", path, "nothing in it says that it serves: add it as a service if it does")
    names = named(found, report)
    services = tuple(Planned(names[name], {"command": f"go run {path}"}) for name, path in found.items())
    return _one(Plan(("go.mod",) if services else (), services, report.remarks))
