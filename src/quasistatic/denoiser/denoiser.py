"""The denoiser: a network and a head that return p(x | x_t), a distribution over clean data."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

import torch
from torch import Tensor

from quasistatic.denoiser.head import Head
from quasistatic.denoiser.shown import Shown
from quasistatic.distribution import Distribution
from quasistatic.network import Network
from quasistatic.process import FiniteProcess, MaskedProcess, Process, ProductProcess
from quasistatic.types import Generator, Label, State, StateCounts, Time

Denoise: TypeAlias = Callable[[State, Time], Distribution]
"""(x_t, t) → p(x | x_t): a denoiser, learned or exact, as all verbs use it."""


def input_states(process: Process) -> StateCounts:
    """Return the number of states of a network's input elements: K for a finite process, 0 for numbers and bits.

    For a product or a masked process, the result has one entry per column.
    """
    if isinstance(process, MaskedProcess):
        return process.bins
    return process.states if isinstance(process, FiniteProcess | ProductProcess) else 0


def finite(network: Network) -> Callable[..., Tensor]:
    """Wrap ``network`` so that an output that is not finite, as from damaged weights, raises an error.

    Draws from such an output would be wrong without notice: no valid category, or always bit 0. Each call synchronises
    the device.
    """

    def checked(x_t: State, t: Time | None, label: Label | None = None) -> Tensor:
        return only_finite(network(x_t, t, label))

    return checked


def distinct(make: Callable[[int], Denoise], count: int) -> Denoise:
    """Return guesses that are made once for each different state, of rows that are told the same.

    Chains that begin alike are alike until they differ: of many draws of a short gap, few states are different.

    Args:
        make: how many rows → the guess for them.
        count: of rows.
    """

    def guess(x_t: State, t: Time) -> Distribution:
        states, index = x_t.unique(dim=0, return_inverse=True)
        if len(states) == count or bool((t != t[0]).any()):
            return make(count)(x_t, t)
        return make(len(states))(states, t[: len(states)]).take(index)

    return guess


def only_finite(output: Tensor) -> Tensor:
    """Return a network's output.

    Raises:
        FloatingPointError: if a number in it is not finite.
    """
    if output.numel() and not torch.stack(output.detach().aminmax()).isfinite().all():
        raise FloatingPointError(
            "the model's guesses are not finite numbers: its weights are damaged, or its training failed; train it "
            "again, or take an earlier checkpoint"
        )
    return output


class Denoiser:
    """A network with a head; calling it returns p(x | x_t).

    Args:
        process: the forward process of the states.
        network: the network, with weights in their own dtype.
        head: turns the network's output into a distribution.
        precision: dtype of the network's matrix multiplications, by torch's autocast. The head works in the dtype of
            the states, because a mean rounded to bfloat16 would spoil the bound.

    Raises:
        ValueError: if the head does not work with the process.
    """

    def __init__(
        self,
        process: Process,
        network: Callable[..., Tensor],
        head: Head,
        precision: torch.dtype = torch.float32,
    ) -> None:
        head.check(process)
        self.process, self.network, self.head, self.precision = process, network, head, precision

    def __call__(
        self, x_t: State, t: Time, label: Label | None = None, observed: State | Shown | None = None
    ) -> Distribution:
        """Return p(x | x_t, observed) for states at times t in (0, 1], shaped like ``x_t``.

        Elements of ``observed`` (clean states, shaped like ``x_t``) that are not NaN are known to the network, or it
        is shown means.

        Raises:
            ValueError: if ``observed`` is given and the network was not trained for it.
        """
        head, process = self.head, self.process
        view = head.view(x_t, t, process) if observed is None else head.view_given(x_t, t, process, Shown.of(observed))
        half = self.precision != torch.float32
        with torch.autocast(x_t.device.type, self.precision) if half else nullcontext():
            output = self.network(view, t, label)
        return head.read(output, x_t, t, process)

    def left_to_right(self, x: State, label: Label | None = None, generator: Generator = None) -> Distribution:
        """Return p(x_i | x_1 … x_{i−1}) of each element of clean states, by one pass of a causal network."""
        one = torch.ones(len(x), dtype=torch.float64)
        hidden = self.process.prior(x).sample(generator)
        half = self.precision != torch.float32
        with torch.autocast(x.device.type, self.precision) if half else nullcontext():
            output = self.network(x, None, label)
        return self.head.read(output, hidden, one, self.process)

    def given(self, label: Label | None, observed: State | Shown | None = None) -> Denoise:
        """Bind a label and an observation to each example; the result is again a function of (x_t, t)."""
        return lambda x_t, t: self(x_t, t, label, observed)
