"""tools/messages.py shows what the program says to people, and finds the words that it should not use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = "src/locald/domain/explain/because.py"
PART = "dashboard/src/views/Gone.svelte"
SCRIPT = "dashboard/src/facts/notices.ts"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "messages.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def planted(folder: Path, file: str, text: str) -> int:
    """A copy of one source file with this text at its end; the line on which the text begins."""
    copy = folder / file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / file, copy)
    before = copy.read_text().rstrip("\n") + "\n"
    copy.write_text(before + text)
    return before.count("\n") + 1


def shown(folder: Path, file: str) -> dict[int, list[str]]:
    """What is shown of a file, by lines."""
    found: dict[int, list[str]] = {}
    part = run(folder).stdout.partition(f"\n{file}\n")[2].partition("\n\n")[0]
    for line in part.splitlines():
        number, _, text = line.strip().partition("  ")
        found.setdefault(int(number), []).append(text)
    return found


def test_a_sentence_is_shown_with_its_file_and_line_and_names_for_what_is_filled_in() -> None:
    file = "src/locald/domain/lifecycle/evaluation.py"
    lines = (ROOT / file).read_text().splitlines()
    at = next(number for number, line in enumerate(lines, 1) if "not listening on port {port} yet" in line)
    assert "not listening on port {port} yet" in shown(ROOT, file)[at]


@pytest.mark.parametrize(
    ("file", "text", "sentence", "word", "better"),
    [
        (
            MODULE,
            "\n\ndef f(x):\n    return f'{x} was told to stop'\n",
            "{x} was told to stop",
            "told to stop",
            "user",
        ),
        (MODULE, "\n\nNEW = 'what is ' + 'in the way'\n", "in the way", "in the way", "blocking"),
        (
            MODULE,
            '\n\ndef f(x):\n    return f\'db {"is" if x else "was"} held by a stranger\'\n',
            "db {is|was} held by a stranger",
            "stranger",
            "outside the service",
        ),
        (
            PART,
            "\n<p>\n  The page,\n  made {name} anew.\n</p>\n",
            "The page, made {name} anew.",
            "anew",
            "again",
        ),
        (PART, '\n<p title="mend it">{x}</p>\n', "mend it", "mend", "fix"),
        (SCRIPT, "\nconst told = `${x} is in the way`;\n", "{x} is in the way", "in the way", "blocking"),
    ],
)
def test_a_planted_sentence_is_shown_and_its_banned_word_is_named(
    tmp_path: Path, file: str, text: str, sentence: str, word: str, better: str
) -> None:
    first = planted(tmp_path, file, text)

    at = [line for line, texts in shown(tmp_path, file).items() if sentence in texts]
    assert len(at) == 1
    assert at[0] >= first

    checked = run("--check", tmp_path)
    assert checked.returncode == 1
    found = [line for line in checked.stderr.splitlines() if line.startswith(f"{file}:{at[0]}: ")]
    assert any(f'"{word}"' in line and better in line for line in found)


@pytest.mark.parametrize(
    "text",
    [
        '\n\ndef f():\n    """Whoever is in the way was told to stop."""\n',
        "\n\nNEW = 1\n'''What is in the way was told to stop.'''\n",
        "\n\nNEW = 1  # what is in the way was told to stop\n",
        "\n\nNEW = re.compile(r'in the way|told to stop')\n",
        "\n\nassert NEW, 'what is in the way was told to stop'\n",
        "\n\nNEW = f'{in_the_way} {mend} {wanted}'\n",
    ],
)
def test_what_nobody_reads_is_not_shown_and_may_say_what_it_likes(tmp_path: Path, text: str) -> None:
    first = planted(tmp_path, MODULE, text)

    assert max(shown(tmp_path, MODULE)) < first
    assert (run("--check", tmp_path).returncode, run("--check", tmp_path).stderr) == (0, "")


def test_the_sources_use_no_banned_word() -> None:
    checked = run("--check")
    assert (checked.returncode, checked.stderr) == (0, "")
