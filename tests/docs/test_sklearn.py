"""The code of docs/sklearn.md runs."""

import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sklearn.md").read_text()


@pytest.mark.slow
def test_every_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL):
        quick = block.replace("steps=50", "steps=3")
        assert quick != block
        exec(compile(quick, "sklearn.md", "exec"), names)
    assert names["people"].isna().any().any()
    assert not names["filled"].isna().any().any()
    assert len(names["several"]) == 3
    assert re.search(r"\[-?1\]", capsys.readouterr().out)
