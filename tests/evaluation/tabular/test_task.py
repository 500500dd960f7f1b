"""The score of a prediction: known laws, which classes are scored, what is refused."""

import numpy as np
import pytest

from named_tables import named
from quasistatic.data import Dataset
from quasistatic.evaluation.tabular.tables import matched
from quasistatic.evaluation.tabular.task import Task, check_prediction, task


def predicted(real: Dataset, made: Dataset, target: str, training: Dataset | None = None) -> Task:
    tables = matched(real, made, training)
    check_prediction(tables, target)
    return task(tables, target, 0, np.random.default_rng(0))


def classes(rows: int, seed: int, flipped: bool = False, rare: float = 0.3) -> Dataset:
    """A category that a number decides but for one row in ten."""
    draws = np.random.default_rng(seed)
    x = draws.random(rows)
    right = (x < rare) ^ (draws.random(rows) < 0.1) ^ flipped
    return named(x=x, y=np.where(right, "rare", "usual").tolist())


def test_two_classes() -> None:
    """Score steps at x = 0.3: P(rare | x) is 0.9 or 0.1; the AUC follows from the shares 0.27, 0.03 / 0.07, 0.63."""
    found = predicted(classes(1500, 0), classes(800, 1), "y", classes(800, 2))
    truth = (0.27 / 0.34) * (0.63 / 0.66) + 0.5 * (0.27 * 0.03 + 0.07 * 0.63) / (0.34 * 0.66)
    assert (found.target, found.measure, found.positive, found.name) == ("y", "AUC", "rare", "y = rare")
    for one in (found.score.samples, found.score.real):
        assert one is not None
        assert truth - 0.05 < one.value < truth + 4 * one.standard_error  # trees of few rows learn some noise


def test_samples_of_the_opposite_law_and_of_one_class() -> None:
    real = classes(600, 0)
    opposite = predicted(real, classes(600, 1, flipped=True), "y").score
    assert opposite.samples is not None
    assert opposite.samples.value < 0.2 < 0.8 < opposite.real.value  # in five folds, without training data
    one = predicted(real, named(x=np.random.default_rng(0).random(60), y=["usual"] * 60), "y").score
    assert one.samples is not None
    assert (one.samples.value, one.samples.standard_error) == (0.5, 0)


def test_several_classes_and_one_of_them() -> None:
    draws = np.random.default_rng(0)
    x = draws.random(400)
    table = named(x=x, y=[*np.array(["a", "b", "c"])[(3 * x).astype(int)]])
    found = predicted(table, table, "y", table)
    assert (found.measure, found.positive) == ("mean AUC", "")
    assert found.score.real.value > 0.999
    assert predicted(table, table, "y=b", table).name == "y = b"


def test_numbers() -> None:
    """R² of y = x + noise of the same variance is at most ½; two values are two classes."""
    draws = np.random.default_rng(0)
    tables = []
    for rows in (800, 400):
        x = draws.normal(size=rows)
        tables.append(named(x=x, y=x + draws.normal(size=rows), n=(x > 1).astype(int)))
    found = predicted(*tables, "y")
    assert (found.measure, found.name) == ("R2", "y")
    assert found.score.samples is not None
    assert 0.2 < found.score.samples.value < 0.55
    assert 0.02 < found.score.samples.standard_error < 0.05
    classes = predicted(*tables, "n")
    assert (classes.measure, classes.positive) == ("AUC", "1")


def test_a_name_with_an_equals_sign() -> None:
    draws = np.random.default_rng(0)
    table = named(**{"a=b": ["u", "v"] * 30, "x": draws.normal(size=60)})
    assert predicted(table, table, "a=b", table).target == "a=b"
    assert predicted(table, table, "a=b=u", table).name == "a=b = u"


def test_rows_with_an_empty_target_are_left_out() -> None:
    x = np.arange(200.0)
    y = [None if n % 3 == 0 else "high" if n > 100 else "low" for n in range(200)]
    found = predicted(named(x=x, y=y), named(x=x, y=y), "y")
    assert found.score.real.value > 0.9


X = np.arange(60.0)
MISTAKES = {
    "no such column": (
        named(x=X, y=["a", "b"] * 30),
        "income",
        r"the target is a column of both tables \(x, y\) or COLUMN=VALUE, got 'income'; name one",
    ),
    "one value": (named(x=X, y=["a"] * 60), "y", "two values or more in the real rows, got 1 in the column 'y'"),
    "no such class": (
        named(x=X, y=["a", "b"] * 30),
        "y=c",
        "the class to be found is one of a, b in the column 'y', got 'c'",
    ),
    "few of a class": (
        named(x=X, y=["a"] * 58 + ["b"] * 2),
        "y",
        "an AUC needs 5 real rows of a class and of all others, got 2 of 'b' among 60",
    ),
    "empty": (
        named(x=X, y=[None] * 30 + ["a", "b"] * 15),
        "y",
        "a target needs at least 50 cells that are not empty, got 30 of 'y' in the real rows",
    ),
    "nothing else": (named(x=X), "x", "a target is predicted from other columns, got none next to 'x'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name: str) -> None:
    table, target, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        check_prediction(matched(table, table), target)
