"""Puts all mass of some elements on given values."""

import math

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic.distribution.base import Distribution
from quasistatic.distribution.discrete import Bernoulli, Categorical
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.levels import Levels, Quantized, nearest_level
from quasistatic.distribution.masked import MASK, Masked
from quasistatic.distribution.mixture import LevelMixture
from quasistatic.distribution.normal import Normal
from quasistatic.distribution.product import ProductDistribution, columns_of


def fixed(
    law: Distribution, mask: Bool[Tensor, " batch *shape"], values: Shaped[Tensor, " batch *shape"]
) -> Distribution:
    """Return the law with all mass on ``values`` where ``mask``.

    Raises:
        TypeError: if the family of the distribution is not supported.
    """
    match law:
        case Normal():
            return Normal(torch.where(mask, values, law.mean), torch.where(mask, 0, law.std))
        case Bernoulli():
            certain = torch.where(values == 1, math.inf, -math.inf).to(law.logits)
            return Bernoulli(torch.where(mask, certain, law.logits))
        case Quantized() | LevelMixture():
            return fixed(law.as_levels(), mask, values)
        case Levels():
            return Levels(_only(law.logits, mask, nearest_level(values, law.levels)), law.levels)
        case Categorical():
            return Categorical(_only(law.logits, mask, values))
        case Histograms():
            return Masked(torch.where(mask, values, MASK).to(law.logits), torch.zeros_like(values), law)
        case Masked():
            covered = (values == MASK).to(law.hidden)
            return Masked(torch.where(mask, values, law.known), torch.where(mask, covered, law.hidden), law.law)
        case ProductDistribution():
            own = [(columns, part, columns_of(values, columns, part)) for columns, part in law.parts]
            parts = tuple((columns, fixed(part, mask[..., list(columns)], x)) for columns, part, x in own)
            return ProductDistribution(parts, law.absent)
    raise TypeError(
        f"no element of a {type(law).__name__} can be fixed; give its family a case in `distribution.fixed`"
    )


def _only(logits: Tensor, mask: Tensor, state: Tensor) -> Tensor:
    """Set the logits of all states but ``state`` to −∞, where ``mask``."""
    others = torch.ones_like(logits, dtype=torch.bool).scatter_(-1, state[..., None].long(), False)
    return torch.where(mask[..., None], torch.where(others, -math.inf, 0.0).to(logits), logits)
