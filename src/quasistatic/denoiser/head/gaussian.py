"""Heads that return a Normal, for states of a Gaussian process.

    GaussianHead    predicts noise, data or velocity; its std is fixed or learned
    StepHead        predicts the mean and variance of a step, as in the 2015 paper

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
"""Lower limit of a learned variance, as a fraction of its upper limit."""


def root_sigmoid(z: Tensor) -> Tensor:
    """Return √σ(z), but at least √`LEAST`: for a certain value the variance would underflow."""
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
"""ᾱ/(1 − ᾱ) → the weight that turns (x − m)² into the squared error of the head's target."""

SPELLINGS = {"epsilon": "noise", "sample": "data", "v_prediction": "velocity"}
"""Other common names of the predictions."""


@dataclass(frozen=True)
class GaussianHead(Head):
    """Returns a Normal whose mean comes from predicted noise, data or velocity.

    Raises:
        ValueError: if ``prediction`` or ``std`` is unknown.
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
        alpha_bar = process.schedule.noised(t)
        kept, noise = like(alpha_bar.sqrt(), x_t), like((1 - alpha_bar).sqrt(), x_t)
        mean = PREDICTIONS[self.prediction](output[:, 0], x_t, kept, noise)
        return Normal(mean, WIDTHS[self.std](noise.expand_as(mean), output))

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return like(SIMPLE_WEIGHTS[self.prediction](alpha_bar / (1 - alpha_bar)), x) * (x - clean.mean) ** 2


@dataclass(frozen=True)
class StepHead(Head):
    """The 2015 parametrisation: mean μ and variance Σ of a step of a chain of ``steps`` steps, from z_μ and z_Σ.

        μ = (x_t − z_μ)(1 − Σ) + z_μ,    Σ = v + (1 − v) σ( z_Σ + σ⁻¹((β − v)/(1 − v)) )

    The guess is p(x | x_t) = N(m, w²), chosen such that the step has mean μ = a m + b x_t and variance Σ = v + a² w².
    The paper has Σ = σ(z_Σ + σ⁻¹(β)), in (0, 1). No p(x | x_t) gives a step with a variance below v, the variance β̃ of
    q(x_s | x_t, x), and neither does the optimum, so here Σ lies in (v, 1). It is β for z_Σ = 0.

    Attributes:
        steps: T. The guess at t is for the step from t to t − 1/T (or to 0, if that is negative), on any grid.

    Raises:
        ValueError: if ``steps`` is below 1.

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
        """Accept every schedule, because nothing is divided by √ᾱ_t."""
        check_gaussian(self, process)

    def read(self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process) -> Normal:
        a, b, v, start = self._coefficients(x_t, t, process)
        root = (1 - v).sqrt() * root_sigmoid(output[:, 1] + start)
        wider = root**2
        mean = (x_t - output[:, 0]) * (1 - v - wider) + output[:, 0]
        return Normal((mean - b * x_t) / a, root / a)

    def _coefficients(self, x_t: State, t: Time, process: Process) -> tuple[Tensor, ...]:
        """Return a, b and v of the step, and σ⁻¹((β − v)/(1 − v)), shaped to multiply ``x_t``."""
        gaussian = cast(GaussianProcess, process)
        s = (t - 1 / self.steps).clamp(min=0)
        s = torch.where(s < 0.5 / self.steps, torch.zeros_like(s), s)
        bridge, kept = gaussian.bridge(t, s), process.schedule.between(s, t).kept
        start = torch.logit((1 - kept - bridge.v) / (1 - bridge.v))
        return tuple(like(c, x_t) for c in (bridge.a, bridge.b, bridge.v, start))

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return (x - clean.mean) ** 2
