"""Objectives: what training lowers, in nats per example, and how its times are drawn.

    Bound   T · [ KL( q(x_s | x_t, x) ‖ reverse(x_t, guess) ),  or at the last step  −log p(x | x_t) ]
    Whole   Bound + KL( q(x_1 | x) ‖ π ): all that depends on the rates of a `Learned` schedule
    Simple  squared error of the head's own target (noise, data, velocity), or cross-entropy for a mass
    Hybrid  Simple + weight · Bound, the bound's gradient reaching the width of the guess only

A time is one of the T steps k/T; over k drawn evenly, the mean of Bound is the negative bound less its prior term.
Source: Sohl-Dickstein et al. 2015, eq. 14; Ho et al. 2020, eq. 5 and 14; Nichol & Dhariwal 2021, eq. 16 and 18;
low-discrepancy times: Kingma et al. 2021, App. I.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.denoiser import Denoiser
from quasistatic.distribution import Distribution, Normal, standard_uniform
from quasistatic.fields import Checked, NotNegative, Steps
from quasistatic.process import Process
from quasistatic.types import Label, Nats, State, Time, per_example

Decode: TypeAlias = Callable[[Distribution], Distribution]
"""Turns a guess in state units into the law that data are scored with (a codec's `decoder`)."""


class Objective(Checked, ABC):
    """A cost of one noised example; subclasses are frozen dataclasses of plain numbers."""

    steps: Steps

    @abstractmethod
    def cost(self, guess: "Guess") -> Nats:
        """The cost of each example, to be averaged over times drawn evenly from the steps 1/T … 1."""


@dataclass(frozen=True, eq=False)
class Guess:
    """An example x, its noised state x_t, and what a denoiser makes of it: all that a cost is computed from.

    ``t`` is k/T; ``decode`` makes the law that data are scored with.
    """

    denoiser: Denoiser
    decode: Decode
    x: State
    x_t: State
    t: Time
    clean: Distribution

    @classmethod
    def of(
        cls,
        denoiser: Denoiser,
        decode: Decode,
        x: State,
        t: Time,
        label: Label | None = None,
        generator: torch.Generator | None = None,
        observed: State | None = None,
    ) -> "Guess":
        """Noise ``x`` to the times ``t`` (batch,) and guess it back, given what is not NaN in ``observed``."""
        x_t = denoiser.process.marginal(x, t).sample(generator)
        clean = denoiser(x_t, t, label) if observed is None else denoiser(x_t, t, label, observed)
        return cls(denoiser, decode, x, x_t, t, clean)

    def step_cost(self, clean: Distribution, steps: int) -> Nats:
        """Cost in nats of the step from t to t − 1/``steps`` under the guess ``clean``; the last is −log p(x | x_t)."""
        process: Process = self.denoiser.process
        s = self.t - 1 / steps
        last = s < 0.5 / steps
        # Where it is the last step the KL is taken at a stand-in time: it stays finite there, and so does its gradient.
        kl = per_example(process.step_kl(self.x, self.x_t, clean, self.t, torch.where(last, self.t / 2, s)))
        if not bool(last.any()):
            return kl
        end = process.reverse(self.x_t, clean, self.t, torch.zeros_like(self.t))
        return torch.where(last.to(kl.device), -per_example(self.decode(end).log_prob(self.x)), kl)


@dataclass(frozen=True)
class Bound(Objective):
    """The negative bound over ``steps`` equal steps, in nats: learn the likelihood."""

    steps: Steps = 1000

    def cost(self, guess: Guess) -> Nats:
        return self.steps * guess.step_cost(guess.clean, self.steps)


@dataclass(frozen=True)
class Whole(Objective):
    """The negative bound with its prior term, in nats: what a network and the rates of its process are learned on.

    Without that term rates could lower the cost by keeping the data to the end.
    """

    steps: Steps = 40

    def cost(self, guess: Guess) -> Nats:
        process, one = guess.denoiser.process, torch.ones_like(guess.t)
        prior = per_example(process.marginal(guess.x, one).kl(process.prior(guess.x)))
        return self.steps * guess.step_cost(guess.clean, self.steps) + prior


@dataclass(frozen=True)
class Simple(Objective):
    """Every time counts alike: learn what looks right. The width of the guess is not learned."""

    steps: Steps = 1000

    def cost(self, guess: Guess) -> Nats:
        alpha_bar = guess.denoiser.process.schedule.alpha_bar(guess.t)
        return per_example(guess.denoiser.head.simple_cost(guess.clean, guess.x, alpha_bar))


@dataclass(frozen=True)
class Hybrid(Objective):
    """Simple for the mean of the guess, ``weight`` times the bound for its width."""

    steps: Steps = 1000
    weight: NotNegative = 0.001

    def cost(self, guess: Guess) -> Nats:
        clean = guess.clean
        if not isinstance(clean, Normal):
            raise TypeError(f"the hybrid objective needs a Gaussian head, got a guess of {type(clean).__name__}")
        held = Normal(clean.mean.detach(), clean.std)
        return Simple(self.steps).cost(guess) + self.weight * self.steps * guess.step_cost(held, self.steps)


OBJECTIVES: dict[str, type[Objective]] = {"bound": Bound, "whole": Whole, "simple": Simple, "hybrid": Hybrid}


class TimeDensity:
    """Draws steps in proportion to the root mean square of their recent costs, so that the loss varies least.

    A tenth of the draws stay even over all steps. ``cost · weight`` keeps the mean what even draws give. Until every
    band of steps has been seen, draws are even. Source: Nichol & Dhariwal 2021, eq. 18, with bands and a running mean.
    """

    def __init__(self, steps: int, bands: int = 100, memory: float = 0.9) -> None:
        self.steps, self.memory = steps, memory
        # The last step is a band of its own: it costs a log-probability, the others a KL.
        self._band = torch.cat(
            [torch.zeros(1), 1 + torch.arange(steps - 1) * min(bands, steps - 1) // max(steps - 1, 1)]
        )
        self._band = self._band.long()
        self.square = torch.full((int(self._band.max()) + 1,), torch.nan, dtype=torch.float64)

    def probabilities(self) -> Float[Tensor, " steps"]:
        """Probability of each step 1 … T, summing to 1."""
        even = torch.full((self.steps,), 1 / self.steps, dtype=torch.float64)
        if bool(self.square.isnan().any()):
            return even
        share = self.square.sqrt()[self._band]
        return 0.1 * even + 0.9 * share / share.sum()

    def draw(
        self, count: int, generator: torch.Generator | None = None
    ) -> tuple[Int[Tensor, " count"], Float[Tensor, " count"]]:
        """Return ``count`` steps in 1 … T on a low-discrepancy grid, in random order, and their costs' weights."""
        probability = self.probabilities()
        u = (standard_uniform(torch.zeros(1, dtype=torch.float64), generator) + torch.arange(count) / count) % 1
        below = probability.cumsum(0)
        k = torch.searchsorted(below, u * below[-1], right=True).clamp(max=self.steps - 1)
        k = k[torch.randperm(count, generator=generator)]
        return k + 1, 1 / (self.steps * probability[k])

    def update(self, k: Int[Tensor, " count"], cost: Float[Tensor, " count"]) -> None:
        """Take note of the costs that steps ``k`` had."""
        band = self._band[k - 1]
        count = torch.zeros_like(self.square).index_add_(0, band, torch.ones_like(cost, dtype=torch.float64))
        seen = torch.zeros_like(self.square).index_add_(0, band, cost.double() ** 2) / count
        blended = torch.where(self.square.isnan(), seen, self.memory * self.square + (1 - self.memory) * seen)
        self.square = torch.where(count > 0, blended, self.square)

    def load(self, square: Float[Tensor, " bands"]) -> None:
        """Take up the mean squares of another density over as many steps; NaN marks a band not yet seen.

        Raises:
            ValueError: if they are of another number of bands, or negative or infinite.
        """
        if square.shape != self.square.shape or bool((square < 0).any() | square.isinf().any()):
            raise ValueError(
                f"a density over {self.steps} steps keeps {len(self.square)} mean squares, all finite or NaN, "
                f"got {tuple(square.shape)}"
            )
        self.square = square.detach().to("cpu", torch.float64, copy=True)
