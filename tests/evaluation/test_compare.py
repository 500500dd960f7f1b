"""`compare`: which examples, which features, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from quasistatic.data import Dataset
from quasistatic.data.dataset import categorised, from_tensor
from quasistatic.evaluation.fidelity import Fidelity, compare, needed

LINE = LogisticRegression()


def normal(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def test_the_same_law_by_every_measure() -> None:
    """Zero distances and AUC ½ within errors, beside the same of two parts of the real set."""
    found = compare(normal(900, 4), normal(400, 4, seed=1), classifier=LINE)
    assert found.reference is not None
    for one in (found, found.reference):
        assert one.examples == 400
        for estimate, truth in ((one.frechet, 0), (one.kernel, 0), (one.auc, 0.5), (one.density, 1)):
            assert abs(estimate.value - truth) < 4 * estimate.standard_error
    assert set(found.measures) == {
        *("frechet", "frechet_plain", "kernel", "precision", "recall", "density", "coverage", "auc", "accuracy")
    }
    halves = compare(normal(400, 4), normal(900, 4, seed=1), classifier=LINE).reference
    assert halves is not None
    assert halves.examples == 200


def test_a_seed_decides_and_a_limit_holds() -> None:
    x, y = normal(300, 2), normal(300, 2, seed=1)
    first, again, other = (compare(x, y, seed=seed, limit=60, classifier=LINE) for seed in (1, 1, 2))
    assert first.to_dict() == again.to_dict() != other.to_dict()
    assert first.examples == 60


def test_few_examples_have_no_reference() -> None:
    few = needed(3, 5)
    found = compare(normal(few, 3), normal(few, 3, seed=1), classifier=LINE)
    assert found.reference is None
    assert found.to_dict()["reference"] is None


def test_features_are_a_change_of_coordinates() -> None:
    """Turned and shifted features are as far apart; principal components of all directions, or a module, turn."""
    x, y = normal(200, 1, 2, 3), 0.5 * normal(200, 1, 2, 3, seed=1)
    turn = nn.Sequential(nn.Flatten(), nn.Linear(6, 6).double())
    nn.init.orthogonal_(turn[1].weight)
    ways = ["raw", "pca:6", turn.eval(), lambda x: x.flatten(1).numpy()[:, ::-1]]
    found = [compare(x.double(), y.double(), way, classifier=LINE) for way in ways]
    assert [one.dimensions for one in found] == [6] * 4
    assert [one.features for one in found] == ["raw", "pca:6", "Sequential", "<lambda>"]
    for one in found[1:]:
        assert one.frechet.value == pytest.approx(found[0].frechet.value)
        assert one.recall.value == found[0].recall.value
    assert compare(x, y, "pca:2", classifier=LINE).dimensions == 2


def test_data_sets_are_read_in_the_units_of_the_real_one() -> None:
    """Columns in standard deviations of the real set; categories as one 0 or 1 for each state."""
    x, y = normal(200, 2).numpy(), normal(200, 2, seed=1).numpy()
    unit = compare(_held((x - x.mean(0)) / x.std(0)), _held((y - x.mean(0)) / x.std(0)), classifier=LINE)
    raw = compare(_held(1000 * x), _held(1000 * y), classifier=LINE)
    assert raw.frechet.value == pytest.approx(unit.frechet.value, abs=1e-5)
    letters = [categorised(from_tensor("letters", torch.randint(0, 3, (60, 4))), 3) for _ in range(2)]
    assert compare(*letters, classifier=LINE).dimensions == 12


def _held(values: np.ndarray) -> Dataset:
    return from_tensor("columns", torch.from_numpy(values))


class Training(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


X = normal(100, 3)
HOLED = X.clone()
HOLED[7, 1] = torch.nan

MISTAKES = {
    "no such features": (
        X,
        X,
        "vgg",
        "features are raw, pca:N with N components of at least 1, or classifier for labelled data, got 'vgg'",
    ),
    "no components": (X, X, "pca:0", "N components of at least 1"),
    "many components": (X, X, "pca:9", "have at most 3 principal components, got pca:9"),
    "other shape": (X, normal(100, 2, 2), "raw", "the shape of the real examples, 3, got 2×2"),
    "too few": (X, normal(30, 3), "raw", "comparing needs at least 40 examples of each set, got 30"),
    "too few for the components": (
        normal(64, 100),
        normal(64, 100),
        "pca:64",
        r"needs at least 71 examples of each set, got 64; give more, or compare fewer features with --features pca:57",
    ),
    "too few for the features": (
        X,
        X,
        lambda x: x.repeat(1, 50),
        "the Fréchet distance in 150 features needs at least 161 examples of each set, got 100",
    ),
    "NaN": (X, HOLED, "raw", "the samples should be finite numbers, got 1 NaN or infinite in 1 of 100 examples"),
    "NaN features": (X, X, lambda x: x.log(), "the features should be finite numbers"),
    "one number a batch": (
        X,
        X,
        lambda x: x.mean(),
        r"returns \(batch, d\), \(100, d\) for states \(100, 3\), got \(\)",
    ),
    "maps": (X, X, lambda x: x[:, None], r"got \(100, 1, 3\); flatten or average"),
    "fewer rows": (X, X, lambda x: x[1:], r"got \(99, 3\)"),
    "training": (X, X, Training(), r"in training mode; call \.eval\(\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    real, samples, features, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        compare(real, samples, features, classifier=LINE)  # type: ignore[arg-type]


def test_widths_that_differ_and_numbers_below_one() -> None:
    wide = iter((3, 2))
    with pytest.raises(ValueError, match="features of both sets have one width, got 3 and 2"):
        compare(X, X, lambda x: x[:, : next(wide)], classifier=LINE)
    with pytest.raises(ValueError, match="at least 1, got 0 and None"):
        compare(X, X, neighbours=0)
    with pytest.raises(ValueError, match="at least 1, got 5 and 0"):
        compare(X, X, limit=0)


def test_a_data_set_goes_with_a_data_set(digits: Dataset) -> None:
    with pytest.raises(TypeError, match="two data sets are compared, or two tensors"):
        compare(digits, X)
    bright = replace(digits, storage=from_tensor("bright", digits.batch(torch.arange(99)) + 17).storage, labels=None)
    with pytest.raises(ValueError, match="digits, read as digits: the data should hold 17 levels"):
        compare(digits, bright)


def test_what_is_returned_is_a_fidelity() -> None:
    watched: list[tuple[int, int]] = []
    found = compare(X, X, classifier=LINE, watch=lambda done, total: watched.append((done, total)))
    assert isinstance(found, Fidelity)
    assert watched == [(stage, 8) for stage in range(1, 9)]
