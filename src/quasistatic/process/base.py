"""The interface of a forward Markov process, its reverse step, and the three laws they obey.

A process is a stationary law π × a clock ᾱ(t). From time s to t it keeps r = ᾱ(t)/ᾱ(s) and draws the rest from π.
Learning, sampling, inference and evaluation use the four distributions below and no more.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Distribution, fixed
from quasistatic.runtime.fields import Checked
from quasistatic.schedule import Schedule, Span
from quasistatic.types import Mask, State, Time

Law = TypeVar("Law", bound=Distribution)

Decode: TypeAlias = Callable[[Distribution], Distribution]
"""Turns a guess in state units into the distribution that scores the data (a codec's `decoder`)."""


class Process(Checked, ABC):
    """A forward Markov process q over states, factorised over their elements.

    Time runs from 0 (data) to 1 (noise), s < t throughout. Arguments follow the motion: first the time
    the state is at, then the time it goes to.

    Laws, checked for every subclass in ``tests/process/test_laws.py``:

    - Bayes:       q(x_s | x_t, x) q(x_t | x) = q(x_t | x_s) q(x_s | x)
    - Semigroup:   ∫ q(x_t | x_s) q(x_s | x) dx_s = q(x_t | x)
    - Forgetting:  q(x_1 | x) → π as ᾱ(1) → 0
    """

    schedule: Schedule

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The different schedules of the elements: one, unless the process is a product."""
        return (self.schedule,)

    @property
    def staggered(self) -> bool:
        """Whether elements have clocks of their own."""
        return any(schedule.elementwise for schedule in self.schedules)

    @property
    def most_steps(self) -> int | None:
        """Steps of a sampler beyond which more change nothing; None if every step more makes draws more exact."""
        return None

    @abstractmethod
    def point(self, x: State) -> Distribution:
        """δ_x: all mass on ``x``."""

    @abstractmethod
    def prior(self, x: State) -> Distribution:
        """π, the law of x_1, for states shaped like ``x``."""

    @abstractmethod
    def forward(self, x_s: State, s: Time, t: Time) -> Distribution:
        """q(x_t | x_s); from s = 0 it is the marginal q(x_t | x).

        Raises:
            ValueError: unless s < t for every example.
        """

    @abstractmethod
    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Distribution:
        """Σ_x q(x_s | x_t, x) clean(x): a step back, given a guess of the data. At s = 0 it is the guess itself.

        Raises:
            ValueError: unless s < t for every example.
        """

    def marginal(self, x: State, t: Time) -> Distribution:
        """q(x_t | x): `forward` from s = 0."""
        return self.forward(x, torch.zeros_like(t), t)

    def step_kl(self, x: State, x_t: State, clean: Distribution, t: Time, s: Time) -> Float[Tensor, " batch *shape"]:
        """KL( q(x_s | x_t, x) ‖ Σ_x' q(x_s | x_t, x') clean(x') ) of each element, in nats: a term of the bound.

        Source: Sohl-Dickstein et al. 2015, eq. 14; Ho et al. 2020, eq. 5 (L_{t−1}).
        """
        return self.reverse(x_t, self.point(x), t, s).kl(self.reverse(x_t, clean, t, s))

    def ends(self, t: Time, s: Time) -> Mask | None:
        """Return which elements reach the data between t and s, where elements have clocks of their own; else None."""
        return self.schedule.between(s, t).ends if self.schedule.elementwise else None

    def cost(
        self, x: State, x_t: State, clean: Distribution, t: Time, s: Time, decode: Decode
    ) -> Float[Tensor, " batch *shape"]:
        """Return each element's share in a term of minus the bound, in nats: its KL, or −log p(x) where it reaches the
        data while others do not; at s = 0 only where elements have clocks of their own.
        """
        kl, ends = self.step_kl(x, x_t, clean, t, s), self.ends(t, s)
        return kl if ends is None else torch.where(ends.to(kl.device), -decode(clean).log_prob(x).to(kl), kl)


def moved(law: Law, span: Span, x: State) -> Law:
    """Return the law of a step, with all mass on ``x`` where elements do not move."""
    return law if span.still is None else cast(Law, fixed(law, span.still.to(x.device), x))


def unmoved(kl: Float[Tensor, " batch *shape"], span: Span) -> Float[Tensor, " batch *shape"]:
    """Return the KL of a step with 0 where elements do not move, or reach the data while others do not."""
    for left in (span.still, span.ends):
        kl = kl if left is None else torch.where(left.to(kl.device), 0, kl)
    return kl
