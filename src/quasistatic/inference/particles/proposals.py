"""Twists and proposals of particle methods: the lookahead, and how particles move.

    twist       log ψ_t(x_t) ≈ log E[ r(x) | x_t ]             `lookahead`, `tempered`, `flat`
    proposal    q(x_s | x_t) ≈ p(x_s | x_t) ψ_s(x_s)           `Plain`, `Tilted`, `Guided`, `Conditioned`

Any positive twist, with any proposal of full support, is right in the limit of many particles; good ones need few.
Source: Wu et al. 2023 (arXiv:2306.17775), section 3.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, Normal
from quasistatic.inference.observation import Known, Observation, tilted
from quasistatic.process import GaussianProcess, Process
from quasistatic.types import Generator, Nats, State, Time, like, per_example

Twist: TypeAlias = Callable[[State, Time, Distribution, Observation], Nats]
"""(x_t, t, guess, observation of each) → log ψ_t(x_t), in nats."""

FARTHEST = 5.0
"""Standard deviations of a reverse step that a gradient shifts it by, at most: where a guess is nearly certain, as of
an image's border, the gradient has no bound. Weights of particles are exact for any shift."""

Ahead: TypeAlias = Callable[[State, Time, Distribution], Nats]
"""A twist with its observation bound."""

End: TypeAlias = Callable[[Distribution], Distribution]
"""Makes p(x | x_t), the law of the data after the last step, from a guess."""


@dataclass(frozen=True, eq=False)
class Sight:
    """The guess at x_t, the twist, and what proposals add to them.

    Attributes:
        clean: p(x | x_t).
        log_psi: the twist, in nats.
        slope: its gradient in x_t.
        told: p(x | x_t, known elements), by a network that is shown them.
    """

    clean: Distribution
    log_psi: Nats
    slope: State | None = None
    told: Distribution | None = None

    def take(self, rows: Int[Tensor, " rows"]) -> "Sight":
        """Return the same for the examples ``rows``."""
        slope = None if self.slope is None else self.slope[rows]
        told = None if self.told is None else self.told.take(rows)
        return Sight(self.clean.take(rows), self.log_psi[rows], slope, told)


class Proposal(ABC):
    """How particles move: a distribution q(x_s | x_t) that covers the support of p(x_s | x_t) r(x)."""

    def look(self, denoise: Denoise, twist: Ahead, x_t: State, t: Time) -> Sight:
        """Return the inputs of `law`; takes one network evaluation."""
        clean = denoise(x_t, t)
        return Sight(clean, twist(x_t, t, clean))

    @abstractmethod
    def law(self, x_t: State, sight: Sight, t: Time, s: Time, observation: Observation) -> Distribution:
        """q(x_s | x_t) for s > 0."""

    def last(
        self, x_t: State, sight: Sight, end: End, observation: Observation, generator: Generator
    ) -> tuple[State, Nats]:
        """Draw data from q(x | x_t); return them and log p(x | x_t) r(x) / q(x | x_t) in nats, or x_t and −∞ where
        what was observed is impossible. Of r, the part that factorises; by default q is p times that part.
        """
        law, gained = tilted(observation, end(sight.clean))
        return torch.where(beside(gained > -math.inf, x_t), law.sample(generator), x_t), gained


@final
@dataclass(frozen=True)
class Plain(Proposal):
    """The reverse chain itself, q = p; the observation enters by the weights only."""

    process: Process

    def law(self, x_t: State, sight: Sight, t: Time, s: Time, observation: Observation) -> Distribution:
        return self.process.reverse(x_t, sight.clean, t, s)


@final
@dataclass(frozen=True)
class Tilted(Proposal):
    """The reverse step from the guess times the factorising part of r; bridges to known elements. Any process."""

    process: Process

    def law(self, x_t: State, sight: Sight, t: Time, s: Time, observation: Observation) -> Distribution:
        return self.process.reverse(x_t, tilted(observation, sight.clean)[0], t, s)


