"""How well trees predict one column of real rows: after learning from samples, and from real rows.

    a category                      AUC of one class against the others (of two classes, the rarer one)
    more than two categories        mean AUC over classes, each against the others
    a number                        R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)²

All tests are on real rows. Next to the score of samples stands that of the training data or, without these, of the real
rows themselves in five folds. A column of numbers with two values counts as two classes. Rows with an empty target are
left out. The errors are those of the test rows; another seed trains other trees.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from quasistatic.data.labels import listed
from quasistatic.evaluation.fidelity.classifier import FOLDS, area
from quasistatic.evaluation.fidelity.estimate import Estimate, grouped, jackknife
from quasistatic.evaluation.fidelity.verdict import Beside
from quasistatic.evaluation.tabular.replicates import left_out
from quasistatic.evaluation.tabular.tables import FEWEST, Tables
from quasistatic.evaluation.tabular.trees import tree_classifier, tree_features, tree_regressor

FEWEST_OF_CLASS = 5
"""Rows of a class, and of all others, that its AUC needs."""


@dataclass(frozen=True)
class Task:
    """The score of a prediction of real rows.

    Attributes:
        target: the column that is predicted.
        measure: ``AUC``, ``mean AUC`` or ``R2``.
        positive: the class that the AUC is of; "" if there is not one.
        score: after learning from samples, and from training data or other real rows.
    """

    target: str
    measure: str
    positive: str
    score: Beside

    @property
    def name(self) -> str:
        """The target, with the class if one is found."""
        return f"{self.target} = {self.positive}" if self.positive else self.target


@dataclass(frozen=True)
class Target:
    """A column to predict, by its place, and the text of a class, or None."""

    place: int
    positive: str | None = None

    @classmethod
    def named(cls, text: str, names: tuple[str, ...]) -> "Target":
        """Return the target that ``text`` names, as a column or as COLUMN=VALUE.

        Raises:
            ValueError: if there is no such column.
        """
        if text in names:
            return cls(names.index(text))
        for end in [place for place, character in enumerate(text) if character == "="]:
            if text[:end] in names:
                return cls(names.index(text[:end]), text[end + 1 :])
        raise ValueError(
            f"the target is a column of both tables ({listed(names)}) or COLUMN=VALUE, got {text!r}; name one"
        )


Labels: TypeAlias = Float[np.ndarray, " _"]
Part: TypeAlias = tuple[Float[np.ndarray, "_ features"], Labels]
"""Features and target of the rows of a table."""


def task(tables: Tables, target: str, seed: int, draws: np.random.Generator) -> Task:
    """Predict a column of the real rows.

    Raises:
        ValueError: see `check_prediction`.
    """
    found = Target.named(target, tables.names)
    classes = _classes(tables, found)
    given = [tables.made, tables.real] if tables.training is None else [tables.made, tables.training, tables.real]
    parts = _parts(tables, found.place, given)
    made, real = parts[0], parts[-1]
    learned = None if tables.training is None else parts[1]
    name = tables.names[found.place]
    if not classes:
        groups = grouped(len(real[1]), draws)
        scores = [_explained(real[1], _numbers(one, real, seed), groups) for one in (made, learned)]
        return Task(name, "R2", "", Beside(scores[0], scores[1]))
    chances = [_chances(one, real, classes, seed) for one in (made, learned)]
    areas = [[_area(chance, real[1] == value) for chance, value in zip(one.T, classes, strict=True)] for one in chances]
    if len(classes) == 1:
        return Task(name, "AUC", _text(tables, found.place, classes[0]), Beside(areas[0][0], areas[1][0]))
    return Task(name, "mean AUC", "", Beside(_mean(areas[0]), _mean(areas[1])))


def check_prediction(tables: Tables, target: str) -> None:
    """Check that a column can be predicted, before any work is done.

    Raises:
        ValueError: if there is no such column or class, there are no other columns, the real rows have one value, a
            table has too few values, or a class has too few real rows.
    """
    found = Target.named(target, tables.names)
    name = tables.names[found.place]
    if len(tables.columns) < 2:
        raise ValueError(f"a target is predicted from other columns, got none next to {name!r}; leave --target out")
    given = {"the real rows": tables.real, "the samples": tables.made, "the training data": tables.training}
    for table, cells in given.items():
        if cells is not None and (count := int((~np.isnan(cells[:, found.place])).sum())) < FEWEST:
            raise ValueError(
                f"a target needs at least {FEWEST} cells that are not empty, got {count} of {name!r} in {table}; name "
                "another"
            )
    _classes(tables, found)


def _parts(tables: Tables, place: int, given: list[np.ndarray]) -> list[Part]:
    """Return features and target of each table, without rows whose target is empty."""
    others = [column for number, column in enumerate(tables.columns) if number != place]
    features = tree_features(others, *(np.delete(cells, place, 1) for cells in given))
    targets = [cells[:, place] for cells in given]
    return [(x[~np.isnan(y)], y[~np.isnan(y)]) for x, y in zip(features, targets, strict=True)]


def _classes(tables: Tables, target: Target) -> list[float]:
    """Return the classes whose AUC is measured; none of a number, one of two classes or of a named one.

    Raises:
        ValueError: if the real rows have one value, lack the named class, or have too few rows of each.
    """
    column, cells = tables.columns[target.place], tables.real[:, target.place]
    values, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
    if len(values) < 2:
        raise ValueError(
            f"the target needs two values or more in the real rows, got {len(values)} in the column {column.name!r}; "
            "name another"
        )
    texts = [_text(tables, target.place, value) for value in values.tolist()]
    if target.positive is not None:
        number = next((n for n, text in enumerate(texts) if _same(text, target.positive)), None)
        if number is None:
            raise ValueError(
                f"the class to be found is one of {listed(texts)} in the column {column.name!r}, got "
                f"{target.positive!r}"
            )
        chosen = [number]
    elif column.categories is None and len(values) > 2:
        return []
    else:
        chosen = [int(counts.argsort(kind="stable")[0])] if len(values) == 2 else list(range(len(values)))
    enough = [n for n in chosen if FEWEST_OF_CLASS <= counts[n] <= counts.sum() - FEWEST_OF_CLASS]
    if not enough:
        raise ValueError(
            f"an AUC needs {FEWEST_OF_CLASS} real rows of a class and of all others, got {counts[chosen[0]]} of "
            f"{texts[chosen[0]]!r} among {counts.sum()}; give more rows or name another target"
        )
    return [float(values[n]) for n in enough]


def _text(tables: Tables, place: int, value: float) -> str:
    """Return a class as text."""
    categories = tables.columns[place].categories
    return f"{value:g}" if categories is None else categories[int(value)]


def _same(text: str, asked: str) -> bool:
    """Return whether two texts are equal, or the same number."""
    try:
        return text == asked or float(text) == float(asked)
    except ValueError:
        return False


def _chances(learned: Part | None, real: Part, classes: list[float], seed: int) -> Float[np.ndarray, "rows classes"]:
    """Return the probability of each class for the real rows; of rows in other folds if ``learned`` is None."""
    found = np.zeros((len(real[1]), len(classes)))
    for part, rows in _rounds(learned, real, seed):
        own = np.where(np.isin(part[1], classes), part[1], np.nan) if len(classes) == 1 else part[1]
        present, numbers = np.unique(own, return_inverse=True)
        if len(present) == 1:
            chance = np.ones((int(rows.sum()), 1))
        else:
            chance = tree_classifier(seed).fit(part[0], numbers).predict_proba(real[0][rows])
        for place, value in enumerate(classes):
            if value in present:
                found[rows, place] = chance[:, int((present == value).argmax())]
    return found


def _numbers(learned: Part | None, real: Part, seed: int) -> Labels:
    """Return predictions of the real rows; of rows in other folds if ``learned`` is None."""
    found = np.zeros(len(real[1]))
    for part, rows in _rounds(learned, real, seed):
        found[rows] = tree_regressor(seed).fit(*part).predict(real[0][rows])
    return found


def _rounds(learned: Part | None, real: Part, seed: int) -> list[tuple[Part, Bool[np.ndarray, " rows"]]]:
    """Return what is learned from, and the real rows to predict: all of them, or each fold from the others."""
    if learned is not None:
        return [(learned, np.ones(len(real[1]), dtype=bool))]
    from sklearn.model_selection import KFold

    rounds = []
    for rest, fold in KFold(FOLDS, shuffle=True, random_state=seed).split(real[0]):
        rows = np.zeros(len(real[1]), dtype=bool)
        rows[fold] = True
        rounds.append(((real[0][rest], real[1][rest]), rows))
    return rounds


def _area(chance: Labels, is_class: Bool[np.ndarray, " rows"]) -> Estimate:
    return area(chance[~is_class], chance[is_class])


def _mean(areas: list[Estimate]) -> Estimate:
    """Return the mean; its error as if all had the same error, which is the most it can be."""
    value, error = (float(np.mean(part)) for part in zip(*((a.value, a.standard_error) for a in areas), strict=True))
    return Estimate(value, error)


def _explained(y: Labels, guess: Labels, groups: np.ndarray) -> Estimate:
    """Return R² with its jackknife error."""
    centred = y - y.mean()
    sums = [np.bincount(groups, values) for values in (np.ones(len(y)), centred, centred**2, (y - guess) ** 2)]
    count, total, squares, missed = (left_out(own) for own in sums)
    with np.errstate(divide="ignore", invalid="ignore"):  # one group may hold all that varies
        found = 1 - missed / (squares - total**2 / count)
    return jackknife(found[0], found[1:])
