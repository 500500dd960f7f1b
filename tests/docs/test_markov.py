"""The examples run: docstrings of the package, and docs/markov.md from its first block to its last."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import quasistatic.markov

PAGE = Path(__file__).parents[2] / "docs" / "markov.md"


@pytest.mark.parametrize("module", [part.name for part in pkgutil.iter_modules(quasistatic.markov.__path__)])
def test_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"quasistatic.markov.{module}"))
    assert result.failed == 0
    assert result.attempted > 0 or module not in ("chain", "rates", "inhomogeneous")


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    table = re.search(r"```csv\n(.*?)```", page, re.DOTALL)
    assert table is not None
    Path("weather.csv").write_text(table[1], encoding="utf-8")
    blocks = re.findall(r"```pycon\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 8
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "markov.md", str(PAGE), 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.failed == 0
    assert Path("weather.png").stat().st_size > 0
