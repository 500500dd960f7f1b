"""The conversions of docs/likelihood.md run, from the first block to the last, and its table of offsets is true."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "likelihood.md").read_text(encoding="utf-8")


def test_page() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)


def test_offsets() -> None:
    rows = re.findall(r"^\|.*\| ([0-9.]+) \| ([0-9.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for scale, offset in rows:
        assert float(offset) == pytest.approx(math.log2(float(scale)), abs=5e-5)
