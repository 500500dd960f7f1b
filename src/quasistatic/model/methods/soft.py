"""Methods for other observations: noise on every element, or anything that has a likelihood."""

import math
import warnings
from collections.abc import Callable
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic import inference, sampling
from quasistatic.denoiser import Shown
from quasistatic.inference import Conditioned, FewParticles, Known, Noisy, Observation, Particles, Proposal
from quasistatic.model.bench import Bench, Drawn, DrawOptions
from quasistatic.model.methods.base import Method, Walk, counter, require_one_clock, with_slope
from quasistatic.process import GaussianProcess, Process, ProductProcess
from quasistatic.schedule import uniform_times
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import State, Step, Watch, batches

EARLIEST = 1e-3
"""Time of the first of a thousand steps; a network has seen no less noise than there."""


@final
class FromNoise(Walk):
    """The chain starts at the time when the data have the noise of the observation; for noise on every element.

    y = x + N(0, σ²) is a state in disguise: √ᾱ y has the law of x_t where (1 − ᾱ)/ᾱ = σ². The reverse chain from there
    draws from p(x | x_t) = p(x | y).
    """

    name = "denoise"
    exactness = "exact given the model's guesses"
    takes: ClassVar[frozenset[str]] = frozenset({"sampler"})

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if even_noise(bench.process, observation) is None:
            raise TypeError(
                "denoise needs the same noise on every element, in the model's units (columns with scales of their own "
                "differ), no less than the chain's first step has and no more than its last; use guide or particle"
            )

    def times(self, bench: Bench, observation: Observation, options: DrawOptions) -> Float[Tensor, " walk"]:
        begin = even_noise(bench.process, observation)
        assert begin is not None
        return begin * uniform_times(max(1, math.ceil(begin * options.steps)))

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        begin = even_noise(bench.process, observation)
        assert isinstance(observation, Noisy)
        assert isinstance(bench.process, GaussianProcess)
        assert begin is not None
        log_snr = bench.process.schedule.log_snr(torch.tensor([begin]).double())
        return observation.y * log_snr.sigmoid().sqrt().to(observation.y)

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        return sampling.sampler(options.sampler)(bench.process, bench.denoise(len(streams)), streams)


def even_noise(process: Process, observation: Observation) -> float | None:
    """Return the time when data have as much noise as an observation of all elements; None if there is none."""
    if not isinstance(process, GaussianProcess) or process.staggered or not isinstance(observation, Noisy):
        return None
    std = observation.std
    if not std.numel() or not bool(observation.mask.all()) or not torch.allclose(std, std.flatten()[0]):
        return None
    log_snr = -2 * std.flatten()[:1].double().cpu().log()
    begin = process.schedule.time_of(log_snr)
    reached = torch.isclose(process.schedule.log_snr(begin), log_snr, rtol=0, atol=1e-3).item()
    return begin.item() if reached and EARLIEST <= begin.item() <= 1 else None


@final
class Guide(Walk):
    """Each step is shifted towards the observation, or each guess is tilted; for any observation."""

    name = "guide"
    exactness = "approximate, biased"

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        require_one_clock(bench.process, self.name)

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        denoise = bench.denoise(len(streams))
        if isinstance(bench.process, GaussianProcess):
            return inference.guided(bench.process, denoise, observation, streams)
        return sampling.ancestral(bench.process, inference.tilted_guess(denoise, observation), streams)

    def evaluations(self, bench: Bench, options: DrawOptions) -> int:
        return with_slope(bench.process) * super().evaluations(bench, options)


