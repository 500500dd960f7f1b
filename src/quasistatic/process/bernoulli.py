"""Bernoulli process: bits kept with probability r, or else redrawn by a coin of bias p₀.

    q(x_t | x_s) = Bernoulli( r x_s + (1 − r) p₀ ),    r = ᾱ_t/ᾱ_s,    x ∈ {0, 1}

The 2015 paper's binomial diffusion, for any p₀ (its table says 0.5, its heartbeat used 0.2): the categorical process
with K = 2, on bits held as 0.0 and 1.0.
Source: Sohl-Dickstein et al. 2015, table App.1 and App. D.1.2 (arXiv:1503.03585).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Bernoulli, Distribution
from quasistatic.process.base import Process, moved
from quasistatic.process.categorical import step_back
from quasistatic.process.finite import check_end
from quasistatic.runtime.fields import Share
from quasistatic.schedule import Schedule
from quasistatic.types import State, Time, like


@dataclass(frozen=True)
class BernoulliProcess(Process):
    """Bits that are kept, or redrawn by a coin.

    Attributes:
        schedule: the clock ᾱ.
        bias: p₀, the probability of a 1 under π.

    Raises:
        ValueError: if ``bias`` lies outside [0, 1], or is 0 or 1 while ᾱ(1) > 0.
    """

    schedule: Schedule
    bias: Share = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_end(self.schedule, self._law)

    def point(self, x: State) -> Bernoulli:
        return Bernoulli(torch.logit(x))

    def prior(self, x: State) -> Bernoulli:
        return Bernoulli(torch.logit(torch.full_like(x, self.bias)))

    def forward(self, x_s: State, s: Time, t: Time) -> Bernoulli:
        span = self.schedule.between(s, t)
        kept = span.kept
        # Compute both probabilities without subtraction from 1, which would lose digits.
        one = like(kept, x_s) * x_s + like((1 - kept) * self.bias, x_s)
        zero = like(kept, x_s) * (1 - x_s) + like((1 - kept) * (1 - self.bias), x_s)
        return moved(Bernoulli(one.log() - zero.log()), span, x_s)

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Bernoulli:
        span = self.schedule.between(s, t)
        if not isinstance(clean, Bernoulli):
            raise TypeError(f"a step back for bits needs a Bernoulli guess, got {type(clean).__name__}")
        zero, one = step_back(clean.log_masses, x_t.long(), self._law, span).unbind(-1)
        return moved(Bernoulli(one - zero), span, x_t)

    @cached_property
    def _law(self) -> Float[Tensor, " 2"]:
        return torch.tensor([1 - self.bias, self.bias], dtype=torch.float64)
