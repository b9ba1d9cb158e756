"""Measured amounts read the same on every face: the page's tests read the same file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from locald.domain.values import amounts

VECTORS = json.loads((Path(__file__).parents[2] / "amounts.json").read_text())


@pytest.mark.parametrize(("seconds", "shown"), VECTORS["length"])
def test_a_length_of_time_keeps_two_or_three_figures(seconds: float, shown: str) -> None:
    assert amounts.length(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), VECTORS["size"])
def test_a_size_is_told_in_decimal_units(count: int, shown: str) -> None:
    assert amounts.size(count) == shown


@pytest.mark.parametrize(("cores", "shown"), VECTORS["percent"])
def test_processor_time_is_told_as_a_share_of_one_core(cores: float, shown: str) -> None:
    assert amounts.percent(cores) == shown


def test_reading_them_costs_a_command_no_regular_expressions() -> None:
    code = "import sys; import locald.domain.values.amounts; sys.exit('re' in sys.modules)"
    assert subprocess.run([sys.executable, "-S", "-c", code], env=_path(), check=False).returncode == 0


def _path() -> dict[str, str]:
    """Where this locald is, for a Python that looks for nothing else."""
    return {"PYTHONPATH": str(Path(amounts.__file__).parents[3])}
