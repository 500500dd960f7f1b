"""The example of docs/judging.md runs, and real digits are found to be as sure as others and no copies."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "judging.md"


def test_page() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    judge, copies = names["found"].judge, names["found"].copies
    assert judge.learned_from == 1297
    assert abs(judge.sure.samples.value - judge.sure.real.value) < 4 * judge.sure.samples.standard_error
    assert abs(copies.nearer_to_training.samples.value - 0.5) < 4 * copies.nearer_to_training.samples.standard_error
