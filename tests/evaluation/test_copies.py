"""Copies of training data: laws within 4 of the given errors, and a count by hand."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity import compare
from quasistatic.evaluation.fidelity import copies as copying
from quasistatic.evaluation.fidelity.copies import Copies, Reader, copies
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, jackknife


def reader(x: np.ndarray) -> tuple[Reader, int]:
    values = torch.from_numpy(x)
    return (lambda rows: values[torch.from_numpy(rows)]), len(x)


def found(samples: np.ndarray, held_out: np.ndarray, training: np.ndarray, seed: int = 0) -> Copies:
    draws = np.random.default_rng(seed)
    return copies(reader(samples), reader(held_out), reader(training), draws, lambda: None)


def holds(estimate: Estimate | None, truth: float) -> bool:
    return estimate is not None and abs(estimate.value - truth) <= 4 * estimate.standard_error


@pytest.mark.parametrize(("held_out", "training"), [(200, 200), (100, 900), (500, 60)])
def test_new_samples_are_as_near_to_both(held_out: int, training: int) -> None:
    """One half, whatever the sizes, for samples and for held-out examples; and the errors are of use."""
    draws = np.random.default_rng(1)
    told = found(draws.gumbel(size=(400, 5)), draws.gumbel(size=(held_out, 5)), draws.gumbel(size=(training, 5)))
    for one in (told.nearer_to_training.samples, told.nearer_to_training.real):
        assert holds(one, 0.5)
        assert one.standard_error < 0.2
    assert (told.training, told.held_out) == (training, held_out)


def test_copies_are_found_among_all_training_examples() -> None:
    """All samples are copies, then a quarter: of 2,000 points in 16 dimensions, where none is close by chance."""
    draws = np.random.default_rng(2)
    held_out, training, new = draws.normal(size=(400, 16)), draws.normal(size=(2000, 16)), draws.normal(size=(300, 16))
    told = found(training[:400], held_out, training)
    assert told.nearer_to_training.samples.value == told.close_copies.samples.value == 1.0
    assert told.close_copies.real.value == 0.0
    assert holds(told.nearer_to_training.real, 0.5)
    some = found(np.concatenate([training[:100] + 1e-3, new]), held_out, training)
    assert some.close_copies.samples.value == 0.25
    assert some.nearer_to_training.samples.value > 0.5 + 4 * 0.02


def test_a_count_by_hand() -> None:
    """Whole numbers with many ties, counted in fractions: the nearest of both sets, each tied one alike."""
    draws = np.random.default_rng(3)
    samples, held_out, training = (draws.integers(0, 4, size=(n, 3)).astype(float) for n in (40, 45, 70))
    told = found(samples, held_out, training)

    def shares(queries: np.ndarray, others: list[np.ndarray]) -> tuple[float, float]:
        parts, close = Fraction(0), 0
        for query, rest in zip(queries, others, strict=True):
            near, far = (((one - query) ** 2).sum(1) for one in (training, rest))
            least = min(near.min(), far.min())
            inside, outside = int((near == least).sum()), int((far == least).sum())
            parts += Fraction(inside, inside + outside)
            close += 4 * near.min() < far.min()
        share, h, t = parts / len(queries), len(others[0]), len(training)
        return float(share * h / (share * h + (1 - share) * t)), close / len(queries)

    wanted = shares(samples, [held_out] * 40)
    assert told.nearer_to_training.samples.value == pytest.approx(wanted[0], abs=1e-12)
    assert told.close_copies.samples.value == wanted[1]
    # held-out examples are searched in equal numbers from each group: 2 of the 2 or 3 in it
    assert abs(told.nearer_to_training.real.value - shares(held_out, _without_each(held_out))[0]) < 0.1


def _without_each(x: np.ndarray) -> list[np.ndarray]:
    return [np.delete(x, row, 0) for row in range(len(x))]


def test_a_group_left_out_is_a_group_never_given() -> None:
    draws = np.random.default_rng(4)
    samples, held_out, training = (draws.normal(size=(60, 2)) for _ in range(3))
    queries = torch.from_numpy(samples)
    split = np.array_split(np.arange(60), GROUPS)
    nobody = np.full(60, -1)
    near, far = (copying._searched(queries, nobody, reader(x)[0], split, lambda: None) for x in (training, held_out))
    groups = np.repeat(np.arange(GROUPS), 3)
    parts = [np.arange(60)[groups != group] for group in range(GROUPS)]

    def value(samples: np.ndarray, held_out: np.ndarray, training: np.ndarray) -> float:
        near, far = (((samples[:, None] - x) ** 2).sum(2).min(1) for x in (training, held_out))
        share = (near < far).mean()
        return share * len(held_out) / (share * len(held_out) + (1 - share) * len(training))

    wanted = jackknife(
        value(samples, held_out, training),
        np.array([value(samples[part], held_out, training) for part in parts]),
        np.array([value(samples, held_out[part], training) for part in parts]),
        np.array([value(samples, held_out, training[part]) for part in parts]),
    )
    told, _ = copying._estimates(near, far, groups)
    assert told.value == pytest.approx(wanted.value)
    assert told.standard_error == pytest.approx(wanted.standard_error)


def test_what_is_searched_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(5)
    sets = [draws.integers(0, 3, size=(n, 4)).astype(float) for n in (80, 90, 150)]
    whole = found(*sets)
    monkeypatch.setattr(copying, "ROW_VALUES", 4 * 3)
    assert found(*sets) == whole


def test_at_most_so_many_are_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(copying, "QUERIES", 60)
    draws = np.random.default_rng(6)
    x = draws.normal(size=(300, 3))
    read = lambda rows: (asked.append(len(rows)), reader(x)[0](rows))[1]  # noqa: E731
    copies((read, 300), reader(draws.normal(size=(100, 3))), reader(draws.normal(size=(100, 3))), draws, lambda: None)
    assert max(asked) == 60


def test_the_same_training_data_twice_is_a_mistake() -> None:
    x = np.random.default_rng(7).normal(size=(200, 3))
    with pytest.raises(ValueError, match=r"got 200 of 200 that equal one of the training data; give held-out examples"):
        found(x, x, x)
    few_patterns = x[np.arange(200) % 5]  # equal examples are no sign of it where all repeat
    assert holds(found(few_patterns, few_patterns, few_patterns).nearer_to_training.samples, 0.5)


def test_bad_input() -> None:
    x = np.random.default_rng(8).normal(size=(60, 3))
    for sets, name in (((x[:39], x, x), "samples"), ((x, x[:39], x), "held-out"), ((x, x, x[:39]), "training")):
        with pytest.raises(ValueError, match=f"copies needs at least 40 {name}.*, got 39; give more"):
            found(*sets)
    holed = x.copy()
    holed[3, 1] = np.nan
    with pytest.raises(ValueError, match="examples searched for copies should be finite numbers, got 1 NaN"):
        found(x, x + 1, holed)


def test_any_features_can_go_with_training_data(digits: Dataset) -> None:
    """Copies are looked for in raw values, whatever else is compared; new digits are not found to be copies."""
    training, held_out = digits.split(700, 0)
    real, new = held_out.select(torch.arange(400)), held_out.select(torch.arange(400, 700))
    for samples, truth in ((new, 0.5), (training.select(torch.arange(300)), 1.0)):
        told = compare(real, samples, "pca:2", training=training, limit=60)
        assert told.copies is not None
        assert told.judge is None
        assert holds(told.copies.nearer_to_training.samples, truth)
        assert holds(told.copies.close_copies.samples, 2 * truth - 1)
        assert holds(told.copies.nearer_to_training.real, 0.5)
        assert (told.copies.training, told.copies.held_out) == (1097, 400)


def test_training_data_are_of_the_same_kind_and_shape(digits: Dataset) -> None:
    x = torch.randn(100, 3)
    with pytest.raises(
        TypeError, match="two data sets are compared, or two tensors of states, got Tensor and Tensor and"
    ):
        compare(x, x, training=digits)
    with pytest.raises(ValueError, match="training data should have the shape of the real examples, 3, got 4"):
        compare(x, x, training=torch.randn(100, 4))
