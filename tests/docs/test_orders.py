"""The examples of docs/orders.md run, from the first block to the last."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "orders.md"


def test_page() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 1
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
