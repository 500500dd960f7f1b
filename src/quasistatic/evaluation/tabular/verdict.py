"""Compares two tables: similarity of columns and pairs, detection, a prediction, copies; each with its error.

    shape        mean similarity of the columns' distributions             `columns`       1 is ideal
    trend        mean similarity of the pairs' dependence                  `pairs`         1
    detection    1 − (2 max(AUC, ½) − 1) of boosted trees                  `trees`         1
    task         a column of real rows, predicted after learning           `task`          as after real rows
    copies       nearer to training rows than to real rows, or equal       `neighbours`    ½, as real rows

Next to samples stand other real rows in their place, which is what a perfect model would score: the training rows, or,
without these, one half of the real rows compared with the other half.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity.estimate import Estimate, grouped
from quasistatic.evaluation.fidelity.options import Tick, ticks
from quasistatic.evaluation.fidelity.verdict import Beside
from quasistatic.evaluation.tabular.columns import column_measure, column_similarities
from quasistatic.evaluation.tabular.neighbours import TableCopies, table_copies
from quasistatic.evaluation.tabular.options import TableOptions
from quasistatic.evaluation.tabular.pairs import pair_measure, pair_places, pair_similarities
from quasistatic.evaluation.tabular.replicates import estimated
from quasistatic.evaluation.tabular.tables import Tables, chosen, matched
from quasistatic.evaluation.tabular.task import Task, check_prediction, task
from quasistatic.evaluation.tabular.trees import detection_score, separation, tree_library
from quasistatic.types import Watch

STAGES = 3
"""Stages of a comparison of two tables: columns, pairs, detection."""


@dataclass(frozen=True)
class ColumnSimilarity:
    """How similar the distribution of a column is in samples and real rows, by a distance named ``measure``."""

    name: str
    measure: str
    similarity: Estimate


@dataclass(frozen=True)
class PairSimilarity:
    """How similar the dependence of two columns is in samples and real rows: correlation or contingency."""

    names: tuple[str, str]
    measure: str
    similarity: Estimate


@dataclass(frozen=True)
class TableFidelity:
    """Measures of how close samples are to real rows of a table; of samples, and of other real rows.

    Attributes:
        shape: mean similarity of columns.
        trend: mean similarity of pairs of columns; None for a table of one column.
        auc: area under the ROC curve of boosted trees that tell samples from real rows.
        detection: 1 − (2 max(AUC, ½) − 1).
        task: the score of a prediction; None without a target.
        copies: whether samples copy the training rows; None without these.
        columns: similarity of each column.
        pairs: similarity of each pair of columns.
        trees: the library of the boosted trees.
        examples: number of real rows and of samples.
        other_examples: number of real rows and of others in the place of samples.
    """

    shape: Beside
    trend: Beside | None
    auc: Beside
    detection: Beside
    task: Task | None
    copies: TableCopies | None
    columns: tuple[ColumnSimilarity, ...]
    pairs: tuple[PairSimilarity, ...]
    trees: str
    examples: tuple[int, int]
    other_examples: tuple[int, int]

    def rows(self) -> dict[str, tuple[Estimate | None, Estimate | None]]:
        """Return the measures by a title for readers, each of samples and of other real rows."""
        found = {"shape (similarity of columns)": self.shape}
        if self.trend is not None:
            found["trend (similarity of pairs)"] = self.trend
        found[f"detection ({self.trees})"] = self.detection
        if self.task is not None:
            found[f"{self.task.measure} of {self.task.name}"] = self.task.score
        if self.copies is not None:
            found["share of exact copies"] = self.copies.copies
        rows: dict[str, tuple[Estimate | None, Estimate | None]] = {
            title: (one.samples, one.real) for title, one in found.items()
        }
        if self.copies is not None:
            rows["share nearer to training rows (½ is ideal)"] = (self.copies.nearer_to_training, None)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON; an estimate is ``{"value", "standard_error"}``."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Measured:
    """Replicates of each column and pair, and the AUC."""

    columns: np.ndarray
    pairs: np.ndarray | None
    auc: Estimate

    @property
    def shape(self) -> Estimate:
        return estimated(self.columns.mean(0))


def compare_tables(
    real: Dataset, made: Dataset, options: TableOptions | None = None, *, watch: Watch | None = None
) -> TableFidelity:
    """Compare the samples ``made`` with ``real`` rows of a table; columns are matched by name.

    Args:
        real: real rows, held out if the training data are given.
        made: samples.
        options: training data, target, seed and limit.
        watch: called with (done, all) stages.

    Raises:
        ValueError: if one is not a table, has too few rows, other columns, or texts where ``real`` has numbers; the
            target is no column or has one value; or most real rows are training rows.
    """
    options = options or TableOptions()
    draws = np.random.default_rng(options.seed)
    tables = matched(real, made, options.training).limited(options.limit, draws)
    if options.target is not None:
        check_prediction(tables, options.target)
    tick = ticks(watch, 2 * STAGES + (options.target is not None) + (options.training is not None))
    copies = None if options.training is None else table_copies(tables, draws)
    if options.training is not None:
        tick()
    others = _others(tables, draws)
    here = _measured(tables, options.seed, draws, tick)
    there = _measured(others, options.seed, draws, tick)
    predicted = None if options.target is None else task(tables, options.target, options.seed, draws)
    if options.target is not None:
        tick()
    return TableFidelity(
        shape=Beside(here.shape, there.shape),
        trend=_trend(here, there),
        auc=Beside(here.auc, there.auc),
        detection=Beside(detection_score(here.auc), detection_score(there.auc)),
        task=predicted,
        copies=copies,
        columns=_columns(tables, here),
        pairs=_pairs(tables, here),
        trees=tree_library(),
        examples=(len(tables.real), len(tables.made)),
        other_examples=(len(others.real), len(others.made)),
    )


def _others(tables: Tables, draws: np.random.Generator) -> Tables:
    """Return tables with real rows in the place of samples: of the training data, or one half of the real rows."""
    if tables.training is not None:
        return replace(tables, made=chosen(tables.training, len(tables.made), draws))
    order, half = draws.permutation(len(tables.real)), len(tables.real) // 2
    return replace(tables, real=tables.real[order[:half]], made=tables.real[order[half : 2 * half]])


def _measured(tables: Tables, seed: int, draws: np.random.Generator, tick: Tick) -> _Measured:
    groups = grouped(len(tables.real), draws), grouped(len(tables.made), draws)
    columns = column_similarities(tables, *groups)
    tick()
    pairs = pair_similarities(tables, *groups) if len(tables.columns) > 1 else None
    tick()
    auc = separation(tables.columns, tables.real, tables.made, seed, draws)
    tick()
    return _Measured(columns, pairs, auc)


def _trend(here: _Measured, there: _Measured) -> Beside | None:
    if here.pairs is None or there.pairs is None:
        return None
    return Beside(estimated(here.pairs.mean(0)), estimated(there.pairs.mean(0)))


def _columns(tables: Tables, found: _Measured) -> tuple[ColumnSimilarity, ...]:
    return tuple(
        ColumnSimilarity(column.name, column_measure(column), estimated(values))
        for column, values in zip(tables.columns, found.columns, strict=True)
    )


def _pairs(tables: Tables, found: _Measured) -> tuple[PairSimilarity, ...]:
    if found.pairs is None:
        return ()
    chosen_columns = [[tables.columns[place] for place in pair] for pair in pair_places(len(tables.columns))]
    return tuple(
        PairSimilarity((one.name, other.name), pair_measure(one, other), estimated(values))
        for (one, other), values in zip(chosen_columns, found.pairs, strict=True)
    )
