"""The examples of docs/extending.md run, in one program."""

import re
from pathlib import Path
from typing import Any

from quasistatic.config import SCHEDULES

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def test_page() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in blocks:
            exec(block, names)
    finally:
        SCHEDULES.pop("power", None)
