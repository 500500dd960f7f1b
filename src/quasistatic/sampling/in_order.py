"""Sampling from left to right: each element is drawn given those before it.

The law is that of the reverse chain with a clock for each element, one after another, and a step for each.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from jaxtyping import Int
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.types import Generator, State

Follow: TypeAlias = Callable[[Int[Tensor, "batch places"]], Distribution]
"""Elements before a place → the law of the element there, (batch, 1); called for growing places."""


def in_order(
    follow: Follow, x: State, first: int = 0, known: Int[Tensor, " batch"] | None = None, generator: Generator = None
) -> Iterator[State]:
    """Yield states (batch, length) after each element that was drawn: one tensor, which is changed in place.

    Args:
        follow: the law of each element given those before it.
        x: states, of which the known ones are read.
        first: the first place of an unknown element.
        known: how many elements each state begins with that are known, ``first`` or more; None for ``first``.
        generator: random numbers.
    """
    x = x.clone()
    for place in range(first, x.shape[1]):
        drawn = follow(x[:, :place]).sample(generator)[:, 0].to(x.dtype)
        x[:, place] = drawn if known is None else drawn.where(known.to(x.device) <= place, x[:, place])
        yield x
