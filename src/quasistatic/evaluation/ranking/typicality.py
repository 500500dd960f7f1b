"""Typicality: whether a score is among those of known examples, neither too high nor too low.

Likelihood alone misses odd examples that a model finds easy, such as flat images: their bits are too few, not too many.
Source: Nalisnick et al. 2019 (arXiv:1906.02994), for single examples: the empirical law of the score replaces the
distance of its mean from the entropy.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def typicality(scores: Float[Tensor, " n"], known: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
    """Return the two-sided empirical p-value of each score among ``known`` scores.

        p = min(1, 2 min( 1 + #{known ≤ score}, 1 + #{known ≥ score} ) / (m + 1))

    If a score is drawn from the law of the known ones, P(p ≤ u) ≤ u for each u. The smallest p is 2/(m + 1).
    """
    ordered = known.sort().values.contiguous()
    below = torch.searchsorted(ordered, scores.contiguous(), right=True)
    above = len(known) - torch.searchsorted(ordered, scores.contiguous())
    return (2 * (1 + torch.minimum(below, above)).double() / (len(known) + 1)).clamp(max=1)
