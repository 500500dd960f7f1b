"""Heads that return a probability mass on levels, bits or states.

The network only predicts each element from the other elements. The evidence of the element's own noised value is known
in closed form, and the head multiplies it in by Bayes' rule. Unmasked elements are therefore certain.
"""

from dataclasses import dataclass
from typing import Annotated, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from quasistatic.denoiser.head.base import Head, check_gaussian
from quasistatic.distribution import Bernoulli, Categorical, Distribution, Levels, nearest_level
from quasistatic.process import BernoulliProcess, FiniteProcess, Process
from quasistatic.runtime.fields import Positive, Range
from quasistatic.types import State, Time, like

CERTAIN = 30.0
"""Maximum log-odds in a network's input, which must be finite."""


@dataclass(frozen=True)
class LevelsHead(Head):
    """Returns a mass on ``levels`` values, evenly spaced over [−1, 1], for data that take only these values.

    Attributes:
        levels: number of levels.
        gain: logits per unit of the network's output. Weights move by about the learning rate per step, but logits must
            move by several times log ``levels``; with 256 levels, a gain of 8 trains far faster than 1.

    Raises:
        ValueError: if there are fewer than two levels or the gain is not above 0.
    """

    levels: Annotated[int, Range(at_least=2, at_most=2**16)] = 256
    gain: Positive = 1.0

    @property
    def outputs(self) -> int:
        return self.levels

    def check(self, process: Process) -> None:
        """Accept every schedule, because nothing is divided by √ᾱ."""
        check_gaussian(self, process)

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Levels:
        levels, gap, noise = self._evidence(x_t, t, process)
        return Levels(torch.addcmul(output.movedim(1, -1) * self.gain, gap, 1 / noise**2, value=-0.5), levels)

    def start(self, x: State) -> Float[Tensor, " outputs"]:
        """Return the logits of the levels' frequencies in ``x``, each counted once more than it occurs."""
        levels = torch.linspace(-1, 1, self.levels, dtype=torch.float64)
        count = nearest_level(x.flatten().double().cpu(), levels).bincount(minlength=self.levels)
        return ((count + 1) / (count.sum() + self.levels)).log().to(x) / self.gain

    def _evidence(self, x_t: State, t: Time, process: Process) -> tuple[Tensor, Tensor, Tensor]:
        """Return the levels, (x_t − √ᾱ level)² of each, and √(1 − ᾱ); the levels are on the last axis."""
        alpha_bar = process.schedule.noised(t)
        levels = torch.linspace(-1, 1, self.levels, dtype=x_t.dtype, device=x_t.device)
        kept, noise = like(alpha_bar.sqrt(), x_t)[..., None], like((1 - alpha_bar).sqrt(), x_t)[..., None]
        return levels, (x_t[..., None] - kept * levels).square_(), noise

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return -clean.log_prob(x)


@dataclass(frozen=True)
class BernoulliHead(Head):
    """Returns the probability of a 1 for each bit; bits are held as 0.0 or 1.0.

    The network's input is the evidence e = log q(x_t | x = 1)/q(x_t | x = 0) of each bit. It shrinks with the noise and
    adds up over bits in the same way at all times. For a certain bit (at t = 0, or a 1 if p₀ = 0), e is ±∞, and the
    input is ±`CERTAIN`.

    Attributes:
        gain: log-odds per unit of the network's output; near t = 0, log-odds of ±20 are common.

    Raises:
        ValueError: if the gain is not above 0.
    """

    gain: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gain <= 0:
            raise ValueError(f"a Bernoulli head needs a gain above 0, got {self.gain}")

    @property
    def outputs(self) -> int:
        return 1

    def check(self, process: Process) -> None:
        if not isinstance(process, BernoulliProcess):
            raise ValueError(f"a Bernoulli head reads bits of a BernoulliProcess, got {process!r}; choose another head")

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Bernoulli:
        return Bernoulli(self.gain * output[:, 0] + _log_odds(x_t, t, process))

    def view(self, x_t: State, t: Time, process: Process) -> State:
        return _log_odds(x_t, t, process).clamp(-CERTAIN, CERTAIN)

    def column_view(self, x_t: State, t: Time, process: Process) -> tuple[Tensor, Tensor]:
        """Return the bits as noised numbers: shifted and scaled to the form kept · x + √(1 − kept²) ε.

        The variance of ε is 1 on average over x = 0 and x = 1.
        """
        zero, one = (process.marginal(torch.full_like(x_t, bit), t) for bit in (0, 1))
        slope, spread = one.mean - zero.mean, (one.variance + zero.variance) / 2
        scale = (slope**2 + spread).sqrt()
        return (x_t - zero.mean) / scale, slope / scale

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return -clean.log_prob(x)


@dataclass(frozen=True)
class CategoricalHead(Head):
    """Returns a mass on the ``states`` of the data; other states of the process, such as a mask, get probability 0.

    Raises:
        ValueError: if there are fewer than two states.
    """

    states: Annotated[int, Range(at_least=2, at_most=2**20)] = 27

    @property
    def outputs(self) -> int:
        return self.states

    def check(self, process: Process) -> None:
        if not isinstance(process, FiniteProcess) or process.states < self.states:
            over = process.states if isinstance(process, FiniteProcess) else "no"
            raise ValueError(
                f"a categorical head over {self.states} states needs a process with at least as many, got "
                f"{type(process).__name__} with {over} states; choose another head or process"
            )

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Categorical:
        evidence = cast(FiniteProcess, process).evidence(x_t, t).to(output)
        never = evidence.shape[-1] - self.states
        return Categorical(pad(output.movedim(1, -1), (0, never), value=-torch.inf) + evidence)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return -clean.log_prob(x)


def _log_odds(x_t: State, t: Time, process: Process) -> State:
    """Return log q(x_t | x = 1)/q(x_t | x = 0) of each bit."""
    one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
    return one - zero
