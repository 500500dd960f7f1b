"""Heads that make a Normal of a network's output, for states of a Gaussian process.

    GaussianHead    a mean by way of the noise, the data or the velocity, with a width that is fixed or learned
    StepHead        mean and variance of a step, as in 2015

Source: Ho et al. 2020; Salimans & Ho 2022, App. D (velocity); Nichol & Dhariwal 2021, eq. 15 (learned).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser.head.base import Head, check_gaussian
from quasistatic.distribution import Distribution, Normal
from quasistatic.process import GaussianProcess, Process
from quasistatic.runtime.fields import Range, brief
from quasistatic.types import State, Time, like

LEAST = 1e-10
"""The least share of a variance that a learned width can have."""


def root_sigmoid(z: Tensor) -> Tensor:
    """√σ(z), but not below √`LEAST`: where a value is certain a width would shrink until no float holds its square."""
    return (LEAST + (1 - LEAST) * torch.sigmoid(z)).sqrt()


PREDICTIONS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "noise": lambda output, x_t, kept, noise: (x_t - noise * output) / kept,
    "data": lambda output, x_t, kept, noise: output,
    "velocity": lambda output, x_t, kept, noise: kept * x_t - noise * output,
}
"""(output, x_t, √ᾱ, √(1 − ᾱ)) → the mean of p(x | x_t)."""

WIDTHS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "small": lambda noise, outputs: torch.zeros_like(noise),
    "large": lambda noise, outputs: noise,
    "learned": lambda noise, outputs: noise * root_sigmoid(outputs[:, 1]),
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


@dataclass(frozen=True)
class GaussianHead(Head):
    """A Normal around a predicted noise, data or velocity.

    Raises:
        ValueError: if a name is unknown.
    """

    prediction: str = "velocity"
    std: str = "learned"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "prediction", SPELLINGS.get(self.prediction, self.prediction))
        for value, known in ((self.prediction, PREDICTIONS), (self.std, WIDTHS)):
            if value not in known:
                raise ValueError(f"a Gaussian head needs one of {', '.join(known)}, got {value!r}")

    @property
    def outputs(self) -> int:
        return 2 if self.std == "learned" else 1

    def check(self, process: Process) -> None:
        check_gaussian(self, process)
        left = process.schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).item()
        if self.prediction == "noise" and left < 1e-12:
            raise ValueError(
                f"predicting the noise divides by √ᾱ, and {brief(process.schedule)} ends at ᾱ(1) = {left:.1g}; "
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

    steps: Annotated[int, Range(at_most=10**6)] = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise ValueError(f"a step head needs one step or more, got {self.steps}")

    @property
    def outputs(self) -> int:
        return 2

    def check(self, process: Process) -> None:
        """Any clock will do: nothing is divided by √ᾱ_t."""
        check_gaussian(self, process)

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Normal:
        gaussian = cast(GaussianProcess, process)
        s = (t - 1 / self.steps).clamp(min=0)
        s = torch.where(s < 0.5 / self.steps, torch.zeros_like(s), s)
        bridge, kept = gaussian.bridge(t, s), process.schedule.alpha_bar(t) / process.schedule.alpha_bar(s)
        beta = 1 - kept
        start = torch.logit((beta - bridge.v) / (1 - bridge.v))
        a, b, v, start = (like(c, x_t) for c in (bridge.a, bridge.b, bridge.v, start))
        root = (1 - v).sqrt() * root_sigmoid(output[:, 1] + start)
        wider = root**2
        mean = (x_t - output[:, 0]) * (1 - v - wider) + output[:, 0]
        return Normal((mean - b * x_t) / a, root / a)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return (x - clean.mean) ** 2
