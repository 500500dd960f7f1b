"""Methods for what is known without noise, elements or block means: a sampler's step that uses them."""

from collections.abc import Iterator
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic import inference, sampling
from quasistatic.denoiser import Denoise, Shown
from quasistatic.distribution import Normal
from quasistatic.inference import BlockMeans, Known, LinearObservation, Observation
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.methods.base import OfKnown, Walk, Way, limits_of, require_known
from quasistatic.process import Process
from quasistatic.sampling.limits import limited
from quasistatic.streams import Streams
from quasistatic.types import Mask, State, Step, Time, Times


@final
class Hold(OfKnown):
    """The known elements follow noised copies of themselves, as in RePaint."""

    name = "hold"
    exactness = "heuristic, biased"

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.hold(process, step, seen.values, seen.mask, streams)


@final
class Reveal(OfKnown):
    """The known elements are visible from the start; for processes that end in a mask.

    Cells within limits are drawn first, given the known ones. What follows the beginning of a sequence is drawn from
    left to right, whatever the steps: that is exact given the guesses, and each element is read once.
    """

    name = "reveal"
    exactness = "exact given the model's guesses"
    within = True

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if limits_of(observation) is not None and options.resamplings > 1:
            raise ValueError("cells within limits are drawn once, got resamplings; leave them out")

    def times(self, bench: Bench, observation: Observation, options: DrawOptions) -> Float[Tensor, " walk"]:
        times = super().times(bench, observation, options)
        if not bench.process.staggered or options.resamplings > 1:
            return times
        return moving(bench.process, require_known(observation, self.name).mask, times)

    def way(self, bench: Bench, observation: Observation, options: DrawOptions) -> Way:
        follow, length = bench.follow, bench.template.numel()
        first = min(require_known(observation, self.name).mask.flatten(1).sum(1).tolist(), default=length)
        if follow is None or first == length or not continues(observation, options):
            return super().way(bench, observation, options)

        def states(seen: Observation, streams: Streams, x: State) -> Iterator[State]:
            known = require_known(seen, self.name)
            begun = torch.where(known.mask, known.values, x).to(x.dtype)
            return sampling.in_order(follow(len(x)), begun, first, known.mask.sum(1), streams)

        return Way(length - first, length - first, states)

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        loose, x = limits_of(observation), super().start(bench, observation, streams)
        if loose is None:
            return x
        seen = require_known(observation, self.name)
        return limited(bench.denoise(len(x)), torch.where(seen.mask, seen.values, x), loose.limits, streams)[0]

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.reveal(process, step, seen.values, seen.mask, streams)


def continues(observation: Observation, options: DrawOptions) -> bool:
    """Return whether what is known are the beginnings of sequences, and no option asks for another walk."""
    if not isinstance(observation, Known) or options.resamplings > 1:
        return False
    plain = sampling.sampler(options.sampler) is sampling.ancestral
    return plain and bool((observation.mask.long().diff(dim=1) <= 0).all())


def moving(process: Process, known: Mask, times: Times) -> Float[Tensor, " walk"]:
    """Return the times of a grid between which an unknown element moves, and 0; for clocks of elements."""
    t, s = times[:-1], times[1:]
    still = process.schedule.between(s, t).still
    assert still is not None
    moves = (~still & ~known.to(still.device).all(0)).flatten(1).any(1)
    ends = torch.nn.functional.pad(moves, (0, 1)) | torch.nn.functional.pad(moves, (1, 0))
    ends[-1] = True
    return times[ends] if int(ends.sum()) > 1 else times[-2:]


@final
class Condition(Walk):
    """The network gets the known elements or block means as input; for networks trained that way."""

    name = "condition"
    exactness = "exact given the model's guesses"
    takes: ClassVar[frozenset[str]] = OfKnown.takes

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if bench.given is None:
            raise ValueError("condition needs a model that was trained to be shown what is known; use another method")
        if options.scale != 1:
            raise ValueError("condition takes no guidance scale; leave it out, or use another method")
        if means_of(observation, bench.levels) is None:
            require_known(observation, self.name, ", or block means of levels with no more noise than rounding")
        elif options.resamplings > 1:
            raise ValueError("given means, condition needs one pass, got resamplings; leave them out")

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        assert bench.given is not None
        means = means_of(observation, bench.levels)
        if means is not None:
            return _with_means(bench, observation, bench.given(means), options, streams)
        seen = require_known(observation, self.name)
        denoise = bench.given(Shown(seen.values.masked_fill(~seen.mask, torch.nan)))
        plain = sampling.sampler(options.sampler)(bench.process, denoise, streams)
        return inference.condition(bench.process, plain, seen.values, seen.mask, streams)


def _with_means(
    bench: Bench, observation: Observation, denoise: Denoise, options: DrawOptions, streams: Streams
) -> Step:
    """Return the sampler's step by the guess that is matched to the means; the last one by the guess as it is, whose
    law is on levels.
    """
    assert isinstance(observation, LinearObservation)
    operator = observation.operator
    assert isinstance(operator, BlockMeans)
    make = sampling.sampler(options.sampler)

    def matched(x_t: State, t: Time) -> Normal:
        return operator.matched(denoise(x_t, t), observation.y, observation.std)

    early, last = make(bench.process, matched, streams), make(bench.process, denoise, streams)
    return lambda x_t, t, s: early(x_t, t, s) if bool(s.any()) else last(x_t, t, s)


def means_of(observation: Observation, levels: int) -> Shown | None:
    """Return observed block means of images of ``levels`` levels, with no more noise than rounding; None for others."""
    if not levels or not isinstance(observation, LinearObservation):
        return None
    operator, half_a_level = observation.operator, 1 / (levels - 1)
    if not isinstance(operator, BlockMeans) or observation.std > half_a_level * (1 + 1e-4):
        return None
    return Shown.means(observation.y, operator.factor, levels)
