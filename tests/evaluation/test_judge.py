"""The classifier that judges samples: laws within 4 of the given errors, and what it is not asked to do."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from quasistatic.data import Dataset
from quasistatic.data.dataset import from_tensor
from quasistatic.evaluation.fidelity import compare, judge
from quasistatic.evaluation.fidelity.estimate import Estimate
from quasistatic.evaluation.fidelity.judge import Judge, JudgeData, Judgement
from quasistatic.evaluation.fidelity.verdict import Verdict, verdict

LINE = LogisticRegression(max_iter=1000)

Trial = tuple[Judge, JudgeData, Judgement]


def near(one: Estimate, other: Estimate | float) -> bool:
    value, error = (other, 0.0) if isinstance(other, float) else (other.value, other.standard_error)
    return abs(one.value - value) <= 4 * math.hypot(one.standard_error, error)


@pytest.fixture(scope="module")
def trial(digits: Dataset) -> Trial:
    """A judge of digits, what it learned from and did not see, and what it says of the latter."""
    torch.set_num_threads(1)
    parts = judge.parts(digits, None, 0)
    found = judge.trained(parts.learned, parts.held_out, judge.WIDTH, 0, lambda: None)
    return found, parts, judged(found, parts.held_out, parts.held_out)


def judged(found: Judge, samples: Dataset, real: Dataset) -> Judgement:
    return judge.judged(found, samples, real, np.arange(len(samples)))


def said(trial: Trial, samples: Judgement) -> Verdict:
    found, _, real = trial
    return verdict(real, samples, found, np.random.default_rng(0))


def points(n: int, seed: int = 0, gap: float = 2.0) -> Dataset:
    """Two normals in the plane, ``gap`` apart."""
    draws = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (n,), generator=draws)
    x = torch.randn(n, 2, generator=draws, dtype=torch.float64)
    x[:, 0] += gap * labels
    return from_tensor("points", x, labels=labels, classes=("left", "right"))


# ---- laws


def test_other_real_digits_are_judged_as_real_ones(trial: Trial) -> None:
    """As samples, half of what the judge did not see: every number is that of the other half, within errors."""
    found, _, everything = trial
    half = len(everything.chances) // 2
    told = verdict(everything.of(slice(half)), everything.of(slice(half, None)), found, np.random.default_rng(0))
    assert near(told.sure.samples, told.sure.real)
    assert near(told.accuracy.samples, told.accuracy.real)
    assert near(told.evenness.samples, 1.0)
    assert near(told.class_distance.samples, told.class_distance.real)
    assert (told.classes, told.learned_from, told.held_out) == (10, 1198, half)


def test_the_judge_of_digits_is_good(trial: Trial) -> None:
    """A network of ten seconds' work is right on 97 % of these digits; this one takes one."""
    told = said(trial, trial[2])
    assert told.accuracy.real.value > 0.96
    assert told.sure.real.value > 0.88


def test_features_have_an_average_variance_of_one_where_it_learned(trial: Trial) -> None:
    found, parts, _ = trial
    features = judged(found, parts.learned, parts.held_out).features
    assert features.var(0).mean() == pytest.approx(1, rel=1e-3)  # over n − 1 in one, n in the other


def test_five_of_ten_classes(trial: Trial) -> None:
    """Half of the shares are missing, so ½ apart; the entropy falls from log 10 to log 5; each digit is still good.

    A fraction e = 0.03 that the judge confuses takes at most e off the distance, and adds h(e) + e log 5 to the
    entropy.
    """
    _, parts, _ = trial
    real = trial[2]
    few = parts.held_out.select((parts.held_out.labels_of(torch.arange(len(parts.held_out))) < 5).nonzero()[:, 0])
    told = said(trial, judged(trial[0], few, parts.held_out))
    assert told.class_distance.samples.value == pytest.approx(0.5, abs=0.05)
    assert math.log(5) < told.evenness.samples.value * math.log(10) < math.log(5) + 0.135 + 0.03 * math.log(5)
    assert told.sure.samples is not None
    assert near(told.sure.samples, (real.chances.max(1) > 0.95).mean())


