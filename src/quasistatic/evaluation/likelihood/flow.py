"""Exact log-likelihood of a Gaussian process by its probability flow: the ODE whose states have the laws q(x_t).

    dx/dℓ = ½ α (m(x, t) − α x),    ℓ = log ᾱ/(1 − ᾱ),  α = √ᾱ,  m the mean of p(x | x_t)
    log p(x_ε) = log π(x_1) − ∫_{ℓ(1)}^{ℓ(ε)} div dℓ,    div = ½ α (tr ∂m/∂x − α D)

The divergence is exact (D products with the Jacobian), or Hutchinson's unbiased estimate vᵀ(∂m/∂x)v with random signs
v, fixed along the path. The tolerance holds for each example. The solver's steps depend on the batch, so an example's
value depends on its batch within the tolerance.

The result is the likelihood under the distribution that the flow makes of π. If the guess is exact, that is the
distribution of the data.
Source: Song et al. 2021 (arXiv:2011.13456), eq. 39–40 and App. D.2; Grathwohl et al. 2019 (arXiv:1810.01367); in ℓ,
with Karras et al. 2022, eq. 1 and 3.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, standard_normal, standard_uniform
from quasistatic.process import GaussianProcess, Process
from quasistatic.schedule import NOTHING, Schedule
from quasistatic.types import Generator, Nats, State, per_example

EXACT_UP_TO = 32
"""Up to this number of dimensions, the divergence is exact unless probes are requested."""


@dataclass(frozen=True, eq=False)
class Flowed:
    """The flow's result for each example, in nats.

    Attributes:
        log_likelihoods: (probes, batch): one estimate per probe; a single row if the divergence is exact.
        latent: the states at time 1.
        evaluations: number of denoiser calls, the same for every example.
    """

    log_likelihoods: Float[Tensor, "probes batch"]
    latent: State
    evaluations: int

    @property
    def value(self) -> Nats:
        """log p of each example, in nats."""
        return self.log_likelihoods.mean(0)

    @property
    def error(self) -> Nats:
        """Standard error of each example's value over its probes; NaN for a single row."""
        probes = len(self.log_likelihoods)
        if probes < 2:
            return torch.full_like(self.log_likelihoods[0], math.nan)
        return self.log_likelihoods.std(0) / math.sqrt(probes)


@dataclass(frozen=True)
class Tolerance:
    """Tolerance of the ODE solver, per example: error per step below ``absolute`` + ``relative`` · |x|."""

    relative: float = 1e-5
    absolute: float = 1e-5


def log_likelihood(
    process: Process,
    denoise: Denoise,
    x: State,
    first: float,
    probes: int | None = None,
    generator: Generator = None,
    tolerance: Tolerance = Tolerance(),
) -> Flowed:
    """Return the log-density of the states ``x`` at time ``first``, in nats.

    Args:
        process: a Gaussian process.
        denoise: (x_t, t) → p(x | x_t); its mean is differentiated.
        x: states (batch, …) at time ``first``.
        first: time of the states, above 0; near 0, the density is that of the data.
        probes: random sign vectors per example for Hutchinson's estimate; None computes the exact divergence.
        generator: random numbers for the signs.
        tolerance: tolerance of the solver.

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if ``first`` is not inside (0, 1) or ``probes`` is below 1.
    """
    process = _gaussian(process)
    if probes is not None and probes < 1:
        raise ValueError(f"an estimate of the divergence needs one probe or more, got {probes}")
    trace: _Trace = _ExactTrace() if probes is None else _RandomTrace.drawn(x, probes, generator)
    flow = _Flow(process, denoise, x.dtype, trace)
    levels = _ends(process.schedule, first)
    rows = x.new_zeros((len(x), trace.rows), dtype=torch.float64)
    end, gained = _solve(flow, (x.double(), rows), levels, tolerance)
    prior = per_example(process.prior(end).log_prob(end))
    # From data to noise, ℓ decreases, so the integral already has the right sign.
    estimates = prior + gained.T
    return Flowed(estimates, end.to(x.dtype), flow.calls)


