"""Joint law of columns of different kinds: several distributions side by side, as one over a floating state.

The columns are independent given what the law was made from. An element that is NaN is absent: it has no law.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import Categorical, Distribution
from quasistatic.types import Generator


@dataclass(frozen=True, eq=False)
class ProductDistribution(Distribution):
    """Independent parts, each over columns of its own; the state is one floating tensor (batch, columns).

    A state of a Categorical is held as its index. An element that was not observed is NaN: it is integrated out, so its
    log_prob is 0, and where the law itself is ``absent`` draws are NaN and kl is 0.

    Attributes:
        parts: (columns, their law), the columns 0 … n − 1 once each.
        absent: (batch, columns), True where there is no element; None where all are there.
    """

    parts: tuple[tuple[tuple[int, ...], Distribution], ...]
    absent: Tensor | None = None

    @property
    def mean(self) -> Float[Tensor, "batch columns"]:
        return self.joined([law.mean for _, law in self.parts])

    @property
    def variance(self) -> Float[Tensor, "batch columns"]:
        return self.joined([law.variance.expand_as(law.mean) for _, law in self.parts])

    @property
    def entropy(self) -> Float[Tensor, "batch columns"]:
        """−E log p of each element in nats; 0 where the law is absent."""
        return self._but_absent(self.joined([law.entropy.expand_as(law.mean) for _, law in self.parts]), 0.0)

    def sample(self, generator: Generator = None) -> Float[Tensor, "batch columns"]:
        """Draw a state; NaN where the law is absent."""
        return self._but_absent(self.joined([law.sample(generator) for _, law in self.parts]), math.nan)

    def log_prob(self, x: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """Log-density or log-mass in nats; 0 where ``x`` is NaN."""
        seen, filled = ~x.isnan(), x.nan_to_num(0.0, torch.inf, -torch.inf)
        values = [law.log_prob(columns_of(filled, columns, law)) for columns, law in self.parts]
        return torch.where(seen, self.joined(values), 0)

    def kl(self, other: Distribution) -> Float[Tensor, "batch columns"]:
        """KL of each element in nats; 0 where this law is absent."""
        if not isinstance(other, ProductDistribution) or [c for c, _ in self.parts] != [c for c, _ in other.parts]:
            raise TypeError(
                f"a ProductDistribution is compared with one over the same columns, got {type(other).__name__}"
            )
        pairs = zip(self.parts, other.parts, strict=True)
        return self._but_absent(self.joined([mine.kl(theirs) for (_, mine), (_, theirs) in pairs]), 0.0)

    def take(self, rows: Int[Tensor, " rows"]) -> "ProductDistribution":
        """Return the laws of the examples ``rows``, in that order."""
        absent = None if self.absent is None else self.absent[rows]
        return ProductDistribution(tuple((columns, law.take(rows)) for columns, law in self.parts), absent)

    def joined(self, values: Sequence[Tensor]) -> Float[Tensor, "batch columns"]:
        """Put the parts' ``values`` side by side, in the order of the columns."""
        return joined([columns for columns, _ in self.parts], values)

    def _but_absent(self, value: Tensor, instead: float) -> Tensor:
        return value if self.absent is None else torch.where(self.absent, instead, value)


def columns_of(x: Float[Tensor, "batch columns"], columns: Sequence[int], law: Distribution | None = None) -> Tensor:
    """Return the given columns of a product's state, as integers where ``law`` is a Categorical."""
    part = x[..., list(columns)]
    return part.long() if isinstance(law, Categorical) else part


def joined(columns: Sequence[tuple[int, ...]], values: Sequence[Tensor]) -> Float[Tensor, "batch columns"]:
    """Put ``values``, each of its own ``columns``, side by side in the order of the columns."""
    place = torch.tensor([column for own in columns for column in own]).argsort()
    floating = [value if value.is_floating_point() else value.to(torch.get_default_dtype()) for value in values]
    return torch.cat(floating, -1)[..., place.to(floating[0].device)]
