"""Standard errors by the jackknife, leaving out one group of examples at a time.

    error² = Σ_sets (G − 1)/G Σ_g (θ₋g − mean θ₋)²        bias = Σ_sets (G − 1)(mean θ₋ − θ),    G = 20

The bootstrap does not work here: it repeats examples, and a copy is its own nearest neighbour at distance 0. Also, for
equal distributions the distances have no linear term, and the bootstrap is invalid. The jackknife is then conservative
(it doubles the variance of a quadratic statistic; Efron & Stein 1981, "The jackknife estimate of variance").
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

GROUPS = 20
"""Number of groups per set; the standard errors are then accurate to about a tenth."""


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    standard_error: float


def grouped(count: int, draws: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Assign ``count`` examples to groups 0 … GROUPS − 1 at random; group sizes differ by at most one."""
    return draws.permutation(np.arange(count) % GROUPS)


def jackknife(whole: float, *without: Float[np.ndarray, " groups"]) -> Estimate:
    """Return ``whole`` with its standard error, from the values without each group of each independent set."""
    count = len(without[0])
    variance = sum((count - 1) * values.var() for values in without)
    return Estimate(float(whole), float(np.sqrt(variance)))


def unbiased(whole: float, *without: Float[np.ndarray, " groups"]) -> Estimate:
    """Return the same, corrected for the bias in 1/n: linear extrapolation from n and n (G − 1)/G to 1/n = 0.

    Source: Quenouille 1956; for the Fréchet distance, Chong & Forsyth 2020 (arXiv:1911.07023) follow such a line too.
    """
    bias = sum((len(values) - 1) * (values.mean() - whole) for values in without)
    return Estimate(float(whole - bias), jackknife(whole, *without).standard_error)
