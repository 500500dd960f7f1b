"""What a classifier's judgement says of samples, each number next to that of held-out real examples.

    sure             share of examples with a class of probability above 0.95                      realism
    accuracy         share of examples whose most probable class is their label
    evenness         entropy of the predicted classes over that of the real examples' (1 is even)  variety
    class distance   ½ Σ_c |p_c − q_c| of the shares of predicted classes (0 is equal)             variety

The class distance is not corrected for its positive bias at few examples; its real number, of two parts of the held-out
examples, has the same bias at the same number of examples.
The standard errors (jackknife) are of the choice of examples. They do not cover another training of the classifier.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped, jackknife
from quasistatic.evaluation.fidelity.judge import Judge, Judgement

SURE = 0.95
"""A classifier is sure above this probability."""


@dataclass(frozen=True)
class Beside:
    """A number of the samples, or None if they have no such number, and the same of held-out real examples."""

    samples: Estimate | None
    real: Estimate


@dataclass(frozen=True)
class Verdict:
    """What a classifier, trained on real examples, says of samples and of held-out real examples.

    Attributes:
        sure: share of examples with a class of probability above `SURE`.
        accuracy: share of examples whose most probable class is their label; None for samples without labels.
        evenness: entropy of the predicted classes over that of the real examples'.
        class_distance: total variation distance between the shares of predicted classes.
        classes: number of classes.
        learned_from: number of examples that the classifier learned from.
        held_out: number of real examples that it did not learn from, and that its accuracy is of.
    """

    sure: Beside
    accuracy: Beside
    evenness: Beside
    class_distance: Beside
    classes: int
    learned_from: int
    held_out: int


def verdict(real: Judgement, samples: Judgement, judge: Judge, draws: np.random.Generator) -> Verdict:
    """Return the measures of samples and of real examples that the classifier did not learn from.

    Args:
        real: the judgement of real examples, with labels; as many as there are samples are compared with these, and
            two halves of all with one another.
        samples: the judgement of the samples.
        judge: the classifier.
        draws: of the groups of the jackknife.

    Raises:
        ArithmeticError: if one class is predicted for almost all real examples.
    """
    half = len(real.chances) // 2
    even, apart = _classes(real.of(slice(len(samples.chances))), samples, draws)
    real_even, real_apart = _classes(real.of(slice(half)), real.of(slice(half, 2 * half)), draws)
    return Verdict(
        sure=Beside(_sure(samples, draws), _sure(real, draws)),
        accuracy=Beside(None if samples.labels is None else _right(samples, draws), _right(real, draws)),
        evenness=Beside(even, real_even),
        class_distance=Beside(apart, real_apart),
        classes=real.chances.shape[1],
        learned_from=judge.examples,
        held_out=len(real.chances),
    )


def _sure(judgement: Judgement, draws: np.random.Generator) -> Estimate:
    return _share(judgement.chances.max(1) > SURE, draws)


def _right(judgement: Judgement, draws: np.random.Generator) -> Estimate:
    return _share(judgement.chances.argmax(1) == judgement.labels, draws)


def _share(values: Bool[np.ndarray, " n"], draws: np.random.Generator) -> Estimate:
    groups = grouped(len(values), draws)
    size, found = np.bincount(groups), np.bincount(groups, values)
    return jackknife(values.mean(), (found.sum() - found) / (len(values) - size))


def _classes(real: Judgement, samples: Judgement, draws: np.random.Generator) -> tuple[Estimate, Estimate]:
    """Return the evenness and the class distance."""
    from scipy.stats import entropy

    p, q = (_shares(one, draws) for one in (real, samples))
    if np.count_nonzero(p, axis=1).min() < 2:
        raise ArithmeticError(
            "the classifier predicts one class for almost all held-out real examples: it learned nothing from the "
            "labels; use --features raw or pca:N"
        )
    h, g = entropy(p, axis=1), entropy(q, axis=1)
    apart = [np.abs(one - other).sum(1) / 2 for one, other in ((p[:1], q[:1]), (p[1:], q[:1]), (p[:1], q[1:]))]
    return jackknife(g[0] / h[0], g[0] / h[1:], g[1:] / h[0]), jackknife(apart[0][0], *apart[1:])


def _shares(judgement: Judgement, draws: np.random.Generator) -> Float[np.ndarray, "sets classes"]:
    """Return the shares of predicted classes: of all examples, then without each group of the jackknife."""
    predicted, classes = judgement.chances.argmax(1), judgement.chances.shape[1]
    places = grouped(len(predicted), draws) * classes + predicted
    counts = np.bincount(places, minlength=GROUPS * classes).reshape(GROUPS, classes)
    kept = np.concatenate([np.zeros((1, classes)), counts])
    left = counts.sum(0) - kept
    return left / left.sum(1, keepdims=True)
