"""The marginal null model: independent elements, for data that have probability 0 under the prior π.

    log p(x_i) = Σ_d log [ (n_d(x_id) − 1 + ½)/(N − 1 + K/2) ]

n_d(k) counts the examples with state k in element d, including the example itself, so each example is scored by the
N − 1 others. It replaces π in L_null for elements that π gives probability 0 (with masks, for instance).
Source: Krichevsky & Trofimov 1981 (the ½).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from quasistatic.types import Nats


def marginal_null(
    x: Shaped[Tensor, "examples elements"],
    prior: Float[Tensor, "examples elements"],
    states: Sequence[int],
) -> Nats:
    """Return the log-probability of each example under the marginal null model, in nats.

    Args:
        x: states of all examples that are scored together, flattened; NaN marks a missing element.
        prior: log π of each element.
        states: number of states K of each element; 0 for a number.
    """
    total = torch.zeros(len(x), dtype=torch.float64)
    outside = impossible(prior)
    for element, count in enumerate(states):
        values, own = x[:, element].double(), prior[:, element].double()
        if outside[element] and count:
            seen = ~values.isnan()
            places = values[seen].long()
            others = places.bincount(minlength=count)[places].double() - 0.5
            own = torch.zeros_like(values)
            own[seen] = (others / (len(places) - 1 + count / 2)).log()
        total = total + own
    return total


def impossible(prior: Float[Tensor, "examples elements"]) -> Bool[Tensor, " elements"]:
    """Return True for each element to which π gives probability 0 in some example."""
    return (prior == -torch.inf).any(0)