def test_noise_is_no_digit(digits: Dataset) -> None:
    """Few of it are sure, its features are far away and there is no copy; of real digits it is as above."""
    shape = torch.Size((300, 1, 8, 8))
    noise = torch.randint(17, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    found = compare(digits, from_tensor("noise", noise), "classifier", classifier=LINE)
    assert (found.features, found.dimensions, found.examples) == ("classifier", 64, 300)
    assert found.judge is not None
    assert found.reference is not None
    assert found.judge.sure.samples.value < 0.35 < 0.88 < found.judge.sure.real.value
    assert found.judge.accuracy.samples is None
    assert found.frechet.value > 20 > 5 > found.reference.frechet.value
    assert found.precision.value < 0.5 < 0.9 < found.reference.precision.value
    assert found.copies is None
    assert found.reference.judge is None


def test_points_are_classified_as_well_as_can_be() -> None:
    """Two normals δ apart: the best accuracy is Φ(δ/2), and samples of one law are judged alike."""
    found = compare(points(6000), points(2000, 1), "classifier:8", classifier=LINE).judge
    assert found is not None
    for one in (found.accuracy.real, found.accuracy.samples):
        assert near(one, float(norm.cdf(1.0)))
    assert near(found.sure.samples, found.sure.real)
    edge = 1 + math.log(19) / 2  # the true log-odds 2 (x − 1) reach those of 0.95 here, and as far on the other side
    assert found.sure.real.value == pytest.approx(norm.sf(edge) + norm.sf(edge - 2), abs=0.06)


def test_one_pixel_is_the_largest_shift() -> None:
    x = torch.arange(2 * 3 * 20 * 21.0).view(2, 3, 20, 21)
    assert torch.equal(judge.shifted_by(x, 1, 1), x)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            inner = torch.roll(x, (down - 1, right - 1), (2, 3))[..., 1:-1, 1:-1]
            assert torch.equal(judge.shifted_by(x, down, right)[..., 1:-1, 1:-1], inner)


# ---- what it learns from


def test_what_it_learns_from_is_not_compared(digits: Dataset) -> None:
    parts = judge.parts(digits, None, 3)
    learned, unseen = set(parts.learned.ids), set(parts.held_out.ids)
    assert (len(learned), len(unseen), learned & unseen) == (1198, 599, set())
    shares = [torch.bincount(part.labels) / len(part) for part in (parts.learned, parts.held_out)]
    torch.testing.assert_close(*shares, atol=1e-3, rtol=0)
    half = digits.select(torch.arange(900))
    given = judge.parts(digits, half, 3)
    assert given.learned is half
    assert given.held_out is digits
    assert judge.parts(digits, replace(half, labels=None), 3).held_out.ids == parts.held_out.ids


def test_classes_are_matched_by_name() -> None:
    real = points(200)
    turned = replace(points(200, 1), classes=("right", "left"))
    assert torch.equal(judge.parts(real, turned, 0).held_out.labels, 1 - real.labels)
    assert torch.equal(judge.with_labels(turned, real.classes).labels, 1 - turned.labels)
    assert judge.with_labels(replace(turned, classes=("a", "b")), real.classes).labels is None
    unnamed = judge.parts(replace(real, classes=()), None, 0)
    assert unnamed.learned.classes == ("0", "1")


def test_a_seed_decides_and_the_callers_random_numbers_stay() -> None:
    x, y = points(400), points(200, 1)
    before = torch.random.get_rng_state()
    first, again, other = (compare(x, y, "classifier:4", seed=seed, classifier=LINE).to_dict() for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_read_at_a_time_changes_nothing(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    found, parts, whole = trial
    monkeypatch.setattr(judge, "BLOCK", 64 * 7)
    np.testing.assert_allclose(judged(found, parts.held_out, parts.held_out).chances, whole.chances, atol=1e-5)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "FEWEST_SEEN", 200)
    monkeypatch.setattr(judge, "BYTES", 30 * 2 * 4)
    data = points(200)
    assert judge.trained(data, data, 4, 0, lambda: None).examples == 30
    monkeypatch.setattr(judge, "LEARNED", 20)
    assert judge.trained(data, data, 4, 0, lambda: None).examples == 20


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 96), (1, 1, 130), (4, 33, 5), (12,), (6, 4), (1, 5, 5, 3)])
def test_any_shape_is_judged(shape: tuple[int, ...]) -> None:
    found = Judge(shape, 5, 3).eval()
    x = torch.randn(2, *shape)
    told = found(x)
    assert told.shape == (2, 8)
    torch.testing.assert_close(told[:, 5:].sum(1), torch.ones(2))
    assert max(found.inputs(x).shape[2:], default=0) <= judge.SIDE


