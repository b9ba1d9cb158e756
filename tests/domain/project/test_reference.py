"""The reference of the file says what the program does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from locald.domain.project import config

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools" / "reference.py"
PAGE = (ROOT / "docs" / "reference" / "file.md").read_text(encoding="utf-8")


def test_the_page_is_what_its_tool_writes() -> None:
    assert runpy.run_path(str(TOOL))["page"]() == PAGE


def examples(head: str, end: str) -> list[str]:
    section = PAGE[PAGE.index(head) : PAGE.index(end)]
    return re.findall(r"- Example: `(.*)`$", section, re.MULTILINE)


@pytest.mark.parametrize("line", examples("## `[services.NAME]`", "## `health_check`"))
def test_every_example_of_a_service_works(line: str) -> None:
    key = line.split(" = ")[0]
    what = 'image = "x"' if key in ("container_port", "volumes") else 'command = "x"'
    own = line if key in ("command", "image") else f"{what}\n{line}"
    others = "".join(f'[services.{name}]\ncommand = "x"\n' for name in ("db", "migrate"))

    spec = config.parse(f'[project]\nname = "shop"\n[services.web]\n{own}\n{others}')

    assert spec.services["web"].name == "web"


@pytest.mark.parametrize("check", ["http", "tcp", "command", "log"])
def test_every_example_of_a_check_works(check: str) -> None:
    end = {"http": "tcp", "tcp": "command", "command": "log", "log": "notify"}[check]
    own = examples(f'### `type = "{check}"`', f'### `type = "{end}"`')
    table = "\n".join([f'type = "{check}"', *own, *examples("### Every check", PAGE[-20:])])

    spec = config.parse(
        f'[project]\nname = "shop"\n[services.web]\ncommand = "x"\n[services.web.health_check]\n{table}'
    )
    assert spec.services["web"].health_check
