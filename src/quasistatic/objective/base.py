"""The interface of an objective, and the guess that it scores.

A time is one of the T steps k/T. Costs are in nats per example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from quasistatic.denoiser import Denoiser
from quasistatic.distribution import Distribution
from quasistatic.process import Process
from quasistatic.runtime.fields import Checked, Steps
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
