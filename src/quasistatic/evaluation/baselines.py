"""What simple models say of the same data: a score means little without them.

    histogram   each value on its own, from its frequencies in training
    mixture     Gaussian mixture of full covariance on data made continuous by noise within a level
    forest      each value from those before it, by extremely randomised trees

All return bits/dim of held-out data with a standard error over examples, as mass on the same levels.
"""

import math

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.evaluation.score import mean_and_error


def histogram(train: Int[Tensor, "n d"], test: Int[Tensor, "m d"], levels: int) -> tuple[float, float]:
    """Return bits/dim and its error of independent values, each level counted once more than it was seen."""
    counts = torch.nn.functional.one_hot(train.long(), levels).sum(0).double() + 1
    log_mass = (counts / counts.sum(1, keepdim=True)).log()
    picked = log_mass.gather(1, test.long().T).T
    return mean_and_error(-picked.sum(1) / (test.shape[1] * math.log(2)))


def mixture(
    train: Int[Tensor, "n d"], test: Int[Tensor, "m d"], components: tuple[int, ...] = (1, 2, 5, 10), seed: int = 0
) -> tuple[float, float]:
    """Return bits/dim and its error of the Gaussian mixture whose size fits a fifth of the training data best.

    Values get uniform noise of one level, so the density bounds the mass (theory of dequantisation, bits ≥ true bits).
    """
    from sklearn.mixture import GaussianMixture

    noise = np.random.default_rng(seed)
    known = train.numpy() + noise.uniform(size=train.shape)
    asked = test.numpy() + noise.uniform(size=test.shape)
    cut = len(known) * 4 // 5

    def fitted(size: int, data: np.ndarray) -> GaussianMixture:
        return GaussianMixture(size, reg_covar=1e-1, random_state=seed, max_iter=50).fit(data)

    best = max(components, key=lambda size: fitted(size, known[:cut]).score(known[cut:]))
    scores = torch.from_numpy(fitted(best, known).score_samples(asked))
    return mean_and_error(-scores / (test.shape[1] * math.log(2)))


def forest(
    train: Int[Tensor, "n d"], test: Int[Tensor, "m d"], levels: int, trees: int = 40, seed: int = 0
) -> tuple[float, float]:
    """Return bits/dim and its error of an autoregressive forest, a twentieth of it mixed with the histogram."""
    from sklearn.ensemble import ExtraTreesClassifier

    known, asked = train.numpy(), test.numpy()
    counts = torch.nn.functional.one_hot(train.long(), levels).sum(0).double().numpy() + 1
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
        smoothed = share * mass + (1 - share) * counts[place] / counts[place].sum()
        total += np.log(smoothed[np.arange(len(asked)), asked[:, place]])
    return mean_and_error(torch.from_numpy(-total) / (known.shape[1] * math.log(2)))
