"""Guidance: each step, or each guess, is shifted towards the observation. Nothing is weighted, so most are biased.

    guided           mean + Σ ∇ log E_guess r                    the guess's own variance       approximate
    posterior        mean + scale Σ ∇ log r(m)                   m the guess's mean (DPS)       heuristic
    pseudo_inverse   mean + Σ ∇ log N(y; A m, r²AAᵀ + std²)      r² = 1 − ᾱ (ΠGDM)              approximate
    perturbed        mean + ½ Σ ∇ log r(mean)                    eq. 61, with its half power    approximate
    perturbed_whole  mean + Σ ∇ log r(mean)                      eq. 61 as printed: targets r²  heuristic
    tilted_guess     guess × r, element by element               discrete data                  approximate
    classifier_free  guess without label + scale × difference    a conditional model            heuristic

Σ and mean are the variance and mean of the reverse step. All but the last two need a Gaussian process, because a
gradient moves continuous states. For Gaussian data, `guided` with the full covariance would be exact in small steps;
the guess's variance per element omits correlations between elements.

The half power: the step's normaliser is 1 + O(β), and these factors add up over all steps. A chain close to equilibrium
at all times is Langevin dynamics with drift ½ ∇ log π + ∇ log r, whose stationary law is π r²; with r^½ it is π r. For
x ~ N(0, 1) and r = N(1; x, 0.5), the truth is N(0.667, 0.333), and eq. 61 as printed gives N(0.800, 0.200).
Source: Sohl-Dickstein et al. 2015, eq. 61; Chung et al. 2023 (DPS); Song et al. 2023 (ΠGDM); Ho & Salimans 2022.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from quasistatic.denoiser import Denoise, Denoiser
from quasistatic.distribution import Bernoulli, Categorical, Distribution, LevelMixture, Levels, Normal
from quasistatic.inference.linear import LinearObservation
from quasistatic.inference.observation import Observation, others, tilted
from quasistatic.inference.particles.proposals import Ahead, Guided, Sight, lookahead
from quasistatic.process import GaussianProcess, Process
from quasistatic.types import Generator, Label, Nats, State, Step, Time, like


def guided(process: GaussianProcess, denoise: Denoise, observation: Observation, generator: Generator = None) -> Step:
    """Return the step shifted by Σ ∇ log E_guess r, with the gradient taken through the network. Approximate.

    For known elements and linear observations, E_guess r is a Normal with the guess's own variance. Known elements
    follow a bridge to their values. This is the proposal of `particle.Guided` without weights.

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: on a step, if log r has no gradient.
    """
    move, twist = Guided(process), lookahead(process)

    def ahead(x_t: State, t: Time, clean: Distribution) -> Nats:
        return twist(x_t, t, clean, observation)

    def step(x_t: State, t: Time, s: Time) -> State:
        sight = _looked(move, denoise, ahead, x_t, t)
        if bool(s.any()):
            return move.law(x_t, sight, t, s, observation).sample(generator)
        return tilted(observation, sight.clean)[0].sample(generator)

    return step


def posterior(
    process: GaussianProcess,
    denoise: Denoise,
    observation: Observation,
    scale: float = 1.0,
    generator: Generator = None,
) -> Step:
    """Return the step shifted by ``scale`` · Σ ∇ log r(m), with m the mean of the guess (DPS). Heuristic.

    It ignores the guess's variance, so early steps are shifted too far.

    Raises:
        TypeError: if the process is not Gaussian.

    Source: Chung et al. 2023 (arXiv:2209.14687), eq. 15, with the reverse step's variance for its step size.
    """
    return _sloped(process, denoise, lambda x_t, t, clean: scale * observation.log_prob(clean.mean), generator)


def pseudo_inverse(
    process: GaussianProcess, denoise: Denoise, observation: LinearObservation, generator: Generator = None
) -> Step:
    """Return the step shifted by Σ ∇ log N(y; A m, r²AAᵀ + std²), r² = 1 − ᾱ: right for data N(0, 1). Approximate.

    The gradient is (∂m/∂x_t)ᵀ Aᵀ (r²AAᵀ + std²)⁻¹ (y − A m); the linear system is solved by conjugate gradients, with
    A and its adjoint only.

    Raises:
        TypeError: if the process is not Gaussian, or the observation not linear.

    Source: Song et al. 2023 (Pseudoinverse-guided diffusion models), eq. 7–9.
    """
    if not isinstance(observation, LinearObservation):
        raise TypeError(f"ΠGDM needs a linear observation, got {type(observation).__name__}; use `guided`")
    operator, noise = observation.operator, observation.std**2

    def ahead(x_t: State, t: Time, clean: Distribution) -> Nats:
        gap = observation.y - operator.apply(clean.mean)
        width = like(1 - process.schedule.alpha_bar(t), gap)
        with torch.no_grad():
            pull = solved(lambda u: width * operator.apply(operator.adjoint(u)) + noise * u, gap.detach())
        # The variance does not depend on x_t, so the gradient is that of A m · pull with pull held constant.
        return (operator.apply(clean.mean) * pull).flatten(1).sum(1).double()

    return _sloped(process, denoise, ahead, generator)


def perturbed(
    process: GaussianProcess, denoise: Denoise, log_r: Callable[[State], Nats], generator: Generator = None
) -> Step:
    """Return the step N(f_μ + ½ Σ ∇ log r(f_μ), Σ): the 2015 perturbation with r^½ at every time. Approximate.

    Right in the limit of small steps, if the chain stays close to equilibrium.

    Raises:
        TypeError: if the process is not Gaussian.

    Source: Sohl-Dickstein et al. 2015, eq. 61, with r^½ in place of r.
    """
    return _perturbed(process, denoise, lambda x: 0.5 * log_r(x), generator)


def perturbed_whole(
    process: GaussianProcess, denoise: Denoise, log_r: Callable[[State], Nats], generator: Generator = None
) -> Step:
    """Return the step N(f_μ + Σ ∇ log r(f_μ), Σ), as printed: it draws from p(x) r(x)², not p(x) r(x). Heuristic.

    Kept to show what it does; use `perturbed`.

    Raises:
        TypeError: if the process is not Gaussian.

    Source: Sohl-Dickstein et al. 2015, eq. 61 and 23.
    """
    return _perturbed(process, denoise, log_r, generator)


def tilted_guess(denoise: Denoise, observation: Observation) -> Denoise:
    """Return the guess times r, exactly for each element by itself. Approximate.

    For discrete data, which have no gradients. Known elements follow a bridge to their values. The other elements
    depend on them through their noised states only, and no path is weighted.

    Raises:
        TypeError: if a part of the observation does not factorise.
    """
    left = others(observation)
    if left:
        raise TypeError(
            f"tilting needs an observation of each element by itself, got {type(left[0]).__name__}; use particle"
        )
    return lambda x_t, t: tilted(observation, denoise(x_t, t))[0]


def classifier_free(denoiser: Denoiser, label: Label, scale: float) -> Denoise:
    """Return the guess without label + ``scale`` × (guess with label − guess without label). Heuristic.

    A Normal gets the mean m + scale (m_label − m) and the labelled std. For discrete data, log-masses are combined; for
    a mixture on levels to first order in the level: it is multiplied by exp((scale − 1)(m_label − m)/variance · level).
    ``scale`` 1 is the model's own conditional guess, 0 the unconditional one. Above 1 the draws are sharper, and no
    longer follow any posterior.

    Raises:
        ValueError: if ``scale`` is not finite.

    Source: Ho & Salimans 2022 (arXiv:2207.12598), eq. 6.
    """
    if not math.isfinite(scale):
        raise ValueError(f"classifier-free guidance has a finite scale, got {scale}")

    def denoise(x_t: State, t: Time) -> Distribution:
        if scale == 0:  # its own width as well
            return denoiser(x_t, t)
        with_label = denoiser(x_t, t, label)
        return with_label if scale == 1 else _moved(denoiser(x_t, t), with_label, scale)

    return denoise


def _moved(free: Distribution, bound: Distribution, scale: float) -> Distribution:
    match free, bound:
        case Normal(), Normal():
            return Normal(free.mean + scale * (bound.mean - free.mean), bound.std)
        case LevelMixture(), LevelMixture():
            return bound.tilted((scale - 1) * (bound.mean - free.mean) / ((bound.variance + free.variance) / 2))
        case Levels(), Levels():
            return Levels(_mixed(free.log_masses, bound.log_masses, scale), free.levels)
        case Bernoulli(), Bernoulli():
            return Bernoulli(_mixed(free.logits, bound.logits, scale))
        case Categorical(), Categorical():
            return Categorical(_mixed(free.log_masses, bound.log_masses, scale))
    raise TypeError(f"classifier-free guidance knows no {type(free).__name__}; give its family a case in `guide`")


def _mixed(free: Tensor, bound: Tensor, scale: float) -> Tensor:
    # Values that are ±∞ in both stay as they are, because ∞ − ∞ is NaN.
    return torch.where(free == bound, bound, free + scale * (bound - free))


def _perturbed(
    process: GaussianProcess, denoise: Denoise, log_r: Callable[[State], Nats], generator: Generator
) -> Step:
    _check(process)

    def step(x_t: State, t: Time, s: Time) -> State:
        law = process.reverse(x_t, denoise(x_t, t), t, s)
        with torch.enable_grad():
            mean = law.mean.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_r(mean).sum(), mean)
        return Normal(law.mean + law.variance * slope, law.variance.sqrt()).sample(generator)

    return step


def _sloped(process: GaussianProcess, denoise: Denoise, ahead: Ahead, generator: Generator) -> Step:
    """Return the reverse step shifted by its variance times the gradient of ``ahead``; the last step is unshifted."""
    move = Guided(process)

    def step(x_t: State, t: Time, s: Time) -> State:
        sight = _looked(move, denoise, ahead, x_t, t)
        law: Distribution = process.reverse(x_t, sight.clean, t, s)
        if bool(s.any()):
            law = Normal(law.mean + law.variance * cast(Tensor, sight.slope), law.variance.sqrt())
        return law.sample(generator)

    return step


def _looked(move: Guided, denoise: Denoise, ahead: Ahead, x_t: State, t: Time) -> Sight:
    sight = move.look(denoise, ahead, x_t, t)
    if sight.slope is None:
        raise ValueError("guidance follows the gradient of log r(x), and this one has none; use particle")
    return sight


def _check(process: Process) -> None:
    if not isinstance(process, GaussianProcess):
        raise TypeError(f"a gradient needs a Gaussian process (continuous states), got {process!r}; use tilted_guess")


def solved(apply: Callable[[Tensor], Tensor], right: Tensor, steps: int = 50, tolerance: float = 1e-6) -> Tensor:
    """Solve ``apply(u) = right`` for a symmetric positive map of each example, by conjugate gradients.

    A solved example stays unchanged while others continue, so the result does not depend on the batch.
    """
    dot = lambda a, b: (a * b).flatten(1).sum(1).reshape(-1, *(1,) * (a.ndim - 1))  # noqa: E731
    u, left = torch.zeros_like(right), right
    direction, size = left, dot(left, left)
    enough = tolerance**2 * size
    for _ in range(steps):
        open_ = size > enough
        if not bool(open_.any()):
            break
        image = apply(direction)
        length = torch.where(open_, _ratio(size, dot(direction, image)), 0)
        u, left = u + length * direction, left - length * image
        following = dot(left, left)
        direction, size = left + _ratio(following, size) * direction, following
    return u


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part/whole, or 0 for an example that is already solved."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1), 0)
