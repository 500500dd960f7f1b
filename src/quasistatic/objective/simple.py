"""The simple loss, and its sum with the bound.

    Simple  squared error of the head's target (noise, data, velocity), or cross-entropy for discrete data
    Hybrid  Simple + weight · Bound; the bound's gradient reaches the variance of the guess only

Source: Ho et al. 2020, eq. 14; Nichol & Dhariwal 2021, eq. 16.
"""

from dataclasses import dataclass

from quasistatic.distribution import Normal
from quasistatic.objective.base import Guess, Objective
from quasistatic.runtime.fields import NotNegative, Steps
from quasistatic.types import Nats


@dataclass(frozen=True)
class Simple(Objective):
    """The simple loss, with equal weight for every time; favours sample quality. Does not train the variance."""

    steps: Steps = 1000

    def cost(self, guess: Guess) -> Nats:
        alpha_bar = guess.denoiser.process.schedule.alpha_bar(guess.t)
        return guess.summed(guess.denoiser.head.simple_cost(guess.clean, guess.x, alpha_bar))


@dataclass(frozen=True)
class Hybrid(Objective):
    """Trains the mean of the guess by the simple loss, and its variance by ``weight`` times the bound."""

    steps: Steps = 1000
    weight: NotNegative = 0.001

    def cost(self, guess: Guess) -> Nats:
        clean = guess.clean
        if not isinstance(clean, Normal):
            raise TypeError(f"the hybrid objective needs a Gaussian head, got a guess of {type(clean).__name__}")
        held = Normal(clean.mean.detach(), clean.std)
        return Simple(self.steps).cost(guess) + self.weight * self.steps * guess.step_cost(held, self.steps)
