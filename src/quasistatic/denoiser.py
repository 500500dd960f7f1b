"""Denoisers: a network and a head make p(x | x_t), a distribution over clean data.

    head             network gives           p(x | x_t)
    GaussianHead     ε̂, x̂ or v̂ (and a std)  Normal( m, w² )
                     noise   m = (x_t − √(1−ᾱ) ε̂)/√ᾱ     velocity  m = √ᾱ x_t − √(1−ᾱ) v̂     data  m = x̂
                     small   w = 0     large  w² = 1 − ᾱ     learned  w² = (1 − ᾱ) · sigmoid(output)
    StepHead         z_μ, z_Σ                 Normal whose step to t − 1/T has the mean and variance of 2015
    LevelsHead       a logit per level       Levels: ∝ exp(logit_k) · N( x_t; √ᾱ level_k, 1 − ᾱ )
    BernoulliHead    log-odds                Bernoulli: odds e^output · q(x_t | x = 1)/q(x_t | x = 0)
    CategoricalHead  a logit per state       Categorical: ∝ exp(logit_k) · q(x_t | x = k)

The widths small and large make the reverse step's variance β̃ and β of Ho et al. 2020, §3.2, for any s < t. A head that
gives a mass leaves to the network only what the neighbours say about an element: what its own noised value says is
known, and is multiplied in by Bayes' rule. That an element which a mask has left alone is known for good is part of it.
Source: Ho et al. 2020; Salimans & Ho 2022, App. D (velocity); Nichol & Dhariwal 2021, eq. 15 (learned).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from quasistatic.distribution import Bernoulli, Categorical, Distribution, Levels, Normal
from quasistatic.network import Network
from quasistatic.process import BernoulliProcess, FiniteProcess, Gaussian, Process
from quasistatic.types import Label, State, Time, like

Denoise: TypeAlias = Callable[[State, Time], Distribution]
"""(x_t, t) → p(x | x_t): what every verb asks of a denoiser, learned or exact."""

PREDICTIONS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "noise": lambda output, x_t, kept, noise: (x_t - noise * output) / kept,
    "data": lambda output, x_t, kept, noise: output,
    "velocity": lambda output, x_t, kept, noise: kept * x_t - noise * output,
}
"""(output, x_t, √ᾱ, √(1 − ᾱ)) → the mean of p(x | x_t)."""

WIDTHS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "small": lambda noise, outputs: torch.zeros_like(noise),
    "large": lambda noise, outputs: noise,
    "learned": lambda noise, outputs: noise * torch.sigmoid(outputs[:, 1]).sqrt(),
}
"""(√(1 − ᾱ), all outputs) → the std of p(x | x_t)."""

SIMPLE_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "noise": lambda snr: snr,
    "data": torch.ones_like,
    "velocity": lambda snr: 1 + snr,
}
"""ᾱ/(1 − ᾱ) → what turns (x − m)² into the squared error of the head's own target."""

SPELLINGS = {"epsilon": "noise", "sample": "data", "v_prediction": "velocity"}
"""The field's other names for the predictions."""


CERTAIN = 30.0
"""Log-odds that a network is shown of a bit at most: networks need finite numbers."""


class Head(ABC):
    """How a network's output maps become p(x | x_t); subclasses are frozen dataclasses of plain numbers."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Output maps the head asks of the network, per element of the state."""

    @abstractmethod
    def check(self, process: Process) -> None:
        """Raise ValueError if this head cannot read states of this process, or not on its clock."""

    @abstractmethod
    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> Distribution:
        """Return p(x | x_t) from the output maps, for states that ``process`` has noised to the times ``t``."""

    def view(self, x_t: State, t: Time, process: Process) -> State:
        """Return what the network is shown of the states ``x_t``: by default the states."""
        return x_t

    @abstractmethod
    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        """The simple loss of each element: squared error of the head's target, or −log p(x | x_t) in nats for a mass.

        Source: Ho et al. 2020, eq. 14.
        """


