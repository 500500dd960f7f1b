"""Product process: columns of different kinds, each with its own process, in one state.

    q(x_t | x_s) = Π_parts q_part(x_t[columns] | x_s[columns])

The state is one floating-point tensor (batch, columns), which holds the states of a finite process as indices, so every
verb works on it unchanged. NaN marks a missing element. It stays NaN at all times, costs nothing and is integrated out:
the bound on log p(x) becomes a bound on log p of the observed elements, under the chain of those elements only (the
network's input marks the others as missing).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.distribution.product import ProductDistribution, joined
from quasistatic.process.base import Process
from quasistatic.process.finite import FiniteProcess
from quasistatic.runtime.fields import Checked, Range, brief
from quasistatic.schedule import Schedule, check_order
from quasistatic.types import Mask, State, Time


@dataclass(frozen=True)
class Part(Checked):
    """A process and the columns it moves, counted from 0."""

    process: Process
    columns: tuple[Annotated[int, Range(at_least=0)], ...]

    def of(self, x: Float[Tensor, "batch columns"]) -> State:
        """Return this part's columns of a state, in the dtype of its process.

        NaN is replaced by the most probable state of π, which is possible at any time, so that distributions and their
        gradients stay finite.
        """
        part = x[..., list(self.columns)]
        part = torch.where(part.isnan(), self._blank, part)
        return part.long() if isinstance(self.process, FiniteProcess) else part

    @cached_property
    def _blank(self) -> float:
        if isinstance(self.process, FiniteProcess):
            return float(self.process.stationary.argmax())
        return self.process.prior(torch.zeros(1, 1)).mean.round().item()


@dataclass(frozen=True)
class ProductProcess(Process):
    """Independent processes over the columns of a table, each with its own clock.

    Attributes:
        parts: which process moves which columns.

    Raises:
        ValueError: if the columns are not 0 … n − 1, once each, or a part is itself a product.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        columns = sorted(column for part in self.parts for column in part.columns)
        if not columns or columns != list(range(len(columns))):
            raise ValueError(f"the parts of a product cover the columns from 0, once each, got {columns}")
        if any(isinstance(part.process, ProductProcess) for part in self.parts):
            raise ValueError("a part of a product is no product itself; list its parts instead")

    @property
    def columns(self) -> int:
        """Number of columns of a state."""
        return sum(len(part.columns) for part in self.parts)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The different schedules of the parts, in their order."""
        found: list[Schedule] = []
        for part in self.parts:
            if part.process.schedule not in found:
                found.append(part.process.schedule)
        return tuple(found)

    @property
    def schedule(self) -> Schedule:  # type: ignore[override]
        """The schedule that all parts share.

        Raises:
            ValueError: if two parts have different schedules.
        """
        if len(self.schedules) > 1:
            named = ", ".join(f"{list(part.columns)}: {brief(part.process.schedule)}" for part in self.parts)
            raise ValueError(
                f"this needs one schedule for all columns, got a product whose parts have different ones ({named}); "
                "give all parts the same schedule, or choose an option that needs none, such as the grid time"
            )
        return self.schedules[0]

    @property
    def states(self) -> tuple[int, ...]:
        """Number of states of each column's elements; 0 for numbers and bits."""
        found = {c: p.process.states for p in self.parts if isinstance(p.process, FiniteProcess) for c in p.columns}
        return tuple(found.get(column, 0) for column in range(self.columns))

    def point(self, x: State) -> ProductDistribution:
        return self._each(x, lambda part: part.process.point(part.of(x)))

    def prior(self, x: State) -> ProductDistribution:
        return self._each(x, lambda part: part.process.prior(part.of(x)))

    def forward(self, x_s: State, s: Time, t: Time) -> ProductDistribution:
        check_order(s, t)
        return self._each(x_s, lambda part: part.process.forward(part.of(x_s), s, t))

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> ProductDistribution:
        check_order(s, t)
        guess = self.guessed(clean)
        return self._each(x_t, lambda part: part.process.reverse(part.of(x_t), guess[part.columns], t, s))

    def step_kl(self, x: State, x_t: State, clean: Distribution, t: Time, s: Time) -> Float[Tensor, " batch *shape"]:
        """Each part's own KL, in nats; 0 where ``x`` was not observed."""
        guess = self.guessed(clean)
        costs = [p.process.step_kl(p.of(x), p.of(x_t), guess[p.columns], t, s) for p in self.parts]
        return torch.where(x.isnan(), 0, self.joined(costs))

    def ends(self, t: Time, s: Time) -> Mask | None:
        found = [part.process.ends(t, s) for part in self.parts]
        if all(one is None for one in found):
            return None
        nothing = [torch.zeros(len(t), len(part.columns), dtype=torch.bool) for part in self.parts]
        return self.joined([none if one is None else one for one, none in zip(found, nothing, strict=True)])

    def joined(self, values: Sequence[Tensor]) -> Float[Tensor, "batch columns"]:
        """Put the parts' ``values`` (batch, their columns) side by side, in the order of the columns."""
        return joined([part.columns for part in self.parts], values)

    def guessed(self, clean: Distribution) -> dict[tuple[int, ...], Distribution]:
        """Return the guess of each part, by the part's columns.

        Raises:
            TypeError: if ``clean`` is not a ProductDistribution over the same columns.
        """
        mine = [part.columns for part in self.parts]
        if not isinstance(clean, ProductDistribution) or [columns for columns, _ in clean.parts] != mine:
            raise TypeError(
                f"a step back for a product needs a ProductDistribution over its columns, got {type(clean).__name__}"
            )
        return dict(clean.parts)

    def _each(self, x: State, law: Callable[[Part], Distribution]) -> ProductDistribution:
        """Return the parts' laws side by side, absent where ``x`` is NaN.

        Raises:
            ValueError: if ``x`` has another number of columns.
        """
        if x.shape[-1] != self.columns:
            raise ValueError(f"a product over {self.columns} columns moves as many, got {x.shape[-1]}")
        absent = x.isnan()
        parts = tuple((part.columns, law(part)) for part in self.parts)
        return ProductDistribution(parts, absent if bool(absent.any()) else None)
