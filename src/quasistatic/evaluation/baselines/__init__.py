"""Baselines to compare a model's score with.

    histogram   independent values, by their frequencies in the training split
    mixture     Gaussian mixture with full covariances; with one component, a Gaussian
    forest      each value given those before it, by extremely randomised trees

All return the log-likelihood of each held-out example, in nats. Levels are scored by mass: a mixture is fitted to
levels with uniform noise of one level (`dequantised_values`), so its density is a lower bound on their mass. For
sequences see `ngram`; for elements with probability 0 under the prior see `marginal`.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.evaluation.score import ratio_and_error
from quasistatic.types import Nats

WORK = 1e12
"""Maximum multiplications to fit a mixture; larger mixtures are not tried."""

ROUNDS = 50
"""Maximum number of EM steps; a baseline need not converge."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Score of a baseline: bits/dim as in a `Score`, and each example's log-likelihood in nats.

    ``log_likelihoods`` is None for a baseline that scores only the whole set; its standard error is then NaN.
    """

    value: float
    standard_error: float
    log_likelihoods: Nats | None = None

    @classmethod
    def of(cls, log_likelihoods: Nats, units: int | Int[Tensor, " examples"]) -> "Baseline":
        """Summarise the log-likelihoods of examples with so many values, characters or bytes each."""
        each = torch.as_tensor(units).expand(len(log_likelihoods))
        return cls(*ratio_and_error(-log_likelihoods / math.log(2), each), log_likelihoods)

    @classmethod
    def of_whole(cls, log_likelihood: float, units: int) -> "Baseline":
        """Summarise the log-likelihood, in nats, of a whole set of so many values, characters or bytes."""
        return cls(-log_likelihood / (units * math.log(2)), math.nan)

    def to_dict(self) -> dict[str, float]:
        """Return the score of the whole set, for JSON."""
        return {"value": self.value, "standard_error": self.standard_error}


def histogram(train: Int[Tensor, "n d"], test: Int[Tensor, "m d"], levels: int) -> Nats:
    """Return the log-mass of independent values, by frequencies with add-one smoothing."""
    log_mass = _smoothed(train, levels).log()
    return log_mass.gather(1, test.long().T).T.sum(1)


def dequantised_values(values: Int[Tensor, "n d"], seed: int) -> Float[Tensor, "n d"]:
    """Return ``values`` plus U[0, 1) noise, float64; the mean log-density is then a lower bound on the log-mass."""
    return values + torch.from_numpy(np.random.default_rng(seed).uniform(size=tuple(values.shape)))


def mixture(
    train: Float[Tensor, "n d"],
    test: Float[Tensor, "m d"],
    components: Sequence[int] = (1, 2, 5, 10),
    ridge: float = 1e-6,
    seed: int = 0,
) -> Nats:
    """Return the log-density of a Gaussian mixture; the number of components is chosen on a fifth of the training data.

    Mixtures that would take more than `WORK` to fit, or have fewer than two examples per component, are not tried.

    Args:
        train: the training examples.
        test: the examples to score.
        components: numbers of components to choose from; the first is always tried.
        ridge: added to every variance.
        seed: seed of the initialisation.

    Raises:
        ValueError: if there are fewer than two training examples.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if len(train) < 2:
        raise ValueError(f"a Gaussian is fitted to two examples or more, got {len(train)}")
    known, asked = train.double().numpy(), test.double().numpy()
    cut = len(known) * 4 // 5
    largest = min(cut // 2, WORK / (len(known) * known.shape[1] ** 2 * ROUNDS))
    sizes = [components[0], *(size for size in components[1:] if size <= largest)]

    def fitted(size: int, data: np.ndarray) -> GaussianMixture:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return GaussianMixture(size, reg_covar=ridge, random_state=seed, max_iter=ROUNDS).fit(data)

    best = sizes[0]
    if len(sizes) > 1:
        best = max(sizes, key=lambda size: fitted(size, known[:cut]).score(known[cut:]))
    model = fitted(best, known)
    scores = [model.score_samples(asked[start : start + 1024]) for start in range(0, len(asked), 1024)]
    return torch.from_numpy(np.concatenate(scores))


def forest(train: Int[Tensor, "n d"], test: Int[Tensor, "m d"], levels: int, trees: int = 40, seed: int = 0) -> Nats:
    """Return the log-mass of an autoregressive forest, mixed with 5 % of the histogram."""
    from sklearn.ensemble import ExtraTreesClassifier

    known, asked = train.numpy(), test.numpy()
    alone = _smoothed(train, levels).numpy()
    total = np.zeros(len(asked))
    for place in range(known.shape[1]):
        mass = np.zeros((len(asked), levels))
        if place and len(np.unique(known[:, place])) > 1:
            model = ExtraTreesClassifier(trees, min_samples_leaf=3, random_state=seed, n_jobs=-1)
            model.fit(known[:, :place], known[:, place])
            mass[:, model.classes_] = model.predict_proba(asked[:, :place])
            share = 0.95
        else:
            share = 0.0
        smoothed = share * mass + (1 - share) * alone[place]
        total += np.log(smoothed[np.arange(len(asked)), asked[:, place]])
    return torch.from_numpy(total)


def _smoothed(train: Int[Tensor, "n d"], levels: int) -> Float[Tensor, "d levels"]:
    """Return the frequencies of each column's levels with add-one smoothing, float64."""
    columns = torch.arange(train.shape[1]) * levels
    counts = torch.ones(train.shape[1] * levels, dtype=torch.float64)
    for part in train.split(max(1, 2**24 // train.shape[1])):
        counts += torch.bincount((part.long() + columns).flatten(), minlength=len(counts))
    counts = counts.view(-1, levels)
    return counts / counts.sum(1, keepdim=True)
