"""Denoisers: a network and a head make p(x | x_t), a distribution over clean data."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

import torch
from torch import Tensor

from quasistatic.denoiser.head import Head
from quasistatic.distribution import Distribution
from quasistatic.network import Network
from quasistatic.process import FiniteProcess, Process, ProductProcess
from quasistatic.types import Label, State, StateCounts, Time

Denoise: TypeAlias = Callable[[State, Time], Distribution]
"""(x_t, t) → p(x | x_t): what every verb asks of a denoiser, learned or exact."""


def input_states(process: Process) -> StateCounts:
    """Return how many states an element of a network's input has: K of a finite process, 0 for numbers (bits too).

    A product has an entry for each column.
    """
    return process.states if isinstance(process, FiniteProcess | ProductProcess) else 0


def finite(network: Network) -> Callable[..., Tensor]:
    """Return ``network`` as a function that refuses an output that is not finite, as damaged weights make it.

    A category drawn from such an output is none, and a bit is always 0. Each call waits for the device.
    """

    def checked(x_t: State, t: Time, label: Label | None = None) -> Tensor:
        output = network(x_t, t, label)
        if not torch.stack(output.detach().aminmax()).isfinite().all():
            raise FloatingPointError(
                "the model's guesses are not finite numbers: its weights are damaged, or its training failed; train it "
                "again, or take an earlier checkpoint"
            )
        return output

    return checked


class Denoiser:
    """A head × a network for states of a process: calling it gives p(x | x_t).

    Args:
        process: whose states are read.
        network: with weights in its own precision.
        head: what the network's output means.
        precision: the network casts what it multiplies to this, as torch's autocast does. What the head makes of its
            output stays in the precision of the states: a mean that is rounded to bfloat16 spoils the bound.

    Raises:
        ValueError: if the head cannot read states of the process.
    """

    def __init__(
        self, process: Process, network: Callable[..., Tensor], head: Head, precision: torch.dtype = torch.float32
    ) -> None:
        head.check(process)
        self.process, self.network, self.head, self.precision = process, network, head, precision

    def __call__(self, x_t: State, t: Time, label: Label | None = None, observed: State | None = None) -> Distribution:
        """Return p(x | x_t, observed) for states at times t in (0, 1], shaped like ``x_t``.

        What is not NaN in ``observed`` (a state of the data, shaped like ``x_t``) is known and shown as it is.

        Raises:
            ValueError: if something is observed and the head has no way of showing it.
        """
        head, process = self.head, self.process
        view = head.view(x_t, t, process) if observed is None else head.view_given(x_t, t, process, observed)
        half = self.precision != torch.float32
        with torch.autocast(x_t.device.type, self.precision) if half else nullcontext():
            output = self.network(view, t, label)
        return head.read(output, x_t, t, process)

    def given(self, label: Label | None, observed: State | None = None) -> Denoise:
        """Return this denoiser with a label and an observation bound to each example; a function of (x_t, t) again."""
        return lambda x_t, t: self(x_t, t, label, observed)