def test_progress_goes_from_one_to_all() -> None:
    watched: list[tuple[int, int]] = []
    both = {"classifier": LINE, "watch": lambda done, total: watched.append((done, total))}
    compare(points(400), points(200, 1), "classifier:4", training=points(300, 2), **both)
    assert watched == [(stage, 20 + 8 + 40) for stage in range(1, 69)]


# ---- bad input


def labelled(*counts: int) -> Dataset:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    x = torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(0)) + labels[:, None]
    return from_tensor("data", x, labels=labels, classes=tuple("abcdefgh"[: len(counts)]))


PLAIN = replace(labelled(100, 100), labels=None, classes=())

MISTAKES = {
    "no labels": (PLAIN, PLAIN, {}, "learns from labels, and data has none: images get labels from two or more sub-f"),
    "one class": (labelled(200), PLAIN, {}, "needs at least two classes, and all of data is of class 'a': images get"),
    "a class without examples": (labelled(200, 0), PLAIN, {}, "at least two classes"),
    "few of a class": (
        labelled(100, 14, 100, 3),
        PLAIN,
        {},
        r"at least 15 examples of each class, and data has fewer of 'b' \(14\), 'd' \(3\); add some, drop or merge",
    ),
    "few of a class of the training data": (labelled(90, 90), PLAIN, {"training": labelled(90, 9)}, r"'b' \(9\)"),
    "other classes": (
        labelled(90, 90, 90),
        PLAIN,
        {"training": labelled(90, 90)},
        "data and the training data need the same class names, got a, b, c and a, b; rename them",
    ),
    "few real ones": (
        labelled(50, 50),
        PLAIN,
        {},
        r"comparing needs at least 40 examples of each set, got 34 \(the classifier learns from 66 of 100 real examp",
    ),
    "few for the features": (
        labelled(100, 100),
        PLAIN,
        {},
        r"the Fréchet distance in 64 features needs at least 71 examples of each set, got 67 \(the classifier learns "
        r"from 133 of 200 real examples, which are not compared\); give more, or compare fewer features with "
        r"--features classifier:60",
    ),
    "few samples": (
        labelled(300, 300),
        PLAIN.select(torch.arange(60)),
        {},
        "each set, got 60; give more, or compare fewer features with --features classifier:54",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    real, samples, options, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        compare(real, samples, "classifier", **options)


@pytest.mark.parametrize("width", ["", "0", "-1", "x", "4097"])
def test_a_number_of_features_that_cannot_be(width: str) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 4,096 features, as in classifier:32, got 'classifier:{width}'"):
        compare(PLAIN, PLAIN, f"classifier:{width}")


def test_a_tensor_has_no_labels() -> None:
    x = torch.zeros(100, 2)
    with pytest.raises(TypeError, match="a classifier learns from a data set with labels, got a tensor"):
        compare(x, x, "classifier")


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="compared with training, seed, limit, neighbours, classifier, got trainign"):
        compare(PLAIN, PLAIN, trainign=PLAIN)


def test_labels_that_nothing_tells_apart() -> None:
    """Two pictures that carry every label alike: failed work, not a number."""
    x: Tensor = torch.zeros(300, 2)
    x[0] = 1
    data = from_tensor("same", x, labels=torch.arange(300) % 2)
    with pytest.raises(ArithmeticError, match="it learned nothing from"):
        compare(data, data, "classifier:4")
