"""Inputs and results of inference methods, in state units.

A `Bench` is made from a learned model, or from a distribution with a known posterior. The bias of a method is thus
measured with the code that makes the draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from quasistatic.denoiser import Denoise, Shown
from quasistatic.distribution import Distribution
from quasistatic.inference import InOrder
from quasistatic.process import Process
from quasistatic.runtime.fields import Checked, Range, Seed, check_fields, option
from quasistatic.sampling import Follow
from quasistatic.streams import Streams
from quasistatic.types import Nats, State, batches, growing


@dataclass(frozen=True)
class DrawOptions(Checked):
    """How draws are made; each field's metadata has its help text, which the command shows.

    Steps are even in time. Draws do not depend on the batch, except for the network's rounding. With as many islands as
    draws, the draws are independent.

    Raises:
        ValueError: if a number is of another type or out of its range.
    """

    draws: Annotated[int, Range(at_most=10**6)] = option(1, "Completions of each example.")
    steps: Annotated[int, Range(at_most=10**6)] = option(250, "Steps of the chain.")
    resamplings: Annotated[int, Range(at_most=1000)] = option(
        1, "Passes over each stretch (hold, reveal); more is slower, less biased."
    )
    sampler: str = option("ancestral", "The step that is held, revealed or conditioned.")
    particles: Annotated[int, Range(at_most=10**6)] = option(
        64, "Particles per example, for --method particle; default 64."
    )
    islands: int = option(1, "Particle groups; 2 or more estimate the evidence's error; default 1.")
    label: int | str | None = option(None, "Class to condition on, by name or number.")
    condition: Any = option(None, "Condition: a file, or NAME=VALUE with commas between.")
    scale: Annotated[float, "finite: see `inference.classifier_free`"] = option(
        1.0, "Classifier-free guidance scale: 0 ignores the label, 1 is exact, others heuristic."
    )
    seed: Seed = option(0, "Random seed.")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Bench:
    """The parts of a model that inference methods use.

    Attributes:
        process: the forward process.
        denoise: how many rows → the guess for them.
        template: one state (1, *shape); gives shape, type and device.
        decode: makes the law that data are scored with.
        at_once: rows worked on together.
        given: what is shown → the guess of a network that is shown it; None where there is no such one.
        levels: of the images whose block means the network can be shown; 0 if there are none.
        in_order: how many rows → what gives log p of each element given those before it; None unless clocks run from
            left to right and one pass of the network tells.
        follow: how many rows → the law of each element given those before it; where `in_order` is.
        on_rows: called with the states of each group of chains that has ended, in order; the first groups are small.
            Particles end together, so their methods do not call it.
        numbers: of the examples, which decide their random numbers; None: from 0 on.
    """

    process: Process
    denoise: Callable[[int], Denoise]
    template: State
    decode: Callable[[Distribution], Distribution]
    at_once: int
    given: Callable[[Shown], Denoise] | None = None
    levels: int = 0
    in_order: Callable[[int], InOrder] | None = None
    follow: Callable[[int], Follow] | None = None
    on_rows: Callable[[State], None] | None = None
    numbers: Int[Tensor, " count"] | None = None

    def groups(self, total: int) -> Iterator[int]:
        """Yield how many of ``total`` chains are run together, group by group."""
        return batches(total, self.at_once) if self.on_rows is None else growing(total, self.at_once)

    def streams(self, seed: int, done: int, size: int, each: int = 1) -> Streams:
        """Return the streams of the next ``size`` chains after ``done``, where each example has ``each``."""
        if self.numbers is None:
            return Streams(seed, done, size)
        places = torch.arange(done, done + size)
        return Streams.of(seed, self.numbers[places // each] * each + places % each)

    def prior(self, streams: Streams) -> State:
        """Draw a state of noise for each stream."""
        return self.process.prior(self.rows(len(streams))).sample(streams)

    def rows(self, count: int) -> State:
        """Return ``count`` states of the template's shape."""
        return self.template.expand(count, *self.template.shape[1:])


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws (n, draws, *shape) in state units, on the CPU; only particle methods set the other fields."""

    x: Shaped[Tensor, "n draws *shape"]
    network_evaluations: int
    effective: Float[Tensor, " n"] | None = None
    log_evidence: Nats | None = None
    error: Nats | None = None
