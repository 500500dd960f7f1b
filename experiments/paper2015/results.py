"""Write docs/results.md from the JSON of the full runs: python experiments/paper2015/results.py docs/paper2015"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEAD = """# Results beside the 2015 paper's

Written by `experiments/paper2015/results.py` from the JSON in `docs/paper2015/`; not by hand. Every row comes from
`quasistatic reproduce NAME`. Log-likelihoods are in bits, higher is better, as in the paper's table 1; gain is
K − L_null.

- **best** is the most that any model of that class can reach, summed exactly or by quadrature;
- **limit** is minus the entropy of the data, which no model passes;
- **±** is one standard error. A row whose error is 0 is computed, not estimated.

Rows without a number were not measured; the note says why.
"""


def number(value: float | None, error: float | None = None) -> str:
    """A number with as many digits as its error allows."""
    if value is None:
        return ""
    return (
        f"{value:.3f}" if not error else f"{value:.4f} ± {error:.4f}" if error < 0.001 else f"{value:.3f} ± {error:.3f}"
    )


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    gain = None if row["null"] is None or row["value"] is None else row["value"] - row["null"]
    met = ""
    if row["goal"] is not None and row["value"] is not None:
        met = f"{row['goal']:g}: {'reached' if row['value'] >= row['goal'] else 'not reached'}"
    cells = (
        row["what"],
        row["unit"],
        number(row["paper"]),
        number(row["value"], row["standard_error"]) or "not measured",
        number(row["best"]),
        number(row["limit"]),
        number(row["paper_gain"]),
        number(gain),
        met,
        row["note"],
    )
    return "| " + " | ".join(cells) + " |"


def page(folder: Path) -> str:
    """The whole document, from every full run in ``folder``."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        if found["form"] != "full":
            continue
        parts.append(f"\n## {found['name']}\n\nFull form, {found['seconds']} s.\n")
        parts.append("| | unit | paper | ours | best | limit | paper's gain | our gain | goal | note |")
        parts.append("|---|---|---|---|---|---|---|---|---|---|")
        parts += [line(row) for row in found["rows"]]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "results.md").write_text(page(Path(sys.argv[1])))