@final
@dataclass(frozen=True)
class Guided(Proposal):
    """The reverse step shifted by its variance times ∇ log ψ_t(x_t), within `FARTHEST`; bridges to known elements.

    The gradient takes a backward pass through the network, which costs about two more evaluations.
    Source: Sohl-Dickstein et al. 2015, eq. 61; Wu et al. 2023, eq. 8.
    """

    process: GaussianProcess

    def __post_init__(self) -> None:
        if not isinstance(self.process, GaussianProcess):
            raise TypeError(f"a slope needs a Gaussian process (continuous states), got {self.process!r}; use Tilted")

    def look(self, denoise: Denoise, twist: Ahead, x_t: State, t: Time) -> Sight:
        with torch.enable_grad():
            at = x_t.detach().requires_grad_()
            clean = denoise(at, t)
            log_psi = twist(at, t, clean)
            if not log_psi.requires_grad:  # r has no gradient, so it enters by the weights only
                return Sight(clean, log_psi)
            (slope,) = torch.autograd.grad(log_psi.sum(), at)
        # Where r is 0 at the guess there is no gradient; use the chain's own step.
        return Sight(clean, log_psi.detach(), torch.where(beside(log_psi == -math.inf, at), 0, slope))

    def law(self, x_t: State, sight: Sight, t: Time, s: Time, observation: Observation) -> Distribution:
        clean = sight.clean
        slope = torch.zeros_like(x_t) if sight.slope is None else sight.slope
        for part in observation.parts:
            if isinstance(part, Known):
                clean, slope = part.tilt(clean)[0], torch.where(part.mask, 0, slope)
        law = self.process.reverse(x_t, clean, t, s)
        std = law.variance.sqrt()
        return Normal(law.mean + std * (std * slope).clamp(-FARTHEST, FARTHEST), std)


@final
@dataclass(frozen=True)
class Conditioned(Proposal):
    """The reverse step by a network that is shown the known elements, and bridges to these.

    Takes another network evaluation. Weights correct what the two networks disagree about.

    Attributes:
        process: the forward process; no product.
        given: the guess of the network that is shown what each particle is to know.
    """

    process: Process
    given: Denoise

    def look(self, denoise: Denoise, twist: Ahead, x_t: State, t: Time) -> Sight:
        return replace(super().look(denoise, twist, x_t, t), told=self.given(x_t, t))

    def law(self, x_t: State, sight: Sight, t: Time, s: Time, observation: Observation) -> Distribution:
        assert sight.told is not None
        return self.process.reverse(x_t, tilted(observation, sight.told)[0], t, s)

    def last(
        self, x_t: State, sight: Sight, end: End, observation: Observation, generator: Generator
    ) -> tuple[State, Nats]:
        assert sight.told is not None
        assert isinstance(observation, Known)
        law, gained = tilted(observation, end(sight.clean))
        told = tilted(observation, end(sight.told))[0]
        x = torch.where(beside(gained > -math.inf, x_t), told.sample(generator), x_t)
        gap = (law.log_prob(x) - told.log_prob(x)).double()
        return x, gained + per_example(torch.where(observation.mask, 0, gap))


def lookahead(process: Process) -> Twist:
    """Return the default twist: log E r over the guess.

    A guess with std 0 (a head with ``std="small"``) gets the std √(1 − ᾱ), the maximum.
    """

    def twist(x_t: State, t: Time, clean: Distribution, observation: Observation) -> Nats:
        if isinstance(clean, Normal) and bool((clean.std == 0).any()):
            widest = like((1 - process.schedule.alpha_bar(t)).sqrt(), x_t)
            clean = Normal(clean.mean, torch.where(clean.std == 0, widest, clean.std))
        return observation.expected(clean)

    return twist


def tempered(process: Process, power: float = 2.0) -> Twist:
    """Return `lookahead` to the power ᾱ(t)^power, which trusts guesses from noisier states less.

    A guess treats elements as independent, so it counts information shared by many known elements many times, above all
    near pure noise. The power compensates for many elements. For few or independent elements, `lookahead` is closer to
    E[r | x_t].
    """
    whole = lookahead(process)

    def twist(x_t: State, t: Time, clean: Distribution, observation: Observation) -> Nats:
        trust = (process.schedule.alpha_bar(t) ** power).to(x_t.device)
        return trust * whole(x_t, t, clean, observation)

    return twist


def flat(x_t: State, t: Time, clean: Distribution, observation: Observation) -> Nats:
    """The twist ψ = 1: no lookahead; all weighting happens at the last step."""
    return torch.zeros(len(x_t), dtype=torch.float64, device=x_t.device)


def beside(value: Tensor, x: Tensor) -> Tensor:
    """Return one value per example, shaped to broadcast over the states ``x``."""
    return value.reshape(-1, *(1,) * (x.ndim - 1))
