"""The variational bound as a training loss.

    Bound          T · [ KL( q(x_s | x_t, x) ‖ reverse(x_t, guess) ),  or at the last step  −log p(x | x_t) ]
    WeightedBound  w(t) · Bound,   w = 1 + extra · sigmoid( log_snr − log ᾱ/(1 − ᾱ) )
    Whole          Bound + KL( q(x_1 | x) ‖ π ), which also depends on the rates of a `Learned` schedule

Over uniformly drawn k, the mean of Bound is the negative bound without its prior term.
Source: Sohl-Dickstein et al. 2015, eq. 14; Ho et al. 2020, eq. 5.
"""

from dataclasses import dataclass
from typing import Annotated

import torch

from quasistatic.objective.base import Guess, Objective
from quasistatic.runtime.fields import NotNegative, Range, Steps
from quasistatic.types import Nats


@dataclass(frozen=True)
class Bound(Objective):
    """The negative bound over ``steps`` equal steps, in nats; maximises the likelihood."""

    steps: Steps = 1000

    def cost(self, guess: Guess) -> Nats:
        return self.steps * guess.step_cost(guess.clean, self.steps)


@dataclass(frozen=True)
class WeightedBound(Objective):
    """The negative bound with up to ``1 + extra`` times the weight on noisier times, for better samples.

    The weight grows with the noise, so the loss is still a bound: of data with noise added, averaged over noise levels
    (Kingma & Gao 2023, arXiv:2303.00848, theorem 1). At the data's end the weight is 1.

    Attributes:
        steps: number of steps T.
        extra: the weight added where nothing of the data is left.
        log_snr: the log-SNR at which half of it is added.
    """

    steps: Steps = 1000
    extra: NotNegative = 20.0
    log_snr: Annotated[float, Range(at_least=-40, at_most=40)] = 0.0

    def cost(self, guess: Guess) -> Nats:
        noise = self.log_snr - guess.denoiser.process.schedule.log_snr(guess.t)
        cost = self.steps * guess.step_cost(guess.clean, self.steps)
        return (1 + self.extra * noise.sigmoid()).to(cost) * cost


@dataclass(frozen=True)
class Whole(Objective):
    """The negative bound with its prior term, in nats; trains a network together with its process's rates.

    Without the prior term, the rates could lower the loss by not noising the data.
    """

    steps: Steps = 40

    def cost(self, guess: Guess) -> Nats:
        process, one = guess.denoiser.process, torch.ones_like(guess.t)
        prior = guess.summed(process.marginal(guess.x, one).kl(process.prior(guess.x)))
        return self.steps * guess.step_cost(guess.clean, self.steps) + prior
