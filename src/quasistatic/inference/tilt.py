"""Tilts: multiplies the distribution of each element by a positive function of it; returns also the log-normaliser.

    tilted(x) = p(x) r(x) / E_p r,     log E_p r

pinned     r = δ(x = y) where known                    log p(y)
near       r = N(y; x, std²) where known               a Normal: log N(y; m, w² + std²); masses on numbers: a sum
weighted   r = exp(log_r) of each state                Bernoulli, Categorical, Levels: a sum over the states

All are exact, because elements are independent. Each returns the tilted distribution and log E_p r of each element.
Source: Sohl-Dickstein et al. 2015, §2.5 and table App.1 (its binomial row has x_i where c_i is meant).
"""

import math

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from quasistatic.distribution import (
    Bernoulli,
    Categorical,
    Distribution,
    LevelMixture,
    Levels,
    Normal,
    Quantized,
    fixed,
)

Elements = Float[Tensor, "batch *shape"]


def pinned(
    law: Distribution, mask: Bool[Tensor, " batch *shape"], values: Shaped[Tensor, " batch *shape"]
) -> tuple[Distribution, Elements]:
    """Return the law with all mass on ``values`` where ``mask``, and log p(values) there (0 elsewhere), in nats.

    Raises:
        TypeError: if the family of the distribution is not supported.
    """
    return fixed(law, mask, values), torch.where(mask, law.log_prob(values), 0)


def near(
    law: Distribution, mask: Bool[Tensor, " batch *shape"], y: Elements, std: Elements
) -> tuple[Distribution, Elements]:
    """Return the law given y = x + noise of the given std where ``mask``, and log p(y) there (0 elsewhere), in nats.

    Raises:
        TypeError: if the states are not numbers.
    """
    if isinstance(law, Normal):
        spread = law.variance + std**2
        log_p = -0.5 * ((y - law.mean) ** 2 / spread + spread.log() + math.log(2 * math.pi))
        mean, variance = (law.mean * std**2 + y * law.variance) / spread, law.variance * std**2 / spread
        tilted = Normal(torch.where(mask, mean, law.mean), torch.where(mask, variance.sqrt(), law.std))
        return tilted, torch.where(mask, log_p, 0)
    if not isinstance(law, Levels | LevelMixture | Quantized | Bernoulli):
        raise TypeError(
            f"a noisy value is of a number, and not all states of a {type(law).__name__} are; use known ones"
        )
    levels = torch.tensor([0.0, 1.0]).to(y) if isinstance(law, Bernoulli) else law.levels.to(y)
    gap = (y[..., None] - levels) / std[..., None]
    log_r = -0.5 * gap**2 - std[..., None].log() - 0.5 * math.log(2 * math.pi)
    return weighted(law, torch.where(mask[..., None], log_r, 0))


def weighted(law: Distribution, log_r: Float[Tensor, "batch *shape states"]) -> tuple[Distribution, Elements]:
    """Return the law with each state's mass times exp(log_r), normalised, and the log-normaliser, in nats.

    Raises:
        TypeError: if the law is not a mass on listed states.
    """
    match law:
        case Quantized() | LevelMixture():
            return weighted(law.as_levels(), log_r)
        case Levels():
            return Levels(law.logits + log_r, law.levels), (law.log_masses + log_r).logsumexp(-1)
        case Bernoulli():
            total = (law.log_masses + log_r).logsumexp(-1)
            return Bernoulli(law.logits + log_r[..., 1] - log_r[..., 0]), total
        case Categorical():
            return Categorical(law.logits + log_r), (law.log_masses + log_r).logsumexp(-1)
    raise TypeError(f"weights are for states that can be listed, and {type(law).__name__} has none; use a noisy value")
