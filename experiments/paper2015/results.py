"""Write docs/results.md from the JSON of full forms in docs/paper2015, or in the folder that is named."""

import json
import math
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ORDER = (
    *("swiss_roll", "heartbeat", "dead_leaves", "mnist", "cifar10", "texture"),
    *("inpainting", "denoising", "diffusion_rate", "entropy_bounds", "primer"),
)
HEAD = """# Results compared with the 2015 paper

`experiments/paper2015/results.py` writes this page from the JSON in `docs/paper2015/`; do not edit it by hand. Each
section is the result of `quasistatic reproduce NAME`. Log-likelihoods are in bits; higher is better, as in the
paper's table 1.

- **gain**: K − L_null, the improvement over the process's own prior;
- **best**: the most that any model of that class can reach, summed exactly or by quadrature;
- **limit**: minus the entropy of the data, which no model exceeds;
- **±**: one standard error; a number without one is computed, not estimated;
- **goal**: the target that was set before the run.
"""
COLUMNS = ("", "unit", "paper", "ours", "best", "limit", "paper's gain", "our gain", "goal", "note")


def number(value: float | None, error: float | None = None) -> str:
    """A number with the digits that its error allows, or four after the point."""
    if value is None:
        return ""
    if not error:
        return f"{value:.4f}"
    digits = min(4, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def cells(row: dict[str, Any]) -> list[str]:
    """One row of a table."""
    goal = "" if row["goal"] is None else f"{row['goal']:g}: {'reached' if row['value'] >= row['goal'] else 'missed'}"
    return [
        row["what"],
        row["unit"],
        "" if row["paper"] is None else f"{row['paper']:g}",
        number(row["value"], row["standard_error"]),
        number(row["best"]),
        number(row["limit"]),
        "" if row["paper_gain"] is None else f"{row['paper_gain']:g}",
        "" if row["null"] is None else number(row["value"] - row["null"], row["standard_error"]),
        goal,
        row["note"],
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows, without the columns that none of them fills."""
    lines = [cells(row) for row in rows]
    kept = [place for place in range(len(COLUMNS)) if place == 0 or any(line[place] for line in lines)]
    shown = [list(COLUMNS), ["---"] * len(COLUMNS), *lines]
    return ["| " + " | ".join(line[place] for place in kept) + " |" for line in shown]


def section(found: dict[str, Any], folder: Path) -> list[str]:
    """What one experiment left."""
    runs = [f"{name}: {run['steps']:,} steps in {run['seconds']:,} s" for name, run in found["learned"].items()]
    learned = f" Learned: {'; '.join(runs)} (a shared processor core)." if runs else ""
    took = f"{found['processor_seconds']:,} s of processor time, excluding earlier training." if runs else ""
    picture = folder / f"{found['name']}.png"
    shown = [f"\n![{found['name']}]({folder.name}/{picture.name})"] if picture.exists() else []
    title = f"\n## {found['name']}\n\n`quasistatic reproduce {found['name']}`.{learned} {took}".rstrip()
    return [title + "\n", *table(found["rows"]), *shown]


def page(folder: Path) -> str:
    """The whole document, from every full form in ``folder``."""
    parts, missing = [HEAD], []
    for name in ORDER:
        path = folder / f"{name}.json"
        found = json.loads(path.read_text("utf-8")) if path.exists() else {"form": None}
        if found["form"] == "full":
            parts += section(found, folder)
        else:
            missing.append(name)
    if missing:
        parts.append(f"\n## Not run in full form\n\n{', '.join(missing)}: no numbers yet.")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "paper2015"
    (ROOT / "docs" / "results.md").write_text(page(place), "utf-8")
