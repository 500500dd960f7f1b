"""How the cost of a table grows with its rows and its columns.

    python benchmarks/table_scaling.py --json docs/measured/table_scaling.json

Rows have four hidden normal factors; three columns of four are numbers, one has five categories. Each size is measured
with the recipe's network, after a warm-up, on two threads: a training step, a thousand drawn rows, a thousand scored
rows (bound, one draw). Only ratios between sizes of one run are told: the exponent of a power law through them.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import torch

from machine import keep
from quasistatic.config import Specification
from quasistatic.data import Dataset
from quasistatic.data.contents import DataOptions
from quasistatic.data.table.read import table_of
from quasistatic.recipes import recipe
from quasistatic.training.duration import with_steps
from quasistatic.training.loop import Training

COLUMNS = (12, 25, 50, 100, 200)
ROWS = (2_000, 8_000, 32_000)
FIXED = (4_000, 25)
"""Rows while columns grow, and columns while rows grow."""

STEPS = 12
DRAWN = 1000


def made(rows: int, columns: int) -> Dataset:
    """Return a table of four factors."""
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(rows, 4))
    values = factors @ generator.normal(size=(4, columns)) + generator.normal(size=(rows, columns))
    cells = {}
    for place, column in enumerate(values.T):
        levels = np.searchsorted(np.quantile(column, [0.2, 0.4, 0.6, 0.8]), column)
        cells[f"c{place}"] = column.round(4) if place % 4 else np.array(list("abcde"))[levels]
    return table_of("made", pyarrow.table(cells)).dataset(DataOptions())


def measured(rows: int, columns: int) -> dict[str, float]:
    """Return seconds of reading, of a training step, of a thousand drawn rows and of as many scored ones."""
    began = time.perf_counter()
    dataset = made(rows, columns)
    found = {"rows": rows, "columns": columns, "read": time.perf_counter() - began}
    config = with_steps(recipe("table", dataset, "made"), STEPS)
    training = Training(
        replace(config, training=replace(config.training, held_out_every=1e9)), Specification.of(dataset)
    )
    ends = [time.perf_counter() for _ in training.run(dataset, every=0.0)]
    found["step"] = float(np.median(np.diff(ends)))
    model = training.model
    model.sample(64, seed=0)
    for name, work in (("sample", lambda: model.sample(DRAWN, seed=0)), ("score", lambda: scored(model, dataset))):
        began = time.perf_counter()
        work()
        found[name] = time.perf_counter() - began
    return found


def scored(model, dataset: Dataset) -> None:
    """Score a thousand rows, with one draw each."""
    model.evaluate(dataset.select(torch.arange(DRAWN)), draws=1, seed=0)


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Return the slope of log seconds against log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(2)
    wide = [measured(FIXED[0], columns) for columns in COLUMNS]
    long = [measured(rows, FIXED[1]) for rows in ROWS]
    growth = {}
    for name in ("read", "step", "sample", "score"):
        growth[name] = {
            "columns": exponent([one["columns"] for one in wide], [one[name] for one in wide]),
            "rows": exponent([one["rows"] for one in long], [one[name] for one in long]),
        }
    for one in (*wide, *long):
        print("  ".join(f"{key} {value:.3g}" for key, value in one.items()))
    for name, own in growth.items():
        print(f"{name}: columns^{own['columns']:.2f}, rows^{own['rows']:.2f}")
    keep({"columns": wide, "rows": long, "exponents": growth}, given.json)


if __name__ == "__main__":
    main()