@dataclass(frozen=True)
class GaussianHead(Head):
    """A Normal around a predicted noise, data or velocity.

    Raises:
        ValueError: if a name is unknown.
    """

    prediction: str = "velocity"
    std: str = "learned"

    def __post_init__(self) -> None:
        object.__setattr__(self, "prediction", SPELLINGS.get(self.prediction, self.prediction))
        for value, known in ((self.prediction, PREDICTIONS), (self.std, WIDTHS)):
            if value not in known:
                raise ValueError(f"a Gaussian head needs one of {', '.join(known)}, got {value!r}")

    @property
    def outputs(self) -> int:
        return 2 if self.std == "learned" else 1

    def check(self, process: Process) -> None:
        _check_gaussian(self, process)
        left = process.schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).item()
        if self.prediction == "noise" and left < 1e-12:
            raise ValueError(
                f"predicting the noise divides by √ᾱ, and {process.schedule!r} ends at ᾱ(1) = {left:.1g}; "
                "predict velocity or data, or use a schedule that keeps a little, such as linear"
            )

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Normal:
        alpha_bar = process.schedule.alpha_bar(t)
        kept, noise = like(alpha_bar.sqrt(), x_t), like((1 - alpha_bar).sqrt(), x_t)
        mean = PREDICTIONS[self.prediction](output[:, 0], x_t, kept, noise)
        return Normal(mean, WIDTHS[self.std](noise.expand_as(mean), output))

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return like(SIMPLE_WEIGHTS[self.prediction](alpha_bar / (1 - alpha_bar)), x) * (x - clean.mean) ** 2


@dataclass(frozen=True)
class StepHead(Head):
    """The 2015 parametrisation: mean μ and variance Σ of a step of a chain of ``steps`` steps, from z_μ and z_Σ.

        μ = (x_t − z_μ)(1 − Σ) + z_μ,    Σ = v + (1 − v) σ( z_Σ + σ⁻¹((β − v)/(1 − v)) )

    The guess is the p(x | x_t) = N(m, w²) whose step a m + b x_t, v + a² w² this is. The paper has Σ = σ(z_Σ + σ⁻¹(β)),
    in (0, 1); no p(x | x_t) makes a step narrower than v, the variance β̃ of q(x_s | x_t, x), and no optimum is, so here
    Σ lies in (v, 1). It is β where z_Σ = 0.

    Attributes:
        steps: T; a guess at t is that of the step from t to t − 1/T (to the data, if that is less than 0), on any grid.

    Raises:
        ValueError: if there are no steps.

    Source: Sohl-Dickstein et al. 2015, App. D.2.1, eq. 64–65.
    """

    steps: int = 40

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a step head needs one step or more, got {self.steps}")

    @property
    def outputs(self) -> int:
        return 2

    def check(self, process: Process) -> None:
        """Any clock will do: nothing is divided by √ᾱ_t."""
        _check_gaussian(self, process)

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Normal:
        gaussian = cast(Gaussian, process)
        s = (t - 1 / self.steps).clamp(min=0)
        s = torch.where(s < 0.5 / self.steps, torch.zeros_like(s), s)
        bridge, kept = gaussian.bridge(t, s), process.schedule.alpha_bar(t) / process.schedule.alpha_bar(s)
        beta = 1 - kept
        start = torch.logit((beta - bridge.v) / (1 - bridge.v))
        a, b, v, start = (like(c, x_t) for c in (bridge.a, bridge.b, bridge.v, start))
        wider = (1 - v) * torch.sigmoid(output[:, 1] + start)
        mean = (x_t - output[:, 0]) * (1 - v - wider) + output[:, 0]
        return Normal((mean - b * x_t) / a, wider.sqrt() / a)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return (x - clean.mean) ** 2


