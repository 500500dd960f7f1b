"""Linear observations with noise, y = A x + N(0, std²): super-resolution, blur, any matrix.

    E r over a guess N(m, diag w²):   N( y; A m, A diag(w²) Aᵀ + std² )

A is an `Operator`: a matrix, or a function with its adjoint. A matrix uses the full covariance. A function uses its
diagonal, which is exact if no two values of y depend on the same element (means of separate blocks).
Source: Song et al. 2023 (ΠGDM), eq. 7–9, with the guess's own variance in place of theirs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, interpolate

from quasistatic.distribution import Distribution, Normal
from quasistatic.inference.observation import Observation
from quasistatic.types import Nats, State

Seen = Float[Tensor, "batch *seen"]


class Operator(ABC):
    """A linear map of states, without noise."""

    @abstractmethod
    def apply(self, x: State) -> Seen:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Seen) -> State:
        """Aᵀ y."""

    @abstractmethod
    def log_normal(self, gap: Seen, variance: State, noise: float) -> Nats:
        """log N(gap; 0, A diag(variance) Aᵀ + noise²), in nats."""


@final
@dataclass(frozen=True, eq=False)
class Matrix(Operator):
    """A matrix over the flattened elements of an example; uses the full covariance."""

    matrix: Float[Tensor, "seen elements"]
    shape: tuple[int, ...]

    def apply(self, x: State) -> Seen:
        return x.flatten(1) @ self.matrix.mT.to(x)

    def adjoint(self, y: Seen) -> State:
        return (y @ self.matrix.to(y)).unflatten(1, self.shape)

    def log_normal(self, gap: Seen, variance: State, noise: float) -> Nats:
        a = self.matrix.to(gap)
        covariance = (a * variance.flatten(1)[:, None]) @ a.mT + noise**2 * torch.eye(len(a)).to(gap)
        root = torch.linalg.cholesky(covariance)
        z = torch.linalg.solve_triangular(root, gap[..., None], upper=False)[..., 0]
        log_std = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return (-0.5 * (z**2).sum(-1) - log_std - 0.5 * len(a) * math.log(2 * math.pi)).double()


@final
@dataclass(frozen=True, eq=False)
class Map(Operator):
    """A function with its adjoint; uses the diagonal of the covariance.

    Args:
        function: x → A x.
        back: y → Aᵀ y.
        squares: v → (A ∘ A) v, the diagonal of A diag(v) Aᵀ.
    """

    function: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]
    squares: Callable[[Tensor], Tensor]

    def apply(self, x: State) -> Seen:
        return self.function(x)

    def adjoint(self, y: Seen) -> State:
        return self.back(y)

    def log_normal(self, gap: Seen, variance: State, noise: float) -> Nats:
        return independent(gap, self.squares(variance) + noise**2)


@final
@dataclass(frozen=True)
class BlockMeans(Operator):
    """Means of an image over blocks of ``factor`` × ``factor`` pixels."""

    factor: int

    def apply(self, x: State) -> Seen:
        return avg_pool2d(x, self.factor)

    def adjoint(self, y: Seen) -> State:
        return self._wide(y) / self.factor**2

    def log_normal(self, gap: Seen, variance: State, noise: float) -> Nats:
        return independent(gap, self.apply(variance) / self.factor**2 + noise**2)

    def matched(self, law: Distribution, y: Seen, noise: float) -> Normal:
        """Return the Normal of each element given its block's mean, y with noise, after N(mean, variance) before.

        A law of images with these means stays as it is.
        """
        mean, variance, count = law.mean, law.variance, self.factor**2
        gain = variance / self._wide(self.apply(variance) * count + (count * noise) ** 2)
        return Normal(
            mean + gain * count * self._wide(y - self.apply(mean)),
            (variance * (1 - gain)).clamp(min=torch.finfo(mean.dtype).tiny).sqrt(),
        )

    def _wide(self, y: Seen) -> State:
        """Return each block's value on all its pixels."""
        return interpolate(y, scale_factor=self.factor)


