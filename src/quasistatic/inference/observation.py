"""Observations: log r(x) of clean data, for any positive function r, with the operations that methods need.

    Known       some elements are known                        r = δ(x = y) on a mask          exact tilt
    Noisy       some elements are known with noise             r = N(y; x, std²) on a mask     exact tilt
    Weights     a weight for each state of each element        r = Π exp(log_r[state])         exact tilt
    Within      cells within limits, or seen with noise        r = Π r_i, see `distribution.limits`
    Linear      y = A x + noise (in `linear`)                  r = N(y; A x, std²)
    Labelled    a classifier's label                           r = p(label | x)
    Function    any function of the data                       r = exp(log_r(x))
    ProductObservation  several of these: their logs add               a * b

The posterior is p(x) r(x) / E_p r, and E_p r is the evidence. If r is a product over elements (`Factorised`), the
product of r with independent elements is again independent: `tilt` returns it. E[r] is exact here; otherwise
`expected` estimates it, and particles are weighted.
Source: Sohl-Dickstein et al. 2015, §2.5, eq. 16.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.distribution.limits import Limits
from quasistatic.inference import tilt
from quasistatic.types import Label, Mask, Nats, State, per_example

Rows = Int[Tensor, " rows"]


class Observation(ABC):
    """log r(x) for each example of a batch."""

    @abstractmethod
    def log_prob(self, x: State) -> Nats:
        """log r(x) of clean data, in nats; −∞ where it is impossible."""

    @abstractmethod
    def expected(self, clean: Distribution) -> Nats:
        """log E r(x) over a guess of the data, in nats: exact for `Factorised`, otherwise an estimate."""

    @abstractmethod
    def take(self, rows: Rows) -> "Observation":
        """Return the observations of the examples ``rows``, in that order; rows may repeat."""

    @property
    def parts(self) -> tuple["Observation", ...]:
        """The factors of this observation."""
        return (self,)

    def __mul__(self, other: "Observation") -> "ProductObservation":
        return ProductObservation((*self.parts, *other.parts))


class Factorised(Observation):
    """An observation of each element by itself."""

    @abstractmethod
    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, " batch *shape"]]:
        """Return the guess times r, and log E r of each element in nats: both exact.

        Raises:
            TypeError: if r does not support the family of the guess.
        """

    def expected(self, clean: Distribution) -> Nats:
        return per_example(self.tilt(clean)[1].double())


@final
@dataclass(frozen=True, eq=False)
class Known(Factorised):
    """Known elements; values outside the mask are not read.

    The evidence is p(known part), a density or a mass, and `log_prob` is 0 or −∞.

    Raises:
        ValueError: if the mask has another shape.
    """

    mask: Mask
    values: State

    def __post_init__(self) -> None:
        _check_shape("a mask", self.mask, self.values)
        object.__setattr__(self, "values", torch.where(self.mask, self.values, 0))

    def log_prob(self, x: State) -> Nats:
        agrees = ((x == self.values) | ~self.mask).flatten(1).all(1)
        return torch.where(agrees, 0.0, -torch.inf).double()

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, " batch *shape"]]:
        return tilt.pinned(clean, self.mask, self.values)

    def take(self, rows: Rows) -> "Known":
        return _unchecked(Known, mask=self.mask[rows], values=self.values[rows])


@final
@dataclass(frozen=True, eq=False)
class Noisy(Factorised):
    """Elements observed with noise, y = x + N(0, std²), for denoising and for inpainting from noisy values.

    Args:
        y: observed values; values outside the mask are not read.
        std: standard deviation of the noise, above 0, in state units; one per element.
        mask: True where an element was observed.

    Raises:
        ValueError: if shapes differ, or a std is not above 0.
    """

    y: Float[Tensor, " batch *shape"]
    std: Float[Tensor, " batch *shape"]
    mask: Mask

    def __post_init__(self) -> None:
        _check_shape("a mask", self.mask, self.y)
        _check_shape("a std", self.std, self.y)
        if not bool((self.std > 0).all()):
            raise ValueError(f"noise has a std above 0, got {self.std.min().item():g}; what is certain is `Known`")
        object.__setattr__(self, "y", torch.where(self.mask, self.y, 0))

    def log_prob(self, x: State) -> Nats:
        gap = (self.y - x) / self.std
        log_r = -0.5 * gap**2 - self.std.log() - 0.5 * torch.log(torch.tensor(2 * torch.pi))
        return per_example(torch.where(self.mask, log_r, 0).double())

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, " batch *shape"]]:
        return tilt.near(clean, self.mask, self.y, self.std)

    def take(self, rows: Rows) -> "Noisy":
        return _unchecked(Noisy, y=self.y[rows], std=self.std[rows], mask=self.mask[rows])


@final
@dataclass(frozen=True, eq=False)
class Within(Observation):
    """Cells of rows within limits, or seen with noise, for the method reveal: r is the product of their factors.

    Attributes:
        limits: by column, with as many rows as there are examples.
    """

    limits: Limits

    def log_prob(self, x: State) -> Nats:
        total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for column, limit in self.limits.items():
            state = x[:, column].double()
            parts = limit.parts.to(state)[torch.arange(len(x)), state.long()]
            place = state - state.floor()
            inside = (place >= parts[:, 0]) & (place <= parts[:, 1])
            total += torch.where(inside, 0.0 if limit.noise is None else limit.noise.log_r(state), -torch.inf)
        return total

    def expected(self, clean: Distribution) -> Nats:
        """Not available.

        Raises:
            TypeError: always: cells within limits are drawn, not weighted.
        """
        raise TypeError("cells within limits or with noise are for the method reveal; leave the method out")

    def take(self, rows: Rows) -> "Within":
        return Within({column: limit.take(rows) for column, limit in self.limits.items()})


@final
@dataclass(frozen=True, eq=False)
class Weights(Factorised):
    """A log-weight for each state of each element: any factorising function of discrete data.

    States are numbered 0 … K − 1; a bit has two states, and a level's number is its index.

    Raises:
        ValueError: if a log-weight is NaN or +∞.
    """

    log_r: Float[Tensor, "batch *shape states"]

    def __post_init__(self) -> None:
        check_log_r(self.log_r)

    def log_prob(self, x: State) -> Nats:
        return per_example(self.log_r.gather(-1, x.long()[..., None])[..., 0].double())

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, " batch *shape"]]:
        return tilt.weighted(clean, self.log_r)

    def take(self, rows: Rows) -> "Weights":
        return _unchecked(Weights, log_r=self.log_r[rows])


@final
@dataclass(frozen=True, eq=False)
class Function(Observation):
    """Any function log r(x) of clean data, per example; differentiable, if a method needs its gradient.

    `expected` is log r at the mean of the guess, or at its most probable states for unordered states: an estimate that
    takes one evaluation.
    """

    log_r: Callable[[State], Nats]

    def log_prob(self, x: State) -> Nats:
        """log r(x), in nats.

        Raises:
            ValueError: if the function returns NaN or +∞, or not one number per example.
        """
        value = self.log_r(x)
        if tuple(value.shape) != (len(x),):
            raise ValueError(f"log r(x) is a number for each of {len(x)} examples, got shape {tuple(value.shape)}")
        return check_log_r(value).double()

    def expected(self, clean: Distribution) -> Nats:
        return self.log_prob(center(clean))

    def take(self, rows: Rows) -> "Function":
        return self


@final
@dataclass(frozen=True, eq=False)
class Labelled(Observation):
    """A label and a classifier of clean data, r = p(label | x); `expected` evaluates it at the centre of the guess.

    Args:
        classifier: states (batch, …) → log-probabilities (batch, classes).
        label: the label of each example.
    """

    classifier: Callable[[State], Float[Tensor, "batch classes"]]
    label: Label

    def log_prob(self, x: State) -> Nats:
        """log p(label | x), in nats.

        Raises:
            ValueError: if the classifier returns NaN or +∞.
        """
        return check_log_r(self.classifier(x).gather(1, self.label[:, None])[:, 0]).double()

    def expected(self, clean: Distribution) -> Nats:
        return self.log_prob(center(clean))

    def take(self, rows: Rows) -> "Labelled":
        return Labelled(self.classifier, self.label[rows])


@final
@dataclass(frozen=True, eq=False)
class ProductObservation(Observation):
    """A product of observations: logs add. Factorising ones come first, so that the others use the tilted guess."""

    factors: tuple[Observation, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.factors, key=lambda part: not isinstance(part, Factorised))
        object.__setattr__(self, "factors", tuple(ordered))

    @property
    def parts(self) -> tuple[Observation, ...]:
        return self.factors

    def log_prob(self, x: State) -> Nats:
        return torch.stack([part.log_prob(x) for part in self.factors]).sum(0)

    def expected(self, clean: Distribution) -> Nats:
        clean, total = tilted(self, clean)
        rest = [part.expected(clean) for part in others(self)]
        return torch.stack([total, *rest]).sum(0)

    def take(self, rows: Rows) -> "ProductObservation":
        return ProductObservation(tuple(part.take(rows) for part in self.factors))


def tilted(observation: Observation, clean: Distribution) -> tuple[Distribution, Nats]:
    """Return the guess times the factorising part of the observation, and log E of that part, in nats; both exact."""
    total = torch.zeros(len(clean.mean), dtype=torch.float64, device=clean.mean.device)
    for part in observation.parts:
        if isinstance(part, Factorised):
            clean, log_p = part.tilt(clean)
            total = total + per_example(log_p.double())
    return clean, total


def others(observation: Observation) -> Sequence[Observation]:
    """Return the factors that `tilted` does not apply."""
    return [part for part in observation.parts if not isinstance(part, Factorised)]


def center(clean: Distribution) -> State:
    """Return the mean of a guess, or its most probable states for bits and categories."""
    match clean:
        case Categorical():
            return clean.logits.argmax(-1)
        case Bernoulli():
            return (clean.logits > 0).to(clean.logits)
    return clean.mean


def check_log_r(value: Tensor) -> Tensor:
    """Return ``value`` (log r) after a check.

    Raises:
        ValueError: if a value is NaN or +∞; −∞ (impossible) is allowed.
    """
    wrong = value.isnan() | (value == torch.inf)
    if bool(wrong.any()):
        place = wrong.nonzero()[0].tolist()
        raise ValueError(f"log r(x) is a number or −∞, got {value[tuple(place)].item():g} for example {place[0]}")
    return value


def _check_shape(what: str, came: Tensor, wanted: Tensor) -> None:
    if came.shape != wanted.shape:
        raise ValueError(f"{what} covers states of shape {tuple(wanted.shape)}, got one of shape {tuple(came.shape)}")


def _unchecked(kind, **fields: Tensor):  # type: ignore[no-untyped-def]
    """Make an observation without checks, from rows of a checked one."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made
