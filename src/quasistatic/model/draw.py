"""Draws given an observation, in the units of the states: one of four methods on a bench of process and guess.

A `Bench` is what a method works on: a learned model's, or one whose truth is known, so that what a method is said to
cost is measured with the code that answers.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from quasistatic import inference, sampling
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.inference import FewParticles, Known, Observation, Particles
from quasistatic.inference.particle import warn_of_few
from quasistatic.inference.report import Bias, Field
from quasistatic.process import Gaussian, Process
from quasistatic.runtime.device import check_room
from quasistatic.runtime.fields import Checked, Range, Seed, check_fields
from quasistatic.schedule import uniform_times
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import Nats, State, Step, Watch, batches


@dataclass(frozen=True)
class DrawOptions(Checked):
    """How draws are made.

    Attributes:
        draws: completions of each example.
        steps: of the chain, even in time.
        resamplings: how often each stretch of the chain is walked (RePaint); hold and reveal only.
        sampler: the step that is held, revealed or conditioned.
        particles: of each example; particle only.
        islands: groups of particles that are resampled apart; two or more give the evidence's error, and as many as
            there are draws make these independent.
        label: of a class-conditional model: a class's name or number.
        scale: classifier-free: how many times as far as the label moves the guess; 1 is the model itself.
        seed: decides the draws, whatever the batch, to the network's rounding.

    Raises:
        ValueError: if a number is of another type or out of its range.
    """

    draws: Annotated[int, Range(at_most=10**6)] = 1
    steps: Annotated[int, Range(at_most=10**6)] = 250
    resamplings: Annotated[int, Range(at_most=1000)] = 1
    sampler: str = "ancestral"
    particles: Annotated[int, Range(at_most=10**6)] = 64
    islands: int = 1
    label: int | str | None = None
    scale: Annotated[float, "finite: see `inference.classifier_free`"] = 1.0
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Bench:
    """What draws are made with.

    Attributes:
        process: the forward process.
        denoise: how many rows → the guess for them.
        template: one state (1, *shape); gives shape, type and device.
        decode: makes the law that data are scored with.
        at_once: rows worked on together.
        given: states, NaN where unknown → the guess of a network that is shown them; None where there is no such one.
    """

    process: Process
    denoise: Callable[[int], Denoise]
    template: State
    decode: Callable[[Distribution], Distribution]
    at_once: int
    given: Callable[[State], Denoise] | None = None

    def prior(self, streams: Streams) -> State:
        """Draw a state of noise for each stream."""
        return self.process.prior(self.rows(len(streams))).sample(streams)

    def rows(self, count: int) -> State:
        """Return ``count`` states of the template's shape."""
        return self.template.expand(count, *self.template.shape[1:])


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws (n, draws, *shape) in the units of the states, on the CPU; the rest is of particles only."""

    x: Shaped[Tensor, "n draws *shape"]
    network_evaluations: int
    effective: Float[Tensor, " n"] | None = None
    log_evidence: Nats | None = None
    error: Nats | None = None


def draw(
    bench: Bench, observation: Observation, count: int, method: str, options: DrawOptions, watch: Watch | None = None
) -> Drawn:
    """Draw states given what was observed of ``count`` examples.

    Raises:
        ValueError: if a name or number makes no sense.
        TypeError: if the method does not apply to this observation or process.
        ContradictionError: if what was observed has probability zero.

    Warns:
        FewParticles: if the effective number of particles is low.
    """
    inference.check_method(method)
    if options.draws < 1:
        raise ValueError(f"inference makes one draw or more of each example, got {options.draws}")
    check_room(f"{options.draws} draws of {count} examples", count * options.draws * bench.template.numel() * 8)
    if options.particles < 1:
        raise ValueError(f"particle needs one particle or more, got {options.particles}")
    if method in inference.METHODS:
        if not isinstance(observation, Known):
            raise TypeError(f"{method} needs values that are known without noise; use guide or particle")
        return _walked(bench, observation, count, method, options, watch)
    for name, value, default in (("resamplings", options.resamplings, 1), ("sampler", options.sampler, "ancestral")):
        if value != default:
            raise ValueError(f"{name} is for hold and reveal, got {value} with {method}; leave it out")
    return (_weighed if method == "particle" else _walked)(bench, observation, count, method, options, watch)


def bias(
    process: Process,
    mask: Bool[Tensor, "*shape"],
    method: str,
    options: DrawOptions,
    cases: int = 6,
    groups: int = 4,
    watch: Watch | None = None,
) -> Bias:
    """Measure a method's bias on a posterior in closed form: same process, steps, elements and options.

    Args:
        process: Gaussian.
        mask: which elements of an example are known.
        method: hold, guide or particle.
        options: how draws are made.
        cases: observations, each with its own truth.
        groups: independent runs of each, with ``options.draws`` draws.
        watch: called with (steps done, steps in all).

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if everything or nothing is known.
    """
    if bool(mask.all()) or not bool(mask.any()):
        raise ValueError("a report needs some elements known and some not; give a mask, a half or a box")
    field = Field(process, tuple(mask.shape))
    x = field.sample(cases, torch.Generator().manual_seed(options.seed)).repeat_interleave(groups, 0)
    bench = Bench(process, lambda count: field, torch.zeros(1, *mask.shape).double(), lambda clean: clean, 1024)
    drawn = draw(bench, Known(mask.expand_as(x), x), len(x), method, options, watch)
    hidden = drawn.x.flatten(2)[..., ~mask.flatten()].unflatten(0, (cases, groups))
    return Bias.of(hidden, field.posterior(x[::groups], mask))


def _walked(
    bench: Bench, observation: Observation, count: int, method: str, options: DrawOptions, watch: Watch | None
) -> Drawn:
    """Draw by a step that is walked once for each draw."""
    times = inference.resampled_times(uniform_times(options.steps), options.resamplings)
    total, done, rows, walked = count * options.draws, 0, [], 0
    for size in batches(total, bench.at_once):
        streams = Streams(options.seed, done, size)
        examples = torch.arange(done, done + size, device=bench.template.device) // options.draws
        x = bench.prior(streams)
        step = _step(bench, observation.take(examples), method, options, streams)
        with torch.no_grad():
            for state in sampling.sample(step, x, times):
                x, walked = state, walked + size
                if watch:
                    watch(walked, total * (len(times) - 1))
        rows.append(x.cpu())
        done += size
    down = int((times.diff() < 0).sum())
    return Drawn(torch.cat(rows).unflatten(0, (count, options.draws)), total * down * _cost(bench, method, options))


def _step(bench: Bench, observation: Observation, method: str, options: DrawOptions, streams: Streams) -> Step:
    process = bench.process
    if method == "condition":
        if bench.given is None or not isinstance(observation, Known):
            raise ValueError("condition needs a model that is shown what is known, as a table's is; use another method")
        denoise = bench.given(observation.values.masked_fill(~observation.mask, torch.nan))
    else:
        denoise = bench.denoise(len(streams))
    if isinstance(observation, Known) and method in inference.METHODS:
        plain = sampling.sampler(options.sampler)(process, denoise, streams)
        return inference.METHODS[method](process, plain, observation.values, observation.mask, streams)
    if isinstance(process, Gaussian):
        return inference.guided(process, denoise, observation, streams)
    return sampling.ancestral(process, inference.tilted_guess(denoise, observation), streams)


def _weighed(
    bench: Bench, observation: Observation, count: int, method: str, options: DrawOptions, watch: Watch | None
) -> Drawn:
    """Draw from particles, some examples at a time."""
    times, found, x = uniform_times(options.steps), list[Particles](), []
    done, walked, total = 0, 0, count * options.particles * options.steps
    drawing_seed = derived_seed(options.seed, "draws from particles")

    def count_up(evaluated: int) -> None:
        nonlocal walked
        walked += evaluated
        if watch:
            watch(walked, total)

    for size in batches(count, max(1, bench.at_once // options.particles)):
        examples = torch.arange(done, done + size, device=bench.template.device)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FewParticles)
            part = inference.particle(
                bench.process,
                bench.denoise(size * options.particles),
                observation.take(examples),
                bench.rows(size),
                times,
                options.particles,
                islands=options.islands,
                twist=inference.twist(bench.process, bench.template.numel()),
                propose=inference.proposal(bench.process),
                decode=bench.decode,
                generator=Streams(options.seed, done * options.particles, size * options.particles),
                watch=count_up,
            )
        x.append(part.draw(options.draws, Streams(drawing_seed, done, size)).cpu())
        found.append(part)
        done += size
    effective = torch.cat([part.lowest for part in found]).cpu()
    warn_of_few(effective, options.particles)
    return Drawn(
        torch.cat(x),
        total * _cost(bench, method, options),
        effective,
        torch.cat([part.log_evidence for part in found]).cpu(),
        torch.cat([part.error for part in found]).cpu(),
    )


def _cost(bench: Bench, method: str, options: DrawOptions) -> int:
    """Evaluations of the network in a step: a backward pass counts as two, a scale takes a guess without the label."""
    sloped = method in ("guide", "particle") and isinstance(bench.process, Gaussian)
    return (3 if sloped else 1) * (1 if options.scale == 1 else 2)
