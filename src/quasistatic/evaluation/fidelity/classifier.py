"""The classifier two-sample test: can a classifier separate samples from held-out real examples?

    AUC         probability that a sample gets a higher score than a real example            ½ for equal distributions
    accuracy    fraction of examples classified correctly                                    ½ for equal distributions

With five folds, each example is scored by a classifier trained on the other four. The classifier may miss differences.
Each pair appears in both train and test roles, so the folds are correlated: the variance is up to twice that of
independent folds, and the standard errors allow for it.
Sources: Lopez-Paz & Oquab 2017 (arXiv:1610.06545); DeLong et al. 1988 for the error of an AUC.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from quasistatic.evaluation.fidelity.distance import Features, Others
from quasistatic.evaluation.fidelity.estimate import Estimate

FOLDS = 5
MEETINGS = 2
"""Factor of the variances; 0.7 to 2.1 was measured for logistic, nearest-neighbour and tree classifiers."""


def two_sample(real: Features, samples: Others, classifier: Any | None, seed: int) -> dict[str, Estimate]:
    """Return ``auc`` and ``accuracy``.

    Args:
        real: features of the real examples.
        samples: features of the samples.
        classifier: a scikit-learn classifier with ``predict_proba``; None uses gradient-boosted trees.
        seed: seed of the folds and the trees.
    """
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    chosen = HistGradientBoostingClassifier(random_state=seed) if classifier is None else classifier
    x = np.concatenate([real, samples])
    is_sample = np.arange(len(x)) >= len(real)
    areas, right = [], []
    for learn, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, is_sample):
        chance = clone(chosen).fit(x[learn], is_sample[learn]).predict_proba(x[judge])[:, 1]
        areas.append(area(chance[~is_sample[judge]], chance[is_sample[judge]]))
        right.append((chance > 0.5) == is_sample[judge])
    mean = float(np.mean([one.value for one in areas]))
    correct = np.concatenate(right)
    variance = sum(one.standard_error**2 for one in areas) / FOLDS**2
    return {
        "auc": Estimate(mean, float(np.sqrt(MEETINGS * variance))),
        "accuracy": Estimate(float(correct.mean()), float(np.sqrt(MEETINGS * correct.var() / len(correct)))),
    }


def area(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " m"]) -> Estimate:
    """Return P(low < high) + ½ P(low = high) over all pairs, with DeLong's standard error."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([low, high]))
    below = (ranks[len(low) :] - rankdata(high)) / len(low)  # share of `low` under each of `high`
    above = 1 - (ranks[: len(low)] - rankdata(low)) / len(high)
    error = np.sqrt(below.var(ddof=1) / len(high) + above.var(ddof=1) / len(low))
    return Estimate(float(below.mean()), float(error))
