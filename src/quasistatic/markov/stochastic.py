"""Checks rows of probabilities that sum to one, and draws from them.

    law        p ≥ 0, Σ p = 1                          a vector
    matrix     each row is a law                        P(x, y), from row x to column y

A row is accepted when its sum is within 1e-9 of one, and is kept as it came: nothing is rescaled on the way in.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import standard_uniform
from quasistatic.types import Generator

TOLERANCE = 1e-9
"""How far from one a row may sum."""

Number: TypeAlias = float | int
Matrix: TypeAlias = Tensor | np.ndarray | Sequence[Sequence[Number]]
"""A square matrix as a user has it; it becomes a float64 tensor."""

Law: TypeAlias = Tensor | np.ndarray | Sequence[Number]
"""Probabilities of the states, in order; they become a float64 tensor."""

Start: TypeAlias = str | int | Law
"""Where a chain begins: the name of a state, its index from 0, or a law over the states."""


def as_square(rows: Matrix, names: Sequence[str] | None = None, what: str = "a transition matrix") -> Tensor:
    """Return ``rows`` as a new float64 tensor (states, states) on the CPU.

    Raises:
        ValueError: if it is empty or not square, or an entry is not a finite number; the row is named.
    """
    if isinstance(rows, Tensor | np.ndarray):
        matrix = torch.as_tensor(rows).detach().to("cpu", torch.float64, copy=True)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
            raise ValueError(f"{what} is square, one row and one column per state, got shape {tuple(matrix.shape)}")
    else:
        for i, row in enumerate(rows):
            if len(row) != len(rows):
                raise ValueError(
                    f"{what} is square: {row_name(i, names)} has length {len(row)} and there are {len(rows)} rows"
                )
        if not len(rows):
            raise ValueError(f"{what} needs at least one state, got no rows")
        matrix = torch.tensor([[float(entry) for entry in row] for row in rows], dtype=torch.float64)
    for i in (~matrix.isfinite()).any(1).nonzero().flatten().tolist():
        raise ValueError(f"{what} holds finite numbers, {row_name(i, names)} has {matrix[i].tolist()}")
    return matrix


def as_stochastic(rows: Matrix, names: Sequence[str] | None = None, what: str = "a transition matrix") -> Tensor:
    """Return ``rows`` as a float64 tensor (states, states) whose rows are laws.

    Raises:
        ValueError: as `as_square`, or an entry is negative, or a row does not sum to one within 1e-9; the row is named.
    """
    matrix = as_square(rows, names, what)
    for i, row in enumerate(matrix):
        _check_law(row, f"{row_name(i, names)} of {what}")
    return matrix


def as_names(states: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return one name per state; the default is "0", "1", …

    Raises:
        ValueError: if there are not ``count`` names, or one is empty or used twice.
    """
    names = tuple(states) if states is not None else tuple(str(i) for i in range(count))
    if len(names) != count:
        raise ValueError(f"one name per state is needed: {count} states came with {len(names)} names {list(names)}")
    for i, name in enumerate(names):
        if not name.strip():
            raise ValueError(f"a state needs a name: state {i} (from 0) has none; the names were {list(names)}")
        if name in names[:i]:
            raise ValueError(f"a name belongs to one state: {name!r} names both {names.index(name)} and {i} (from 0)")
    return names


def as_index(state: str | int, names: Sequence[str]) -> int:
    """Return the index of a state, given by name or by index from 0.

    Raises:
        ValueError: if there is no such state.
    """
    if isinstance(state, str):
        if state not in names:
            raise ValueError(f"the chain has no state {state!r}; its states are {', '.join(names)}")
        return names.index(state)
    if not 0 <= state < len(names):
        raise ValueError(f"a state is an index from 0 to {len(names) - 1} or a name, got {state}")
    return state


def as_law(start: Start, names: Sequence[str], what: str = "the starting law") -> Float[Tensor, " states"]:
    """Return the law of the first state: a point mass for a name or an index, else the law itself.

    Raises:
        ValueError: if there is no such state, or the numbers are not one law over the states.
    """
    if isinstance(start, str | int):
        law = torch.zeros(len(names), dtype=torch.float64)
        law[as_index(start, names)] = 1
        return law
    law = torch.as_tensor(start, dtype=torch.float64).detach().to("cpu", copy=True)
    if law.shape != (len(names),):
        raise ValueError(
            f"{what} has one probability per state: {len(names)} were needed, got shape {tuple(law.shape)}"
        )
    _check_law(law, what)
    return law


def as_steps(steps: int, most: int | None = None) -> int:
    """Return a number of steps after checking it.

    Raises:
        ValueError: if it is negative, or above ``most``.
    """
    if steps < 0 or (most is not None and steps > most):
        raise ValueError(f"steps are a number from 0{'' if most is None else f' to {most}'}, got {steps}")
    return steps


def normalised(matrix: Tensor) -> Tensor:
    """Divide each row by its sum, which corrects the rounding of a product of stochastic matrices."""
    return matrix / matrix.sum(-1, keepdim=True)


def walk(
    law: Float[Tensor, " states"],
    transitions: Iterable[Float[Tensor, "states states"]],
    chains: int,
    generator: Generator = None,
) -> Int[Tensor, "chains times"]:
    """Draw ``chains`` paths: the first state from ``law``, then one step by each of ``transitions``."""
    if chains < 1:
        raise ValueError(f"at least one chain is needed, got {chains}")
    u = torch.empty(chains, dtype=torch.float64)
    path = [_inverse(law.cumsum(0).expand(chains, -1), standard_uniform(u, generator))]
    for transition in transitions:
        path.append(_inverse(transition.cumsum(1)[path[-1]], standard_uniform(u, generator)))
    return torch.stack(path, 1)


def row_name(i: int, names: Sequence[str] | None) -> str:
    """Return the name of a row for a message: its index, and its state's name if it has one."""
    return f"row {i} (from 0)" if names is None or i >= len(names) else f"row {names[i]!r}"


def _inverse(below: Tensor, u: Tensor) -> Tensor:
    # the first state whose cumulated mass is above u: a state of mass zero is never drawn
    return torch.searchsorted(below.contiguous(), (u * below[:, -1])[:, None], right=True)[:, 0]


def _check_law(law: Tensor, name: str) -> None:
    if not law.isfinite().all() or (law < 0).any():
        raise ValueError(f"a probability is not negative, {name} has {law.min().item():.12g} in {_short(law)}")
    total = law.sum().item()
    if abs(total - 1) > TOLERANCE:
        raise ValueError(
            f"probabilities sum to one within {TOLERANCE:g}, {name} sums to {total:.12g}: {_short(law)}; "
            "give more digits (float64), or divide by the sum yourself"
        )


def _short(law: Tensor) -> str:
    numbers = [f"{p:.6g}" for p in law[:8].tolist()]
    return f"[{', '.join(numbers)}{', …' if len(law) > 8 else ''}]"