def independent(gap: Seen, variance: Seen) -> Nats:
    """log N(gap; 0, diag(variance)), in nats."""
    return -0.5 * (gap**2 / variance + variance.log() + math.log(2 * math.pi)).flatten(1).sum(1).double()


@final
@dataclass(frozen=True, eq=False)
class LinearObservation(Observation):
    """y = A x + noise of one std, in state units.

    Raises:
        ValueError: if ``std`` is not above 0.
    """

    operator: Operator
    y: Seen
    std: float

    def __post_init__(self) -> None:
        if self.std <= 0:
            raise ValueError(f"noise has a std above 0, got {self.std:g}; give what is certain a small one")

    def log_prob(self, x: State) -> Nats:
        gap = (self.y - self.operator.apply(x)) / self.std
        return (-0.5 * gap**2 - math.log(self.std) - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1).double()

    def expected(self, clean: Distribution) -> Nats:
        """log E r: exact for a matrix and a Normal guess; for other guesses by their first two moments."""
        return self.around(clean.mean, clean.variance)

    def around(self, mean: State, variance: State) -> Nats:
        """log N(y; A mean, A diag(variance) Aᵀ + std²), in nats."""
        return self.operator.log_normal(self.y - self.operator.apply(mean), variance.expand_as(mean), self.std)

    def take(self, rows: Int[Tensor, " rows"]) -> "LinearObservation":
        return LinearObservation(self.operator, self.y[rows], self.std)


def by_matrix(
    matrix: Float[Tensor, "seen elements"], y: Float[Tensor, "batch seen"], std: float, shape: tuple[int, ...]
) -> LinearObservation:
    """Observe y = A x + noise for a matrix over the flattened elements of examples of ``shape``.

    Raises:
        ValueError: if the matrix does not fit ``shape`` or ``y``, or ``std`` is not above 0.
    """
    if matrix.shape != (y.shape[1], math.prod(shape)):
        raise ValueError(
            f"a matrix from {math.prod(shape)} elements to {y.shape[1]} values has shape "
            f"{(y.shape[1], math.prod(shape))}, got {tuple(matrix.shape)}"
        )
    return LinearObservation(Matrix(matrix, shape), y, std)


def super_resolution(y: Float[Tensor, "batch channels rows columns"], factor: int, std: float) -> LinearObservation:
    """Observe an image's means over blocks of ``factor`` × ``factor`` pixels, with noise.

    Raises:
        ValueError: if ``factor`` is below 2 or ``std`` is not above 0.
    """
    if factor < 2:
        raise ValueError(f"super-resolution has a factor of 2 or more, got {factor}")
    return LinearObservation(BlockMeans(factor), y, std)


def blurred(
    y: Float[Tensor, "batch channels rows columns"], kernel: Float[Tensor, "height width"], std: float
) -> LinearObservation:
    """Observe an image blurred by a kernel with odd sides (zero padding), with noise.

    Raises:
        ValueError: if a side of the kernel is even, or ``std`` is not above 0.
    """
    if not all(side % 2 for side in kernel.shape):
        raise ValueError(f"a blur's kernel has odd sides, got {'×'.join(map(str, kernel.shape))}")
    padding = (kernel.shape[0] // 2, kernel.shape[1] // 2)

    def convolved(x: Tensor, weights: Tensor, turn: Callable[..., Tensor] = conv2d) -> Tensor:
        each = weights.to(x).expand(x.shape[1], 1, *weights.shape)
        return turn(x, each, padding=padding, groups=x.shape[1])

    return LinearObservation(
        Map(
            lambda x: convolved(x, kernel),
            lambda seen: convolved(seen, kernel, conv_transpose2d),
            lambda v: convolved(v, kernel**2),
        ),
        y,
        std,
    )