@dataclass(frozen=True)
class LevelsHead(Head):
    """A mass on each of ``levels`` values evenly spaced over [−1, 1], for data that take no others.

    Attributes:
        levels: how many.
        gain: logits per unit of the network's output. Weights move by about the learning rate a step, and logits have
            to move by several times log ``levels``: with 256 levels a gain of 8 learns far faster than 1.

    Raises:
        ValueError: if there are fewer than two levels or the gain is not above 0.
    """

    levels: int = 256
    gain: float = 1.0

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"a levels head needs at least two levels, got {self.levels}")
        if self.gain <= 0:
            raise ValueError(f"a levels head needs a gain above 0, got {self.gain}")

    @property
    def outputs(self) -> int:
        return self.levels

    def check(self, process: Process) -> None:
        """Any clock will do: nothing is divided by √ᾱ."""
        _check_gaussian(self, process)

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Levels:
        alpha_bar = process.schedule.alpha_bar(t)
        levels = torch.linspace(-1, 1, self.levels, dtype=x_t.dtype, device=x_t.device)
        kept, noise = like(alpha_bar.sqrt(), x_t)[..., None], like((1 - alpha_bar).sqrt(), x_t)[..., None]
        gap = (x_t[..., None] - kept * levels).square_()
        return Levels(torch.addcmul(output.movedim(1, -1) * self.gain, gap, 1 / noise**2, value=-0.5), levels)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return -clean.log_prob(x)


@dataclass(frozen=True)
class BernoulliHead(Head):
    """A probability of a one for each bit, held as 0.0 or 1.0.

    The network is shown e = log q(x_t | x = 1)/q(x_t | x = 0) of each bit: what a bit says shrinks with its noise, and
    what several say adds up, at any time in the same way. Of a bit that is certain (at t = 0; a one where p₀ = 0) e is
    ±∞, and the network is shown ±`CERTAIN`.

    Attributes:
        gain: log-odds per unit of the network's output; near the data log-odds of ±20 are common.

    Raises:
        ValueError: if the gain is not above 0.
    """

    gain: float = 8.0

    def __post_init__(self) -> None:
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

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return -clean.log_prob(x)


@dataclass(frozen=True)
class CategoricalHead(Head):
    """A mass on each of the ``states`` that the data hold; further ones of the process, as a mask, get none.

    Raises:
        ValueError: if there are fewer than two states.
    """

    states: int = 27

    def __post_init__(self) -> None:
        if self.states < 2:
            raise ValueError(f"a categorical head needs at least two states, got {self.states}")

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

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return -clean.log_prob(x)


def _log_odds(x_t: State, t: Time, process: Process) -> State:
    """log q(x_t | x = 1)/q(x_t | x = 0) of each bit."""
    one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
    return one - zero


def _check_gaussian(head: Head, process: Process) -> None:
    if not isinstance(process, Gaussian):
        raise ValueError(f"{type(head).__name__} reads states of a Gaussian process, got {process!r}; use another head")


def input_states(process: Process) -> int:
    """Return how many states an element of a network's input has: K of a finite process, 0 for numbers (bits too)."""
    return process.states if isinstance(process, FiniteProcess) else 0


class Denoiser:
    """A head × a network for states of a process: calling it gives p(x | x_t).

    Raises:
        ValueError: if the head cannot read states of the process.
    """

    def __init__(self, process: Process, network: Network, head: Head) -> None:
        head.check(process)
        self.process, self.network, self.head = process, network, head

    def __call__(self, x_t: State, t: Time, label: Label | None = None) -> Distribution:
        """Return p(x | x_t) for states at times t in (0, 1], shaped like ``x_t``."""
        output = self.network(self.head.view(x_t, t, self.process), t, label)
        return self.head.read(output, x_t, t, self.process)

    def given(self, label: Label | None) -> Denoise:
        """Return this denoiser with a label bound to each example; again a function of (x_t, t)."""
        return lambda x_t, t: self(x_t, t, label)