@final
class Particle(Method):
    """Many chains at once, weighted and resampled; also estimates the evidence. For any observation."""

    name = "particle"
    exactness = "exact in the limit of many particles"
    takes: ClassVar[frozenset[str]] = frozenset({"particles", "islands"})

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        require_one_clock(bench.process, self.name)
        if options.particles < 1:
            raise ValueError(f"particle needs one particle or more, got {options.particles}")

    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        if bench.in_order is not None and isinstance(observation, Known):
            return _in_gaps(bench, observation, count, options, watch)
        found, x, done, counted = list[Particles](), [], 0, counter(watch, count * options.particles * options.steps)
        cost = super().evaluations(bench, options) * (
            2 if _shows(bench, observation, options) else with_slope(bench.process)
        )
        drawing_seed = derived_seed(options.seed, "draws from particles")
        for size in batches(count, max(1, bench.at_once // options.particles)):
            seen = observation.take(torch.arange(done, done + size, device=bench.template.device))
            first, chains = done * options.particles, size * options.particles
            streams = bench.streams(options.seed, first, chains, options.particles)
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore", FewParticles)
                part = _walked(bench, seen, size, options, streams, counted)
            x.append(part.draw(options.draws, bench.streams(drawing_seed, done, size)).cpu())
            found.append(part)
            done += size
        return _together(found, x, count * options.particles * options.steps * cost, options)


def _together(found: list[Particles], x: list[State], spent: int, options: DrawOptions) -> Drawn:
    """Return the draws ``x`` with the evidence of all examples, and warn if particles are few."""
    effective = torch.cat([part.lowest for part in found]).cpu()
    inference.warn_of_few(effective, options.particles)
    evidence = torch.cat([part.log_evidence for part in found]).cpu()
    error = torch.cat([part.error for part in found]).cpu()
    return Drawn(torch.cat(x), spent, effective, evidence, error)


def _in_gaps(bench: Bench, seen: Known, count: int, options: DrawOptions, watch: Watch | None) -> Drawn:
    """Draw what fills the gaps of sequences whose elements a model draws from left to right."""
    assert bench.in_order is not None
    hidden = float(bench.process.prior(bench.template).sample().flatten()[0])
    gaps = [sum(1 for _ in inference.gaps_of(known)) for known in seen.mask]
    counted = counter(watch, options.particles * sum(gaps))
    made = inference.ParticleOptions(islands=options.islands, watch=counted)
    drawing_seed, found, x = derived_seed(options.seed, "draws from particles"), list[Particles](), []
    denoise, in_order = bench.denoise(options.particles), bench.in_order(options.particles)
    for row in range(count):
        one, first = seen.take(torch.tensor([row])), row * options.particles
        streams = bench.streams(options.seed, first, options.particles, options.particles)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FewParticles)
            part = inference.filled_gaps(
                denoise, in_order, one, hidden, options.particles, made.changed({"generator": streams})
            )
        x.append(part.draw(options.draws, bench.streams(drawing_seed, row, 1)).cpu())
        found.append(part)
    spent = options.particles * (int((~seen.mask).sum()) + sum(gaps))
    return _together(found, x, spent, options)


def _walked(
    bench: Bench, seen: Observation, size: int, options: DrawOptions, streams: Streams, watch: Callable[[int], None]
) -> Particles:
    """Return the particles of ``size`` examples, by reverse chains."""
    return inference.particle(
        bench.process,
        bench.denoise(size * options.particles),
        seen,
        bench.rows(size),
        uniform_times(options.steps),
        options.particles,
        islands=options.islands,
        twist=inference.twist(bench.process, bench.template.numel()),
        propose=_proposal(bench, seen, options),
        decode=bench.decode,
        generator=streams,
        watch=watch,
    )


def _shows(bench: Bench, observation: Observation, options: DrawOptions) -> bool:
    """Return whether there is a network that can be shown all that was observed."""
    alone = isinstance(observation, Known) and not isinstance(bench.process, ProductProcess)
    return bench.given is not None and alone and options.scale == 1


def _proposal(bench: Bench, observation: Observation, options: DrawOptions) -> Proposal:
    """Return how particles move: by the network that is shown the known elements where there is one."""
    if not _shows(bench, observation, options):
        return inference.proposal(bench.process)
    assert isinstance(observation, Known)
    assert bench.given is not None
    values = observation.values.masked_fill(~observation.mask, torch.nan)
    return Conditioned(bench.process, bench.given(Shown(values.repeat_interleave(options.particles, 0))))
