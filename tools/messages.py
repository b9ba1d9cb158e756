"""Show every sentence that the program makes for people, from the places where it is made.

python tools/messages.py               print all of them: by file, with line numbers, top to bottom
python tools/messages.py --check       only look for banned words (exit code 1 where there are any)
python tools/messages.py FOLDER        either of these for another copy of the sources

Python is read as a syntax tree, the page's Svelte and TypeScript as text. A string is for people when two
words stand in it, next to each other. These are not: docstrings, regular expressions, the words of `assert`
and of exceptions for programmers, HTTP, HTML, style sheets, styles of a terminal. A placeholder is shown as
`{name}`, a choice between two texts as `{this|that}`.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

SPEAKING = ("src/locald", "dashboard/src")

BETTER = {
    r"in the way": "blocking",
    r"mend(s|ed|ing)?": "fix",
    r"remed(y|ies)": "fix",
    r"whoever": "name who it is",
    r"anew": "again",
    r"told to (stop|end)": "stopped by user",
    r"what is left of": "remaining processes",
    r"is being (started|ended)": "starting, stopping",
    r"gave up": "crash loop: … (max_restarts)",
    r"look(s|ed)? (at|after|it over)": "check, manage, review",
    r"is held by": "is already in use by",
    r"strangers?": "a process outside the service",
    r"heard|hears?": "observed",
    r"verdicts?": "result",
    r"wish(es)?": "desired state",
    r"wanted": "requested",
    r"in all": "total",
    r"usually": "median",
    r"(ever|never) ready": "before becoming ready",
    r"make it so": "apply",
    r"argparse": "usage",
    r"any more": "no longer",
    r"is alive": "process running",
    r"exited with (?!code\b)[0-9{]": "exited with code N",
    r"ended by SIG\w+": "killed by SIGNAL",
    r"waits for": "waiting for",
    r"nobody|somebody": "name who it is",
    r"answered HTTP": "returned",
    r"for locald to set": "is set by locald",
    r"is none of": "unsupported",
    r"the program's own word": "sd_notify",
    r"brings? it up": "start it with `locald up`",
    r"has no service": "no such service",
    r"needed by": "required by",
    r"not there yet": "blocking",
    r"stands? as": "status",
    r"further back": "older",
    r"what is known": "details",
    r"can move": "has settled",
}
"""banned words, and what is said instead"""

_BANNED = [
    (re.compile(rf"(?<![\w-]){word}(?![\w-])", re.IGNORECASE), better) for word, better in BETTER.items()
]
_WORD = re.compile(r"[A-Za-z]{2,}")
_TWO_WORDS = re.compile(r"(?:[A-Za-z]{2,}|\})[,.:;)'\"`]* [(\"'`]*(?:[A-Za-z]{2,}|\{)")
_PLACEHOLDER = re.compile(r"\{[^{}|]*\}")
_FOR_MACHINES = re.compile(
    r"^(?:bold|dim|black|bright|reverse)\b(?: [\w{}]+)*$"  # styles of a terminal
    r"|\r\n|; max-age|, max-age|-src '|-uri '|<[!a-z]+ "  # HTTP, HTML
    r"|[\w-]+: [^;{}]+; [\w-]+:|^rgb\(|^\(prefers-"  # style sheets
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text for people, and where it is made. `file` is relative to the folder of the sources."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.line:>5}  {' '.join(self.text.split())}"


def is_for_people(text: str) -> bool:
    """Two words next to each other, of which a placeholder may be one."""
    bare = _PLACEHOLDER.sub("", text)
    return bool(_TWO_WORDS.search(text) and _WORD.search(bare)) and not _FOR_MACHINES.search(text)


# Python.

_SILENT_CALLS = re.compile(
    r"re\.\w+|regex\.\w+|(Attribute|Assertion|Type|NotImplemented)Error|Struct|getLogger"
)
"""calls whose texts nobody reads"""


class _Reader(ast.NodeVisitor):
    """Collects the texts of one module."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a string that stands alone is a docstring
            self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)

    def visit_Call(self, node: ast.Call) -> None:
        if not _SILENT_CALLS.fullmatch(ast.unparse(node.func)):
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append((node.lineno, node.value))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.found.append((node.lineno, _told(node)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and not isinstance(part.value, ast.IfExp):
                self.visit(part.value)


def _told(node: ast.expr) -> str:
    """A text with names for what is filled in."""
    match node:
        case ast.Constant(value):
            return str(value)
        case ast.JoinedStr(values):
            return "".join(map(_told, values))
        case ast.FormattedValue(ast.IfExp(_, first, second)):
            return f"{{{_told(first)}|{_told(second)}}}"
        case ast.FormattedValue(value):
            return f"{{{_told(value)}}}"
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case ast.Call(func):
            return _told(func)
        case _:
            return "…"


def of_python(source: str) -> list[tuple[int, str]]:
    """The texts of a Python module with their lines."""
    reader = _Reader()
    reader.visit(ast.parse(source))
    return sorted(reader.found, key=lambda each: each[0])


# The page.

_SKIPPED = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_SCRIPT = re.compile(r"<script\b[^>]*>(?P<body>.*?)</script>", re.DOTALL)
_BRACES = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_TAG = rf"</?[A-Za-z](?:{_BRACES}|\"[^\"]*\"|[^>\"{{])*>"
_MARKUP = re.compile(rf"(?P<tag>{_TAG}|\{{[#/:@](?:[^{{}}]|{_BRACES})*\}})|(?P<text>(?:{_BRACES}|[^<{{])+)")
_FILLED_IN = re.compile(_BRACES)
_SPOKEN = re.compile(r"\b(?:aria-label|title|placeholder|alt|label|text)=\"(?P<text>[^\"]*)\"")
_STRING = re.compile(
    r"//[^\n]*|/\*.*?\*/|(?<=[(=,:&|] )/(?:\\.|[^/\n])+/|(?<=\()/(?:\\.|[^/\n])+/"  # comments, expressions
    r"|(?P<mark>['\"])(?P<plain>(?:\\.|(?!(?P=mark))[^\\\n])*)(?P=mark)|`(?P<template>(?:\\.|[^`\\])*)`",
    re.DOTALL,
)


def of_typescript(source: str) -> list[tuple[int, str]]:
    """The strings of a script with their lines; comments and regular expressions are passed over."""
    return [
        (_line(source, match.start()), (match["plain"] or match["template"]).replace("${", "{"))
        for match in _STRING.finditer(source)
        if match["plain"] or match["template"]
    ]


def of_svelte(source: str) -> list[tuple[int, str]]:
    """The strings of a component's scripts, and the text and the spoken attributes of its markup."""
    found = []
    for script in _SCRIPT.finditer(source):
        found += _moved(of_typescript(script["body"]), _line(source, script.start("body")))
    markup = _SKIPPED.sub(lambda match: "\n" * match[0].count("\n"), source)
    for piece in _MARKUP.finditer(markup):
        text = piece[0].lstrip()
        line = _line(markup, piece.end() - len(text))
        for braces in _FILLED_IN.finditer(text):
            found += _moved(of_typescript(braces[0]), line + text.count("\n", 0, braces.start()))
        whole = [text] if piece["text"] else [match["text"] for match in _SPOKEN.finditer(text)]
        found += [(line, _FILLED_IN.sub(_name, each)) for each in whole]
    return sorted(set(found), key=lambda each: each[0])


def _name(braces: re.Match[str]) -> str:
    """`{name}` for what is filled in, however it is worked out."""
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|`[^`]*`|\(.*", "", braces[0]))
    return f"{{{words[-1] if words else '…'}}}"


def _line(source: str, at: int) -> int:
    return 1 + source.count("\n", 0, at)


def _moved(found: list[tuple[int, str]], first: int) -> list[tuple[int, str]]:
    return [(first + line - 1, text) for line, text in found]


# All together.

_READERS = {".py": of_python, ".ts": of_typescript, ".svelte": of_svelte}


def sentences(root: Path = ROOT) -> Iterator[Sentence]:
    """All that the sources below a folder say to people, in the order of files and lines."""
    for folder in SPEAKING:
        for path in sorted((root / folder).rglob("*")):
            if reader := _READERS.get(path.suffix):
                file = str(path.relative_to(root))
                texts = reader(path.read_text(encoding="utf-8"))
                yield from (Sentence(file, line, text) for line, text in texts if is_for_people(text))


def banned(sentence: Sentence) -> Iterator[tuple[str, str]]:
    """Each banned word of a sentence, and what is said instead."""
    for pattern, better in _BANNED:
        if found := pattern.search(_PLACEHOLDER.sub("…", sentence.text)):
            yield found[0], better


def main(arguments: list[str]) -> int:
    folders = [each for each in arguments if not each.startswith("--")]
    root = Path(folders[0]) if folders else ROOT
    return _check(root) if "--check" in arguments else _show(root)


def _show(root: Path) -> int:
    file = ""
    for sentence in sentences(root):
        if sentence.file != file:
            file = sentence.file
            print(f"\n{file}")
        print(sentence)
    return 0


def _check(root: Path) -> int:
    found = [
        f'{each.file}:{each.line}: "{word}" is better said: {better}'
        for each in sentences(root)
        for word, better in banned(each)
    ]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