def latent(process: Process, denoise: Denoise, x: State, first: float, tolerance: Tolerance = Tolerance()) -> State:
    """Map ``x`` at time ``first`` to the flow's state at time 1. Raises as `log_likelihood` does."""
    flow = _Flow(_gaussian(process), denoise, x.dtype, None)
    return _solve(flow, (x.double(),), _ends(flow.process.schedule, first), tolerance)[0].to(x.dtype)


def from_latent(
    process: Process, denoise: Denoise, x_1: State, first: float, tolerance: Tolerance = Tolerance()
) -> State:
    """Map ``x_1`` at time 1 to the flow's state at time ``first``; the inverse of `latent`."""
    flow = _Flow(_gaussian(process), denoise, x_1.dtype, None)
    return _solve(flow, (x_1.double(),), _ends(flow.process.schedule, first).flip(0), tolerance)[0].to(x_1.dtype)


def noised(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    first: float,
    probes: int | None = None,
    generator: Generator = None,
    tolerance: Tolerance = Tolerance(),
) -> Flowed:
    """Estimate a lower bound on log p(x), with the process's noise at time ``first`` as dequantiser; in nats.

        log p(x) ≥ E_q(x_ε | x) [ log p_flow(x_ε) + log p(x | x_ε) − log q(x_ε | x) ]

    The estimate is unbiased, for a mass (levels, which have no flow at time 0) and for a density. x_ε replaces
    dequantised data, and ``decode`` of the guess there scores the data. Arguments as for `log_likelihood`, and:

    Args:
        decode: returns the distribution that scores the data: a codec's `decoder`, or the identity for densities.
        x: states (batch, …) of data, at time 0.

    Source: Ho et al. 2019 (arXiv:1902.00275), eq. 12, with the diffusion's noise as the dequantiser.
    """
    time = torch.full((len(x),), first, dtype=torch.float64)
    noising = _gaussian(process).marginal(x, time)
    x_t = noising.sample(generator)
    flowed = log_likelihood(process, denoise, x_t, first, probes, generator, tolerance)
    with torch.no_grad():
        guess = process.reverse(x_t, denoise(x_t, time), time, 0 * time)
        given = per_example(decode(guess).log_prob(x).double() - noising.log_prob(x_t).double())
    return Flowed(flowed.log_likelihoods + given, flowed.latent, flowed.evaluations + 1)


def dequantised(
    process: Process,
    denoise: Denoise,
    x: State,
    gap: float,
    first: float,
    probes: int | None = None,
    generator: Generator = None,
    tolerance: Tolerance = Tolerance(),
) -> Flowed:
    """Estimate a lower bound on log P(x) of equally spaced levels by uniform dequantisation, without bias; in nats.

        log P(x) ≥ E_u [ log p_flow(x + u) ] + D log gap,    u ~ U(−½, ½) · gap

    Arguments as for `log_likelihood`, and ``gap``, the distance between two levels in state units.
    Source: Theis et al. 2016 (arXiv:1511.01844), eq. 3–5.
    """
    spread = x + gap * (standard_uniform(x, generator) - 0.5)
    flowed = log_likelihood(process, denoise, spread, first, probes, generator, tolerance)
    return Flowed(flowed.log_likelihoods + math.log(gap) * x[0].numel(), flowed.latent, flowed.evaluations)


class _Trace(ABC):
    """Computes tr ∂m/∂x: ``rows`` numbers per example, exact or estimates."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Numbers per example."""

    @abstractmethod
    def __call__(self, mean: Tensor, inputs: Tensor) -> Float[Tensor, "batch rows"]:
        """The trace of the Jacobian of each example's ``mean`` in its ``inputs``."""


@final
@dataclass(frozen=True)
class _ExactTrace(_Trace):
    """The exact trace: one backward pass for each element of the diagonal; one number per example."""

    rows: int = 1

    def __call__(self, mean: Tensor, inputs: Tensor) -> Float[Tensor, "batch rows"]:
        elements = mean.flatten(1).unbind(1)
        diagonal = [
            _pulled(element.sum(), inputs, number + 1 < len(elements)).flatten(1)[:, number].double()
            for number, element in enumerate(elements)
        ]
        return torch.stack(diagonal, 1).sum(1, keepdim=True)


