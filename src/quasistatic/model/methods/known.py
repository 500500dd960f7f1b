"""Methods for elements that are known without noise: a sampler's step, wrapped to use them."""

from typing import final

import torch

from quasistatic import inference
from quasistatic.denoiser import Denoise
from quasistatic.inference import Known, Observation
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.methods.base import OfKnown, limits_of, require_known
from quasistatic.process import Process
from quasistatic.sampling.limits import limited
from quasistatic.streams import Streams
from quasistatic.types import State, Step


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

    Cells within limits are drawn first, given the known ones.
    """

    name = "reveal"
    exactness = "exact given the model's guesses"
    within = True

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if limits_of(observation) is not None and options.resamplings > 1:
            raise ValueError("cells within limits are drawn once, got resamplings; leave them out")

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        loose, x = limits_of(observation), super().start(bench, observation, streams)
        if loose is None:
            return x
        seen = require_known(observation, self.name)
        return limited(bench.denoise(len(x)), torch.where(seen.mask, seen.values, x), loose.limits, streams)[0]

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.reveal(process, step, seen.values, seen.mask, streams)


@final
class Condition(OfKnown):
    """The network gets the known elements as input; for networks trained that way."""

    name = "condition"
    exactness = "exact given the model's guesses"

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if bench.given is None:
            raise ValueError("condition needs a model that was trained to be shown what is known; use another method")
        if options.scale != 1:
            raise ValueError("condition takes no guidance scale; leave it out, or use another method")

    def denoise(self, bench: Bench, seen: Known) -> Denoise:
        assert bench.given is not None
        return bench.given(seen.values.masked_fill(~seen.mask, torch.nan))

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.condition(process, step, seen.values, seen.mask, streams)
