"""Observations: log r(x) of clean data, any positive function, with what each method of inference asks of it.

    Known       some elements are known                        r = δ(x = y) on a mask          exact tilt
    Noisy       some elements are known with noise             r = N(y; x, std²) on a mask     exact tilt
    Weights     a weight for each state of each element        r = Π exp(log_r[state])         exact tilt
    Linear      y = A x + noise (in `linear`)                  r = N(y; A x, std²)
    Labelled    a classifier's label                           r = p(label | x)
    Function    any function of the data                       r = exp(log_r(x))
    ProductObservation  several of these: their logs add               a * b

The posterior is p(x) r(x) / E_p r, and E_p r is the evidence. Where r is a product over elements (`Factorised`), a law
of independent elements times r is again one, and E r is had exactly: that is `tilt`. All else is met by `expected`, an
estimate of log E r, and by weighing.
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
        """log E r(x) over a guess of the data, in nats: exact for `Factorised`, else an estimate."""

    @abstractmethod
    def take(self, rows: Rows) -> "Observation":
        """Return the observations of the examples ``rows``, in that order; one may come several times."""

    @property
    def parts(self) -> tuple["Observation", ...]:
        """The observations that this one is the product of."""
        return (self,)

    def __mul__(self, other: "Observation") -> "ProductObservation":
        return ProductObservation((*self.parts, *other.parts))


class Factorised(Observation):
    """An observation of each element by itself."""

    @abstractmethod
    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, "batch *shape"]]:
        """Return the guess times r, and log E r of each element in nats: both exact.

        Raises:
            TypeError: if the guess is of a family that r does not suit.
        """

    def expected(self, clean: Distribution) -> Nats:
        return per_example(self.tilt(clean)[1].double())


@final
@dataclass(frozen=True, eq=False)
class Known(Factorised):
    """Elements that are known; what lies outside the mask is not read.

    As a density or mass of what is known: the evidence is p(known part), and `log_prob` is 0 or −∞.

    Raises:
        ValueError: if the mask is of another shape.
    """

    mask: Mask
    values: State

    def __post_init__(self) -> None:
        _check_shape("a mask", self.mask, self.values)
        object.__setattr__(self, "values", torch.where(self.mask, self.values, 0))

    def log_prob(self, x: State) -> Nats:
        agrees = ((x == self.values) | ~self.mask).flatten(1).all(1)
        return torch.where(agrees, 0.0, -torch.inf).double()

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, "batch *shape"]]:
        return tilt.pinned(clean, self.mask, self.values)

    def take(self, rows: Rows) -> "Known":
        return _unchecked(Known, mask=self.mask[rows], values=self.values[rows])


@final
@dataclass(frozen=True, eq=False)
class Noisy(Factorised):
    """Elements seen with noise, y = x + N(0, std²): denoising, and inpainting from noisy values.

    Args:
        y: what was seen; what lies outside the mask is not read.
        std: of the noise, above 0, in the units of the states; a number for each element.
        mask: True where an element was seen.

    Raises:
        ValueError: if shapes differ, or a std is not above 0.
    """

    y: Float[Tensor, "batch *shape"]
    std: Float[Tensor, "batch *shape"]
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

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, "batch *shape"]]:
        return tilt.near(clean, self.mask, self.y, self.std)

    def take(self, rows: Rows) -> "Noisy":
        return _unchecked(Noisy, y=self.y[rows], std=self.std[rows], mask=self.mask[rows])


@final
@dataclass(frozen=True, eq=False)
class Weights(Factorised):
    """A weight for each state of each element, as logarithms: any function of discrete data that factorises.

    States are counted 0 … K − 1; a bit has two, a level its place among the levels.

    Raises:
        ValueError: if a log-weight is NaN or +∞.
    """

    log_r: Float[Tensor, "batch *shape states"]

    def __post_init__(self) -> None:
        check_log_r(self.log_r)

    def log_prob(self, x: State) -> Nats:
        return per_example(self.log_r.gather(-1, x.long()[..., None])[..., 0].double())

    def tilt(self, clean: Distribution) -> tuple[Distribution, Float[Tensor, "batch *shape"]]:
        return tilt.weighted(clean, self.log_r)

    def take(self, rows: Rows) -> "Weights":
        return _unchecked(Weights, log_r=self.log_r[rows])


@final
@dataclass(frozen=True, eq=False)
class Function(Observation):
    """Any function log r(x) of clean data, of each example by itself; differentiable where its gradient is asked for.

    `expected` is log r at the mean of the guess, or at its most probable states where states have no order: an estimate
    that needs no more than one evaluation.
    """

    log_r: Callable[[State], Nats]

    def log_prob(self, x: State) -> Nats:
        """log r(x), in nats.

        Raises:
            ValueError: if the function returns NaN or +∞, or no number for each example.
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
    """A label by a classifier of clean data, r = p(label | x); `expected` takes it at the centre of the guess.

    Args:
        classifier: states (batch, …) → log-probabilities (batch, classes).
        label: of each example.
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
    """Several observations together: logs add. Those that factorise come first, so that the rest see their tilt."""

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
    """Return the guess times all of the observation that factorises, and log E of that, in nats: both exact."""
    total = torch.zeros(len(clean.mean), dtype=torch.float64, device=clean.mean.device)
    for part in observation.parts:
        if isinstance(part, Factorised):
            clean, log_p = part.tilt(clean)
            total = total + per_example(log_p.double())
    return clean, total


def others(observation: Observation) -> Sequence[Observation]:
    """Return what `tilted` leaves out."""
    return [part for part in observation.parts if not isinstance(part, Factorised)]


def center(clean: Distribution) -> State:
    """Return the mean of a guess, or its most probable states where states are no real numbers."""
    match clean:
        case Categorical():
            return clean.logits.argmax(-1)
        case Bernoulli():
            return (clean.logits > 0).to(clean.logits)
    return clean.mean


def check_log_r(value: Tensor) -> Tensor:
    """Return log r as it is.

    Raises:
        ValueError: if it is NaN or +∞ anywhere; −∞ (impossible) is allowed.
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
    """Make an observation of rows of one that was checked."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made
