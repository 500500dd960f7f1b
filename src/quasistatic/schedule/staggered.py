"""A clock for each element: from all elements at once to one after another, by one dial.

    u_i(t) = clip( (t − a_i)/w, 0, 1 ),    ᾱ_i(t) = ᾱ( u_i(t) ),    a_i = (1 − w)(1 − r_i/(G − 1))

Element i of rank r_i, of G ranks, moves within a window of width w that begins at a_i; rank 0 is drawn first, and what
has the same rank moves together. The overlap is 1 for w = 1 (all at once), 0 for w = 1/G (one after another); between
them windows roll over the elements. A process is a product over elements, so all its laws hold for each.

For a process that ends in a mask, with overlap 0 and one element of each rank, the bound equals the log-likelihood of
that order, for any denoiser.
Source: `docs/orders.md`; related: Hoogeboom et al. 2022 (arXiv:2110.02037), Ruhe et al. 2024 (rolling diffusion,
arXiv:2402.09470), Arriola et al. 2025 (block diffusion, arXiv:2503.09573).
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.runtime.fields import Range, Share
from quasistatic.schedule.base import STAND_INS, Elementwise, Schedule, Span, Values, check_order

PLACES = ("left", "right", "coarse", "random:SEED")
"""Orders of elements: by place, from coarse to fine, or one drawn at random."""


@dataclass(frozen=True)
class Staggered(Schedule):
    """Clocks of elements that run one after another, or overlap.

    Attributes:
        base: the clock within a window.
        shape: of an example, channels first for images; the channels of a pixel move together.
        order: ``left`` begins with the first element, ``right`` with the last; ``coarse`` with every element on a
            coarse lattice, then on finer ones; ``random:SEED`` is drawn at random.
        overlap: 1 moves all elements at once, 0 one after another.
        block: neighbours in the order that share a rank.

    Raises:
        ValueError: if a value is out of its range, or the order is unknown.
    """

    base: Schedule
    shape: tuple[Annotated[int, Range(at_least=1)], ...]
    order: str = "left"
    overlap: Share = 0.0
    block: Annotated[int, Range(at_least=1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shape:
            raise ValueError("clocks of elements need the shape of an example, got an empty one")
        if self.base.elementwise:
            raise ValueError("the clock within a window is the same for all elements, got clocks of elements")
        kind, _, seed = self.order.partition(":")
        if self.order not in PLACES[:-1] and not (kind == "random" and seed.isdigit()):
            raise ValueError(f"an order of clocks is {', '.join(PLACES)}, got {self.order!r}")

    @property
    def elementwise(self) -> bool:
        return True

    @cached_property
    def ranks(self) -> Int[Tensor, " *shape"]:
        """r, the rank of each element; 0 is drawn first."""
        places = self.shape[1:] if len(self.shape) > 1 else self.shape
        return (_order(self.order, places) // self.block).expand(self.shape)

    @property
    def width(self) -> float:
        """w, the width of a window in t."""
        groups = int(self.ranks.max()) + 1
        return 1 / groups + self.overlap * (1 - 1 / groups)

    def own(self, t: Values) -> Elementwise:
        """Return u, the time of each element (times, *shape)."""
        last = max(int(self.ranks.max()), 1)
        begins = (1 - self.width) * (1 - self.ranks.double() / last)
        u = (t.view(*t.shape, *(1,) * len(self.shape)) - begins) / self.width
        u = torch.where(u < ROUNDING, 0.0, torch.where(u > 1 - ROUNDING, 1.0, u))
        return u

    def alpha_bar(self, t: Values) -> Elementwise:
        return self.base.alpha_bar(self.own(t))

    def noised(self, t: Float[Tensor, " batch"]) -> Elementwise:
        u = self.own(t)
        return torch.where(u > 0, self.base.alpha_bar(u), STAND_INS[0])

    def between(self, s: Float[Tensor, " batch"], t: Float[Tensor, " batch"]) -> Span:
        check_order(s, t)
        before, after = self.own(s), self.own(t)
        still = before == after
        alpha_s, alpha_t = self.base.alpha_bar(before), self.base.alpha_bar(after)
        alpha_s, alpha_t = (torch.where(still, at, a) for at, a in zip(STAND_INS, (alpha_s, alpha_t), strict=True))
        return Span(alpha_s, alpha_t, still, (before == 0) & ~still)

    def log_snr(self, t: Values) -> Elementwise:
        raise TypeError(
            "this needs one clock for all elements, got clocks of elements; choose an option that needs none"
        )

    def time_of(self, log_snr: Values) -> Values:
        return self.log_snr(log_snr)


ROUNDING = 1e-9
"""Times of an element that are as near to an end of its window are the end."""


def _order(order: str, places: tuple[int, ...]) -> Int[Tensor, " *places"]:
    """Return the place of each element in the order."""
    count = prod(places)
    if order == "left":
        found = torch.arange(count)
    elif order == "right":
        found = torch.arange(count).flip(0)
    elif order == "coarse":
        found = _fineness(places).flatten().argsort(stable=True).argsort()
    else:
        generator = torch.Generator().manual_seed(int(order.partition(":")[2]))
        found = torch.randperm(count, generator=generator)
    return found.view(places)


def _fineness(places: tuple[int, ...]) -> Int[Tensor, " *places"]:
    """Return the number of halvings of the lattice after which each place is on it: 0 on the coarsest."""
    deepest = max(places).bit_length()
    found = torch.zeros(places, dtype=torch.int64)
    for axis, size in enumerate(places):
        place = torch.arange(size)
        halvings = torch.where(place == 0, deepest, (place & -place).double().log2().long())
        view = [1] * len(places)
        view[axis] = size
        found = torch.maximum(found, (deepest - halvings).view(view).expand(places))
    return found
