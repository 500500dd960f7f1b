"""What a method of inference works on, and what it returns: in the units of the states.

A `Bench` is a learned model's, or one whose truth is known. So what a method is said to cost in accuracy is measured
with the code that answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.process import Process
from quasistatic.runtime.fields import Checked, Range, Seed, check_fields
from quasistatic.streams import Streams
from quasistatic.types import Nats, State


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
