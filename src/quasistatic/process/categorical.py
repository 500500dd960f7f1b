"""Categorical process: a state is kept with probability r, or else redrawn from π.

    q(x_t | x_s) = r δ(x_s) + (1 − r) π,      r = ᾱ_t/ᾱ_s,    x ∈ {0, …, K − 1}

    reverse, for a guess c(k) of the data:
        w(k)   = c(k) / [(1 − ᾱ_t) π(x_t) + ᾱ_t δ(k, x_t)]        (0 where the bracket is 0)
        p(x_s) ∝ [ᾱ_s w(x_s) + (1 − ᾱ_s) π(x_s) Σ_k w(k)] · [r δ(x_s, x_t) + (1 − r) π(x_t)]

That is Σ_k q(x_s | x_t, k) c(k) in O(K) per element; no K × K matrix is made. Any π will do: uniform, the marginal of
the data, or all mass on one state (absorbing, a mask). With a mask, an unmasked element stays unmasked by Bayes' rule:
its bracket is 0 for every other k.
Source: Sohl-Dickstein et al. 2015, table App.1 (K = 2); Austin et al. 2021, App. A.2 (arXiv:2107.03006), for any s < t.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import Categorical, Distribution
from quasistatic.markov.stochastic import as_law, as_names
from quasistatic.process.base import moved
from quasistatic.process.finite import FiniteProcess, check_end, guessed
from quasistatic.schedule import Elementwise, Schedule, Span, Staggered
from quasistatic.types import State, Time, like


@dataclass(frozen=True)
class CategoricalProcess(FiniteProcess):
    """Integer states that are kept, or redrawn from π.

    Attributes:
        schedule: the clock ᾱ.
        law: π, one probability per state, summing to one.

    Raises:
        ValueError: if ``law`` is not a probability distribution, or has zeros while ᾱ(1) > 0.
    """

    schedule: Schedule
    law: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_end(self.schedule, self.stationary)

    @classmethod
    def uniform(cls, schedule: Schedule, states: int) -> "CategoricalProcess":
        """Redraw uniformly from ``states`` states (multinomial diffusion).

        Raises:
            ValueError: if ``states`` is below 1.
        """
        if states < 1:
            raise ValueError(f"a categorical process needs at least one state, got {states}")
        return cls(schedule, (1 / states,) * states)

    @classmethod
    def absorbing(cls, schedule: Schedule, states: int) -> "CategoricalProcess":
        """Replace by a mask, the last of ``states`` states; the data use 0 … states − 2.

        Raises:
            ValueError: if there are fewer than two states, or ᾱ(1) > 0.
        """
        if states < 2:
            raise ValueError(f"an absorbing process needs a mask and at least one other state, got {states}")
        return cls(schedule, (0.0,) * (states - 1) + (1.0,))

    @property
    def states(self) -> int:
        return len(self.law)

    @property
    def together(self) -> "CategoricalProcess":
        """The same with one clock for all elements: states of any length, of which each can be masked at any time."""
        clock = self.schedule
        return replace(self, schedule=clock.base) if isinstance(clock, Staggered) else self

    @cached_property
    def stationary(self) -> Float[Tensor, " states"]:
        return as_law(self.law, as_names(None, len(self.law)), "the stationary law")

    def forward(self, x_s: State, s: Time, t: Time) -> Categorical:
        span = self.schedule.between(s, t)
        return moved(Categorical(self._kept_or_drawn(x_s, span.kept)), span, x_s)

    def evidence(self, x_t: State, t: Time) -> Float[Tensor, "batch *shape states"]:
        kept = self.schedule.noised(t)
        drawn = like(1 - kept, x_t) * self.stationary.to(x_t.device, torch.get_default_dtype())[x_t]
        here = drawn + like(kept, x_t)
        # A state that noise cannot make is known, also where the clock leaves nothing of the data.
        return _where_it_is(x_t, drawn.log(), torch.where(here > 0, here, 1).log(), self.states)

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Categorical:
        span = self.schedule.between(s, t)
        masses = guessed(clean, self.states)
        return moved(Categorical(step_back(masses, x_t, self.stationary, span)), span, x_t)

    def _kept_or_drawn(self, x: State, kept: Elementwise) -> Float[Tensor, "batch *shape states"]:
        law = self.stationary.to(x.device, torch.get_default_dtype())
        lost = like(1 - kept, x)
        here = (like(kept, x) + lost * law[x]).log()
        return (lost[..., None] * law).log().expand(*x.shape, -1).scatter(-1, x[..., None], here[..., None])


def step_back(
    masses: Float[Tensor, "batch *shape states"],
    x_t: Int[Tensor, " batch *shape"],
    stationary: Float[Tensor, " states"],
    span: Span,
) -> Float[Tensor, "batch *shape states"]:
    """Return log-weights of x_s under Σ_k q(x_s | x_t, k) c(k), by the formula above, for log-masses of c.

    Uses logarithms throughout, because a confident guess has probabilities below float32's range.
    """
    law, kept, alpha_s, alpha_t = stationary.to(masses), span.kept, span.alpha_s, span.alpha_t
    now = law[x_t]
    seen, moved = like(1 - alpha_t, now) * now, like(1 - kept, now) * now
    kept_until_s = like(alpha_s.log(), now)
    stay = _scaled(masses, x_t, kept_until_s - seen.log(), kept_until_s - (seen + like(alpha_t, now)).log())
    draw = like(((1 - alpha_s) / alpha_s).log(), now)[..., None] + law.log()
    # Where nothing is redrawn, skip the second term: logaddexp(−∞, −∞) has no gradient.
    never = draw == -math.inf
    draw = torch.where(never, 0, draw) + stay.logsumexp(-1, keepdim=True)
    mixed = torch.where(never, stay, torch.logaddexp(stay, draw))
    return _scaled(mixed, x_t, moved.log(), (moved + like(kept, now)).log())


def _scaled(logits: Tensor, x: Tensor, elsewhere: Tensor, here: Tensor) -> Tensor:
    """Add ``here`` to the logit of state x and ``elsewhere`` to the others; a factor 1/0 counts as 0."""
    elsewhere, here = (torch.where(factor == math.inf, -math.inf, factor)[..., None] for factor in (elsewhere, here))
    index = x[..., None]
    return (logits + elsewhere).scatter_(-1, index, logits.gather(-1, index) + here)


def _where_it_is(x: Tensor, elsewhere: Tensor, here: Tensor, states: int) -> Tensor:
    return elsewhere[..., None].expand(*x.shape, states).scatter(-1, x[..., None], here[..., None])
