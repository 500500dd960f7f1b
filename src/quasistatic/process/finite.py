"""Processes over finitely many states: each element of a state is an integer 0 … K − 1.

    q(x_s | x_t, x = k) = q(x_s | k) q(x_t | x_s) / q(x_t | k)

Bayes' rule also needs the evidence q(x_t | k) of a noised state about each k. Guesses p(x | x_t) are built from it, by
`leave_one_out` or by a head.
"""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Categorical, Distribution
from quasistatic.process.base import Process
from quasistatic.schedule import Schedule
from quasistatic.types import State, Time


class FiniteProcess(Process):
    """A process over integer states 0 … K − 1.

    Distributions have the dtype of the guess, or torch's default dtype if there is none. A guess that excludes every
    state that can lead to x_t has no reverse step: its masses are 0, and so is the probability of the data.
    """

    @property
    @abstractmethod
    def states(self) -> int:
        """K, the number of states of an element."""

    @property
    @abstractmethod
    def stationary(self) -> Float[Tensor, " states"]:
        """π, float64."""

    @abstractmethod
    def evidence(self, x_t: State, t: Time) -> Float[Tensor, "batch *shape states"]:
        """log q(x_t | x = k) of each element, for every k: the evidence of the element's own noised state."""

    def point(self, x: State) -> Categorical:
        nothing = torch.full((*x.shape, self.states), -torch.inf, device=x.device)
        return Categorical(nothing.scatter(-1, x[..., None], 0.0))

    def prior(self, x: State) -> Categorical:
        law = self.stationary.log().to(device=x.device, dtype=torch.get_default_dtype())
        return Categorical(law.expand(*x.shape, -1))


def leave_one_out(
    process: FiniteProcess, others: Float[Tensor, "batch *shape states"], x_t: State, t: Time
) -> Categorical:
    """Turn a guess from the *other* elements into the guess p(x | x_t), by adding the element's own evidence.

        p(x = k | x_t) ∝ exp(others_k) · q(x_t | x = k)

    With this guess the reverse step is D3PM's own parametrisation,

        p(x_s | x_t) ∝ q(x_t | x_s) Σ_k q(x_s | k) exp(others_k).

    The optimum for ``others`` is therefore p(x^i | x_t without its element i), not the posterior p(x^i | x_t), so an
    auxiliary cross-entropy on ``others`` has another optimum. A network that outputs the guess has no such conflict.

    Args:
        process: the forward process.
        others: log-weights of each state, up to a constant: a network's output in D3PM.
        x_t: noised states.
        t: their times.

    Returns:
        The guess to give to `reverse`.

    Source: Austin et al. 2021 (arXiv:2107.03006), eq. 4.
    """
    return Categorical(others + process.evidence(x_t, t).to(others))


def guessed(clean: Distribution, states: int) -> Float[Tensor, "batch *shape states"]:
    """Return the log-masses of a guess.

    Raises:
        TypeError: if it is not a Categorical over ``states`` states.
    """
    if not isinstance(clean, Categorical) or clean.logits.shape[-1] != states:
        over = f" over {clean.logits.shape[-1]}" if isinstance(clean, Categorical) else ""
        raise TypeError(f"a step back needs a Categorical guess over {states} states, got {type(clean).__name__}{over}")
    return clean.log_masses


def check_end(schedule: Schedule, stationary: Float[Tensor, " states"]) -> None:
    """Raise ValueError unless every state that can occur at t = 1 has positive probability under π.

    If π has zeros, as for an absorbing process, ᾱ(1) must be exactly 0. Otherwise some data remain where the prior has
    no mass, and the bound is −∞.
    """
    left = schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).amax().item()
    if left > 0 and not bool((stationary > 0).all()):
        state = int((stationary == 0).nonzero()[0])
        raise ValueError(
            f"an absorbing process needs ᾱ(1) = 0 exactly (state {state} has probability 0 in the end), got "
            f"ᾱ(1) = {left:.3g} from {schedule!r}; use Reciprocal(), or a Table whose last β is 1"
        )
