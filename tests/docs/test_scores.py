"""The example of docs/scores.md runs on a small model, and the page names every column that a file of scores has."""

import re
from pathlib import Path

import pytest

from quasistatic.data import Dataset
from quasistatic.model import Model

PAGE = (Path(__file__).parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")


def test_page(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})


def test_every_column_is_explained(model: Model, digits: Dataset) -> None:
    few = digits.select(digits.labels.new_tensor([0, 1]))
    found = model.rank(few, steps=6, max_draws=8, typical=few)
    named = re.findall(r"^\| `([a-z_]+)`", PAGE, re.MULTILINE)
    assert set(found.columns) <= set(named)
