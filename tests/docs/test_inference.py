"""The examples of docs/inference.md run, from the first block to the last."""

import re
from pathlib import Path
from typing import Any

import pytest

from quasistatic.model import Model

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
def test_page(model: Model) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, Any] = {"model": model}
    for block in blocks:
        exec(block, names)
