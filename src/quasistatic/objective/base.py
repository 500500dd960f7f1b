"""The interface of training losses, and the guess that they score.

A time is one of the T steps k/T. Costs are in nats per example.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoiser, Shown
from quasistatic.distribution import Distribution
from quasistatic.process import Decode, Process
from quasistatic.runtime.fields import Checked, Steps
from quasistatic.types import Generator, Label, Mask, Nats, State, Time, per_example


class Objective(Checked, ABC):
    """A training loss of a noised example; subclasses are frozen dataclasses of plain numbers."""

    steps: Steps

    def of(
        self,
        denoiser: Denoiser,
        decode: Decode,
        x: State,
        t: Time,
        label: Label | None = None,
        observed: State | Shown | None = None,
        generator: Generator = None,
    ) -> Nats:
        """Return the cost of clean examples ``x`` at the times ``t``, noised by ``generator``."""
        return self.cost(Guess.of(denoiser, decode, x, t, label, generator, observed))

    @abstractmethod
    def cost(self, guess: "Guess") -> Nats:
        """Return the cost of each example; the loss is its mean over times drawn uniformly from 1/T … 1."""


@dataclass(frozen=True, eq=False)
class Guess:
    """An example x, its noised state x_t and the denoiser's guess: the inputs of a loss.

    ``t`` is k/T; ``decode`` returns the distribution that scores the data. Elements not ``scored`` cost nothing.
    """

    denoiser: Denoiser
    decode: Decode
    x: State
    x_t: State
    t: Time
    clean: Distribution
    scored: Mask | None = None

    @classmethod
    def of(
        cls,
        denoiser: Denoiser,
        decode: Decode,
        x: State,
        t: Time,
        label: Label | None = None,
        generator: Generator = None,
        observed: State | Shown | None = None,
    ) -> "Guess":
        """Noise ``x`` to the times ``t`` (batch,) and predict it, given what is not NaN in ``observed``, or shown."""
        x_t = denoiser.process.marginal(x, t).sample(generator)
        clean = denoiser(x_t, t, label) if observed is None else denoiser(x_t, t, label, observed)
        return cls(denoiser, decode, x, x_t, t, clean, None if observed is None else ~Shown.of(observed).known)

    def summed(self, costs: Float[Tensor, " batch *shape"]) -> Nats:
        """Return the sum of each example's costs, of the elements that are scored."""
        return _summed(costs, self.scored)

    def step_cost(self, clean: Distribution, steps: int) -> Nats:
        """Return the cost of the step from t to t − 1/``steps``, in nats; at the last step, −log p(x | x_t)."""
        process: Process = self.denoiser.process
        s = self.t - 1 / steps
        last = s < 0.5 / steps
        if process.staggered:
            to = torch.where(last, torch.zeros_like(s), s)
            return self.summed(process.cost(self.x, self.x_t, clean, self.t, to, self.decode))
        # At the last step the KL is unused; a stand-in time keeps it and its gradient finite.
        kl = self.summed(process.step_kl(self.x, self.x_t, clean, self.t, torch.where(last, self.t / 2, s)))
        if not bool(last.any()):
            return kl
        rows = last.nonzero()[:, 0].to(kl.device)  # only these pay for a mass on each level
        t, x_t = self.t[last], self.x_t[rows]
        end = process.reverse(x_t, clean.take(rows), t, torch.zeros_like(t))
        scored = None if self.scored is None else self.scored[rows]
        return kl.index_copy(0, rows, -_summed(self.decode(end).log_prob(self.x[rows]), scored).to(kl))


def _summed(costs: Float[Tensor, " batch *shape"], scored: Mask | None) -> Nats:
    return per_example(costs if scored is None else torch.where(scored, costs, 0))