@final
@dataclass(frozen=True, eq=False)
class _RandomTrace(_Trace):
    """Hutchinson's estimate vᵀ(∂m/∂x)v: one number per probe, for random signs v (probes, batch, …)."""

    signs: Float[Tensor, "probes batch *shape"]

    @classmethod
    def drawn(cls, x: State, probes: int, generator: Generator) -> "_RandomTrace":
        """Draw random signs."""
        draws = [standard_normal(x, generator) for _ in range(probes)]
        return cls(torch.stack([torch.where(z < 0, -1.0, 1.0).to(x) for z in draws]))

    @property
    def rows(self) -> int:
        return len(self.signs)

    def __call__(self, mean: Tensor, inputs: Tensor) -> Float[Tensor, "batch rows"]:
        products = [
            per_example((_pulled((mean * v).sum(), inputs, number + 1 < len(self.signs)) * v).double())
            for number, v in enumerate(self.signs.to(mean))
        ]
        return torch.stack(products, 1)


def _pulled(value: Tensor, inputs: Tensor, again: bool) -> Tensor:
    """Return the gradient of ``value`` in ``inputs``; ``again`` keeps the graph for another call."""
    return torch.autograd.grad(value, inputs, retain_graph=again)[0]


class _Flow:
    """The ODE's right-hand side: dx/dℓ, and the divergence if a trace is given; counts its calls."""

    def __init__(self, process: GaussianProcess, denoise: Denoise, dtype: torch.dtype, trace: _Trace | None) -> None:
        self.process, self.denoise, self.dtype, self.trace, self.calls = process, denoise, dtype, trace, 0

    def __call__(self, log_snr: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.calls += 1
        x = state[0]
        level = log_snr.detach().cpu().double()
        alpha = level.sigmoid().sqrt().item()
        t = self.process.schedule.time_of(level).expand(len(x))
        if self.trace is None:
            with torch.no_grad():
                mean = self.denoise(x.to(self.dtype), t).mean.double()
            return (0.5 * alpha * (mean - alpha * x),)
        with torch.enable_grad():
            inputs = x.detach().to(self.dtype).requires_grad_()
            mean = self.denoise(inputs, t).mean
            trace = self.trace(mean, inputs)
        divergence = 0.5 * alpha * (trace - alpha * x[0].numel())
        return 0.5 * alpha * (mean.detach().double() - alpha * x), divergence


def _ends(schedule: Schedule, first: float) -> Float[Tensor, "2"]:
    """Return the log-SNR at time ``first`` and at time 1, in this order."""
    if not 0 < first < 1:
        raise ValueError(f"the flow starts at a time inside (0, 1), got first = {first}; near 0 it is at the data")
    return schedule.log_snr(torch.tensor([first, 1.0], dtype=torch.float64)).clamp(min=NOTHING)


def _solve(
    flow: _Flow, state: tuple[Tensor, ...], levels: Float[Tensor, "2"], tolerance: Tolerance
) -> tuple[Tensor, ...]:
    """Integrate ``flow`` from one log-SNR to the other; the worst example decides the step.

    Raises:
        FloatingPointError: if no step is small enough.
    """
    from torchdiffeq import odeint

    def worst(parts: tuple[Tensor, ...]) -> Tensor:
        each = sum(per_example(part**2) / part[0].numel() for part in parts if part.numel())
        return cast(Tensor, each).max().sqrt()

    try:
        ends = odeint(
            flow,
            state,
            levels.to(state[0].device),
            rtol=tolerance.relative,
            atol=tolerance.absolute,
            method="dopri5",
            options={"norm": worst},
        )
    except AssertionError as error:  # torchdiffeq's sign that the step became 0 or the state infinite
        raise FloatingPointError(
            f"the flow's equation cannot be solved to this tolerance ({error}): the model's guesses are too large or "
            "too rough; use bound, or train the model longer"
        ) from None
    return tuple(part[-1] for part in ends)


def _gaussian(process: Process) -> GaussianProcess:
    if not isinstance(process, GaussianProcess):
        raise TypeError(
            f"exact likelihood by the flow needs a Gaussian process (its states are continuous), got {process!r}; "
            "use bound, or importance"
        )
    return process
