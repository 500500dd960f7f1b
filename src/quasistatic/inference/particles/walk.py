"""Twisted sequential Monte Carlo: the posterior p(x) r(x) and its evidence, exact in the limit of many particles.

    w_1 = ψ_1(x_1),      w ← w · p(x_s | x_t) ψ_s(x_s) / [ q(x_s | x_t) ψ_t(x_t) ],      ψ_0 = r

Particles follow the reverse chain p with a proposal q. The twist ψ_t(x_t) > 0 is a lookahead: it should approximate
E[ r(x) | x_t ], and is E_clean r by default. Twists cancel along a path, so any positive twist is right in the limit of
many particles; a good one needs few. When the effective number of particles falls below a given fraction, they are
resampled in proportion to their weights. The last step draws from p(x | x_t) r(x) itself, as far as r factorises.

With ψ_t = E[r(x) | x_t] and q ∝ p ψ_s, only the first weights ψ_1(x_1) differ. If ᾱ(1) = 0 these are equal too, and the
evidence is exact for any number of particles; otherwise it is exact in the limit.
Exact means under the model, that is, under its reverse chain on the given grid of times.
Source: Wu et al. 2023 (arXiv:2306.17775), algorithm 1; Del Moral et al. 2006 (adaptive resampling).
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, standard_uniform
from quasistatic.inference.observation import Observation, check_log_r, others
from quasistatic.inference.particles.proposals import Proposal, Sight, Tilted, Twist, beside, lookahead
from quasistatic.process import Process
from quasistatic.types import Generator, Nats, State, Time, Times, error_of_log_mean, per_example

FEW = 10
"""Below this effective number of particles, a warning is given."""


class ContradictionError(ArithmeticError):
    """Raised if the observation has probability zero, so that there is no posterior."""


class FewParticles(UserWarning):
    """Warns that the effective number of particles is too low for a reliable result."""


@dataclass(frozen=True, eq=False)
class Particles:
    """Weighted particles of each example, and estimates from them. *Exact in the limit* of many particles.

    Attributes:
        x: (batch, particles, *shape), in state units.
        log_weights: (batch, particles), normalised: their exponentials sum to one.
        ess: effective number of particles of each island before each step and at the end, (steps + 1, batch, islands).
        log_evidence: log E r, in nats; unbiased before the logarithm.
        error: standard error of ``log_evidence``, from the spread of the islands; NaN for a single island.
    """

    x: Shaped[Tensor, "batch particles *shape"]
    log_weights: Float[Tensor, "batch particles"]
    ess: Float[Tensor, "times batch islands"]
    log_evidence: Nats
    error: Nats

    @property
    def exactness(self) -> str:
        """What the method is."""
        return "exact in the limit of many particles"

    @property
    def lowest(self) -> Float[Tensor, " batch"]:
        """The lowest effective number of particles of each example, all islands together, at any time."""
        return self.ess.sum(-1).amin(0)

    @property
    def mean(self) -> Float[Tensor, " batch *shape"]:
        """Weighted mean of the particles."""
        return self._averaged(self.x.double())

    @property
    def variance(self) -> Float[Tensor, " batch *shape"]:
        """Weighted variance of the particles."""
        return self._averaged((self.x.double() - self.mean[:, None]) ** 2)

    def draw(self, count: int, generator: Generator = None) -> Shaped[Tensor, "batch count *shape"]:
        """Draw ``count`` of each example's particles: evenly over islands, and by weight within an island.

        The particles of an island descend from few ancestors; draws from different islands are independent. Islands
        count equally, whatever their evidence: this is right for many particles per island, not for many islands.
        """
        u = standard_uniform(self.log_weights[:, :1], generator)
        share = self.log_weights.unflatten(1, (self.ess.shape[-1], -1)).log_softmax(-1)
        share = share.nan_to_num(nan=-math.inf, neginf=-math.inf)  # an island whose weights are all 0 is ignored
        index = systematic(share.flatten(1), u, count)
        return torch.stack([x[rows] for x, rows in zip(self.x, index, strict=True)])

    def _averaged(self, values: Tensor) -> Tensor:
        weights = self.log_weights.exp()
        return (values * weights.reshape(*weights.shape, *(1,) * (values.ndim - 2))).sum(1)


@dataclass(frozen=True, eq=False)
class ParticleOptions:
    """How particles are drawn; `particle` takes one, or its fields as keywords.

    Attributes:
        islands: groups that are resampled separately; two or more give the evidence's standard error.
        twist: the lookahead; by default `lookahead`. Twists must be positive: where it is 0, the last value is kept.
        propose: how particles move; by default `Tilted`.
        decode: returns the distribution that scores the data: a codec's `decoder`, or the identity for densities.
        resample_below: fraction of effective particles below which they are resampled.
        generator: random numbers for all draws; streams need one per particle of each example.
        watch: called with the number of network evaluations of each step.
    """

    islands: int = 1
    twist: Twist | None = None
    propose: Proposal | None = None
    decode: Callable[[Distribution], Distribution] = lambda clean: clean
    resample_below: float = 0.5
    generator: Generator = None
    watch: Callable[[int], None] | None = None

    def each(self, particles: int) -> int:
        """Return how many of the ``particles`` an island has.

        Raises:
            ValueError: if islands do not divide the particles.
        """
        if particles < 1 or self.islands < 1 or particles % self.islands:
            raise ValueError(
                f"islands divide the particles evenly, got {particles} particles in {self.islands} islands"
            )
        return particles // self.islands

    def changed(self, changes: Mapping[str, Any]) -> "ParticleOptions":
        """Return the options with some fields replaced.

        Raises:
            TypeError: if there is no such field.
        """
        known = [field.name for field in fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise TypeError(f"particles are drawn with {', '.join(known)}, got {unknown[0]}")
        return replace(self, **changes)


@dataclass(frozen=True, eq=False)
class _Walk:
    """What stays the same from step to step. Each island is a row of ``each`` log-weights."""

    process: Process
    denoise: Denoise
    observed: Observation
    twist: Twist
    propose: Proposal
    options: ParticleOptions
    each: int

    def look(self, x: State, t: Time, before: Nats) -> Sight:
        """Evaluate the guess and the twist at ``x``; where the twist is 0 the value ``before`` is kept."""
        sight = self.propose.look(self.denoise, self._ahead, x, t)
        log_psi = check_log_r(sight.log_psi.double())
        return replace(sight, log_psi=torch.where(log_psi == -math.inf, before, log_psi))

    def _ahead(self, x_t: State, t: Time, clean: Distribution) -> Nats:
        return self.twist(x_t, t, clean, self.observed)

    def resampled(self, x: State, sight: Sight, log_w: Tensor) -> tuple[State, Sight, Tensor]:
        """Draw the particles anew in the islands whose effective number is low."""
        index, level = resampled(log_w, self.options)
        return x[index], sight.take(index), level

    def step(self, x: State, sight: Sight, t: Time, s: Time) -> tuple[State, Sight, Nats]:
        """Move from t to s > 0; return the particles, what they see there, and what their log-weights gain."""
        kernel = self.process.reverse(x, sight.clean, t, s)
        law = self.propose.law(x, sight, t, s, self.observed)
        moved = law.sample(self.options.generator)
        gained = per_example((kernel.log_prob(moved) - law.log_prob(moved)).double())
        lost = gained.isnan()
        if bool(lost.any()):  # a guess that excludes the known values has no reverse step: weight 0
            moved = torch.where(beside(lost, x), kernel.sample(self.options.generator), moved)
            gained = torch.where(lost, -math.inf, gained)
        ahead = self.look(moved, s, sight.log_psi)
        return moved, ahead, gained + ahead.log_psi - sight.log_psi

    def last(self, x_t: State, sight: Sight, t: Time, s: Time) -> tuple[State, Nats]:
        """Move from t to 0; return the particles and what their log-weights gain."""

        def end(guess: Distribution) -> Distribution:
            return self.options.decode(self.process.reverse(x_t, guess, t, s))

        x, gained = self.propose.last(x_t, sight, end, self.observed, self.options.generator)
        return x, sum((part.log_prob(x) for part in others(self.observed)), gained) - sight.log_psi


def particle(
    process: Process,
    denoise: Denoise,
    observation: Observation,
    template: State,
    times: Times,
    particles: int,
    options: ParticleOptions = ParticleOptions(),
    **changes: Any,
) -> Particles:
    """Draw weighted particles from p(x) r(x) for each example. *Exact in the limit* of many particles.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t), for the states of all particles, ordered by example.
        observation: r, one for each example.
        template: states shaped like the examples (batch, …); its values are not read.
        times: a grid from 1 to 0, shape (steps + 1,).
        particles: particles per example, over all islands.
        options: how they are drawn.
        changes: fields of `ParticleOptions` to replace, as in ``particle(…, islands=4)``.

    Raises:
        TypeError: if `ParticleOptions` has no such field.
        ValueError: if islands do not divide the particles, or r or the twist is NaN or +∞.
        ContradictionError: if all weights of an example are zero.

    Warns:
        FewParticles: if the effective number of particles of some example falls below `FEW`.
    """
    options = options.changed(changes)
    islands, each = options.islands, options.each(particles)
    rows = torch.arange(len(template), device=template.device).repeat_interleave(particles)
    twist, propose = options.twist or lookahead(process), options.propose or Tilted(process)
    walk = _Walk(process, denoise, observation.take(rows), twist, propose, options, each)
    x = process.prior(template[rows]).sample(options.generator)
    sight = walk.look(x, times[:1].expand(len(x)), torch.zeros(len(x)).double())
    log_w, sizes = sight.log_psi.view(-1, each), []
    for t, s in pairwise(times):
        at, to = t.expand(len(x)), s.expand(len(x))
        sizes.append(effective(log_w))
        x, sight, log_w = walk.resampled(x, sight, log_w)
        if s > 0:
            x, sight, gained = walk.step(x, sight, at, to)
        else:
            x, gained = walk.last(x, sight, at, to)
        log_w = log_w + gained.view(-1, each)
        if options.watch:
            options.watch(len(x))
    sizes.append(effective(log_w))
    return joined_islands(x, log_w, torch.stack(sizes), len(template), islands)


def joined_islands(x: State, log_w: Tensor, sizes: Tensor, batch: int, islands: int) -> Particles:
    """Return the particles of ``batch`` examples with their log-weights (batch · islands, each).

    Raises:
        ContradictionError: if all weights of an example are zero.

    Warns:
        FewParticles: if the effective number of particles of some example falls below `FEW`.
    """
    log_z = average(log_w).view(batch, islands)
    dead = (log_z == -math.inf).all(1)
    if bool(dead.any()):
        raise ContradictionError(
            f"what was observed has probability zero under the model in example {int(dead.nonzero()[0])} "
            f"({int(dead.sum())} of {batch}): all {log_w.numel() // batch} particles have weight zero; check what is "
            "given as known, or use more particles"
        )
    all_of_them = log_w.reshape(batch, -1)
    found = Particles(
        x.view(batch, -1, *x.shape[1:]),
        all_of_them.log_softmax(1),
        sizes.view(len(sizes), batch, islands),
        average(log_z),
        error_of_log_mean(log_z.T),
    )
    warn_of_few(found.lowest, all_of_them.shape[1])
    return found


def resampled(
    log_w: Float[Tensor, "islands each"], options: ParticleOptions
) -> tuple[Int[Tensor, " particles"], Float[Tensor, "islands each"]]:
    """Return which particles go on, drawn anew in the islands whose effective number is low, and their log-weights."""
    islands, each = log_w.shape
    u = standard_uniform(log_w.new_zeros(islands * each, 1, dtype=torch.float64), options.generator)
    low = effective(log_w) < options.resample_below * each
    keep = torch.arange(each, device=log_w.device).expand(islands, each)
    index = torch.where(low[:, None], systematic(log_w, u.view(islands, each, 1)[:, 0], each), keep)
    index = (index + torch.arange(islands, device=log_w.device)[:, None] * each).flatten()
    return index, torch.where(low[:, None], average(log_w)[:, None], log_w)


def warn_of_few(lowest: Float[Tensor, " batch"], particles: int) -> None:
    """Warn if the lowest effective number of particles of some example is below `FEW`.

    Warns:
        FewParticles: with the number of such examples and the lowest effective sample size.
    """
    few = lowest < FEW
    if bool(few.any()):
        warnings.warn(
            f"{particles} particles are too few for {int(few.sum())} of {len(few)} examples: the effective sample size "
            f"fell to {lowest.min().item():.1f}; use more particles, as many islands as draws so that these are no "
            "copies, or take the answer as approximate",
            FewParticles,
            stacklevel=4,
        )


def effective(log_weights: Float[Tensor, "groups n"]) -> Float[Tensor, " groups"]:
    """Return the effective number of particles of each group, (Σ w)²/Σ w²; 0 if all weights are zero."""
    size = (2 * log_weights.logsumexp(1) - (2 * log_weights).logsumexp(1)).exp()
    return size.nan_to_num(0.0)


def average(log_weights: Float[Tensor, "groups n"]) -> Float[Tensor, " groups"]:
    """Return log (1/n) Σ w of each group."""
    return log_weights.logsumexp(1) - math.log(log_weights.shape[1])


def systematic(
    log_weights: Float[Tensor, "groups n"], u: Float[Tensor, "groups 1"], count: int
) -> Int[Tensor, "groups count"]:
    """Draw ``count`` of n indices in each group: each comes ⌊count · w⌋ or ⌈count · w⌉ times; ``u`` is in [0, 1).

    Source: Kitagawa 1996, App. A.
    """
    below = log_weights.double().softmax(-1).cumsum(-1)
    places = (u.double() + torch.arange(count, device=u.device)) / count * below[:, -1:]
    return torch.searchsorted(below, places, right=True).clamp(max=log_weights.shape[1] - 1)
