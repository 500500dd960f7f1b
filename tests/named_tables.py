"""Tables of named columns in memory, for tests of the judge of tables."""

from typing import Any

import numpy as np
import pyarrow

from quasistatic.data import DataOptions, Dataset
from quasistatic.data.table.read import table_of


def named(name: str = "real.csv", **columns: Any) -> Dataset:
    """A table of numbers (NaN is an empty cell), whole numbers, texts or booleans."""
    arrays = {key: pyarrow.array(values, from_pandas=True) for key, values in columns.items()}
    return table_of(name, pyarrow.table(arrays)).dataset(DataOptions())


def mixed(rows: int, seed: int, name: str = "real.csv") -> Dataset:
    """Numbers that depend on one another and on a category, with empty cells."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=rows)
    y = np.where(draws.random(rows) < 0.1, np.nan, 0.8 * x + 0.6 * draws.normal(size=rows))
    kind = np.where(x + draws.normal(size=rows) > 0, "high", "low")
    count = draws.poisson(3, rows)
    return named(name, x=x, y=y, kind=kind.tolist(), count=count)
