"""Exact log-likelihood of a decoding order, for processes that end in a mask.

    log p_σ(x) = Σ_j log p( x at σ's block j | x at the blocks before, masks elsewhere )

The chain that shows the blocks of σ one after the other, each drawn from one guess, has exactly this law: with blocks
of one element it is an autoregressive model, with one block all elements are independent. The value is of that order,
not of the mixture over orders. The mean of log p_σ over uniformly random orders of single elements is the bound in the
limit of many steps, and log of the mean of p_σ lies above it.

    left, right    by place         random:SEED    an order for each example
    confidence     at each step the masked element with the most probable guess: a function of what is shown only
Source: Uria et al. 2014, eq. 4–6 (arXiv:1310.1757); Hoogeboom et al. 2022, §2 (arXiv:2110.02037).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Categorical, Distribution
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.masked import MASK
from quasistatic.process import FiniteProcess, MaskedProcess, Process
from quasistatic.schedule import Staggered
from quasistatic.streams import Streams
from quasistatic.types import Nats, State, per_example

ORDERS = ("left", "right", "confidence", "random:SEED")


@dataclass(frozen=True, eq=False)
class Ordered:
    """The exact score of an order.

    Attributes:
        elements: log p of each element (batch, …) given those before it, in nats; 0 for a missing one.
        evaluations: network evaluations that each example took.
    """

    elements: Float[Tensor, " batch *shape"]
    evaluations: int

    @property
    def value(self) -> Nats:
        """Log-likelihood of each example, in nats."""
        return per_example(self.elements.double())

    @staticmethod
    def joined(parts: "list[Ordered]") -> "Ordered":
        """Return the score of all examples of ``parts`` (one or more)."""
        return Ordered(torch.cat([part.elements for part in parts]), parts[0].evaluations)


def ordered(
    process: Process,
    denoise: Denoise,
    x: State,
    order: str = "left",
    blocks: int | None = None,
    first: int = 0,
    whole: Callable[[State], Float[Tensor, "batch length"]] | None = None,
) -> Ordered:
    """Return log p_σ(x) of each example, in nats.

    Args:
        process: a process that ends in a mask.
        denoise: (x_t, t) → p(x | x_t).
        x: states (batch, …); NaN marks a missing element, which is never shown and costs nothing.
        order: ``left``, ``right``, ``confidence`` or ``random:SEED``.
        blocks: number of blocks of nearly equal size, at most as many as elements; None is one for each element.
        first: number of the first example, so that a random order does not depend on the batch.
        whole: x → log p(x_i | all before it) of every element, where a pass of a causal network gives it.

    Raises:
        TypeError: if the process does not end in a mask.
        ValueError: if the order is unknown, or the blocks are not from 1 to the number of elements.
    """
    mask = mask_of(process)
    elements = prod(x.shape[1:])
    blocks = elements if blocks is None else blocks
    if not 1 <= blocks <= max(elements, 1):
        raise ValueError(f"an order of {elements} elements has 1 to {elements} blocks, got {blocks}")
    if whole is not None and order == "left" and blocks == elements:
        return Ordered(whole(x), 1)
    ranks = ranked(order, len(x), elements, first).to(x.device)
    edges = torch.linspace(0, elements, blocks + 1).round().long().tolist()
    x_t, hidden = torch.where(_missing(x), x, mask).to(x.dtype), ~_missing(x)
    found = torch.zeros(x.shape, device=x.device)
    for start, stop in pairwise(edges):
        guess = denoise(x_t, _time(process, hidden))
        if order == "confidence":
            ranks = _most_confident(guess, hidden.flatten(1), start)
        shown = ((ranks >= start) & (ranks < stop)).view(x.shape) & hidden
        found = torch.where(shown, guess.log_prob(x), found)
        x_t, hidden = torch.where(shown, x, x_t), hidden & ~shown
    return Ordered(found, blocks)


def mask_of(process: Process) -> float:
    """Return the mask's state.

    Raises:
        TypeError: if the process does not end in a mask.
    """
    if isinstance(process, MaskedProcess):
        return MASK
    if isinstance(process, FiniteProcess) and bool((process.stationary == 1).any()):
        return float(process.stationary.argmax())
    raise TypeError(f"an order is scored for a process that ends in a mask, got {process!r}; use bound or importance")


def check_ordering(order: str) -> None:
    """Raise ValueError unless ``order`` is one of `ORDERS`."""
    kind, _, seed = order.partition(":")
    if order not in ORDERS[:-1] and not (kind == "random" and seed.isdigit()):
        raise ValueError(f"an order is {', '.join(ORDERS)}, got {order!r}")


def ranked(order: str, count: int, elements: int, first: int = 0) -> Int[Tensor, "batch elements"]:
    """Return the rank of each element in the order of each example.

    Raises:
        ValueError: if the order is unknown.
    """
    check_ordering(order)
    places = torch.arange(elements).expand(count, -1)
    if order in ("left", "confidence"):
        return places
    if order == "right":
        return places.flip(1)
    streams = Streams(int(order.partition(":")[2]), first, count)
    return streams.uniform(torch.zeros(count, elements)).argsort(1).argsort(1)


def _missing(x: State) -> Tensor:
    return x.isnan() if x.is_floating_point() else torch.zeros_like(x, dtype=torch.bool)


def _time(process: Process, hidden: Tensor) -> Tensor:
    """Return the time at which as many elements are masked on average, for networks that see it."""
    share = hidden.flatten(1).double().mean(1).clamp(1e-6, 1 - 1e-9).cpu()
    schedule = process.schedule.base if isinstance(process.schedule, Staggered) else process.schedule
    return schedule.time_of(torch.logit(1 - share))


def _most_confident(guess: Distribution, hidden: Tensor, done: int) -> Int[Tensor, "batch elements"]:
    """Return ranks in which the masked elements follow from rank ``done`` on, the surest first."""
    assert isinstance(guess, Categorical | Histograms)
    sure = guess.log_masses.amax(-1).flatten(1).masked_fill(~hidden, -torch.inf)
    return sure.argsort(dim=1, descending=True, stable=True).argsort(1) + done
