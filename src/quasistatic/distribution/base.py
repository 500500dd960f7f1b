"""The interface of a distribution, and draws from a generator or from a stream per example.

Every method is elementwise: `log_prob` and `kl` have the shape of the state; sum them with `types.per_example`.
Nothing is clamped: an impossible value has log_prob −∞.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.streams import Streams
from quasistatic.types import Generator


class Distribution(ABC):
    """A distribution over each element of a state, independently."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """First moment, shaped like the state."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Second central moment, shaped like the state."""

    @property
    @abstractmethod
    def entropy(self) -> Tensor:
        """−E log p of each element, in nats; for a density it may be negative, and −∞ for a point mass."""

    @abstractmethod
    def sample(self, generator: Generator = None) -> Tensor:
        """Draw a state; with a stream per example, each draw depends on its own stream only."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density or log-mass of each element of ``x``, in nats."""

    @abstractmethod
    def kl(self, other: "Distribution") -> Tensor:
        """KL(self ‖ other) of each element, in nats; ``other`` is of the same family, else TypeError."""

    @abstractmethod
    def take(self, rows: Int[Tensor, " rows"]) -> "Distribution":
        """Return the distributions of the examples ``rows``, in that order; rows may repeat."""


def standard_normal(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw N(0, 1) with the shape, dtype and device of ``like``."""
    return generator.normal(like) if isinstance(generator, Streams) else _draw(torch.randn, like, generator)


def standard_uniform(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw U[0, 1) with the shape, dtype and device of ``like``."""
    return generator.uniform(like) if isinstance(generator, Streams) else _draw(torch.rand, like, generator)


def spread_uniform(count: int, generator: Generator = None) -> Float[Tensor, " batch"]:
    """Draw U[0, 1) for each of ``count`` examples, spread evenly over the examples; float64 on the CPU.

    With a stream per example, the value of an example does not depend on its batch; see `Streams.spread`.
    """
    if isinstance(generator, Streams):
        return generator.spread()
    shift = standard_uniform(torch.zeros(1, dtype=torch.float64), generator)
    return (torch.randperm(count, generator=generator) / count + shift) % 1


def _draw(kind, like: Tensor, generator: torch.Generator | None) -> Tensor:  # type: ignore[no-untyped-def]
    device = like.device if generator is None else generator.device
    return kind(like.shape, dtype=like.dtype, device=device, generator=generator).to(like.device)
