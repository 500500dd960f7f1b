"""Copies of training data among samples, by the distances of states to the nearest training and held-out examples.

    nearer to training    s h / (s h + (1 − s) t)                               ½ for new samples, 1 for copies
                          s: share of samples nearest to a training example; t training, h held-out examples
    close copies          share of samples less than half as far from training as from held-out examples

For samples that do not depend on which examples were trained on, the nearest of all t + h examples is a training
example with probability t/(t + h), whatever the distribution. The formula converts the odds to equal numbers, so every
training example is searched. Ties count as the fraction of training examples among the nearest.
The same numbers of held-out examples, each without itself, are the reference.
Distances are between raw values (states): no classifier has learned from these. A copy that is shifted or recoloured is
far away in them and is not found.
Source: Platzer & Reutterer 2021 (arXiv:2104.00635), at equal numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, jackknife
from quasistatic.evaluation.fidelity.features import check_numbers
from quasistatic.evaluation.fidelity.neighbours import ROUNDING
from quasistatic.evaluation.fidelity.options import Tick
from quasistatic.evaluation.fidelity.verdict import Beside
from quasistatic.runtime.device import pick_device
from quasistatic.types import State

QUERIES, QUERY_VALUES = 1000, 2**24
"""Maximum number of samples (and of held-out examples) whose nearest examples are searched, and of their values."""
ROWS, ROW_VALUES = 4096, 2**22
"""Maximum number of examples that are searched at a time, and of their values."""
STAGES = 2 * GROUPS
"""Stages that are reported as progress."""
CLOSE = 0.5
"""A close copy is nearer to training than this fraction of its distance to held-out examples."""

Reader: TypeAlias = Callable[[Int[np.ndarray, " n"]], State]
"""Row numbers → their states."""

Split: TypeAlias = list[Int[np.ndarray, " _"]]
"""The rows of each group of the jackknife."""


@dataclass(frozen=True)
class Copies:
    """Whether samples copy training data; the real numbers are those of held-out examples.

    Attributes:
        nearer_to_training: share whose nearest example is a training example, at equal numbers; ½ is ideal.
        close_copies: share less than half as far from training as from held-out examples.
        training: number of training examples searched.
        held_out: number of held-out examples searched.
    """

    nearer_to_training: Beside
    close_copies: Beside
    training: int
    held_out: int


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest examples of a set to each query, in each group of the set.

    Attributes:
        squares: smallest squared distance; infinite if a group holds none but the query itself.
        ties: number of examples at that distance.
        sizes: number of examples in each group.
        own: 1 if the queries are examples of the set, each left out of its own search, else 0.
        rounding: squares that differ by less are equal.
    """

    squares: Float[np.ndarray, "queries groups"]
    ties: Float[np.ndarray, "queries groups"]
    sizes: Int[np.ndarray, " groups"]
    own: int
    rounding: float

    @property
    def count(self) -> int:
        """Number of examples searched for each query."""
        return int(self.sizes.sum()) - self.own

    def of(self, queries: slice | Bool[np.ndarray, " queries"]) -> "Nearest":
        """Return what was found for some of the queries."""
        return replace(self, squares=self.squares[queries], ties=self.ties[queries])

    def without(self, group: int) -> "Nearest":
        """Return what would be found without a group."""
        squares, ties, sizes = (np.delete(part, group, axis=-1) for part in (self.squares, self.ties, self.sizes))
        return replace(self, squares=squares, ties=ties, sizes=sizes)


def copies(
    samples: tuple[Reader, int],
    held_out: tuple[Reader, int],
    training: tuple[Reader, int],
    draws: np.random.Generator,
    tick: Tick,
) -> Copies:
    """Search the nearest training and held-out examples of samples and of held-out examples; each set has its size.

    Raises:
        ValueError: if a set has fewer than two examples for each group, a value is NaN or infinite, or most held-out
            examples are training examples.
    """
    for name, (_, size) in (("samples", samples), ("held-out examples", held_out), ("training examples", training)):
        if size < 2 * GROUPS:
            raise ValueError(f"looking for copies needs at least {2 * GROUPS} {name}, got {size}; give more")
    count = max(2 * GROUPS, min(QUERIES, QUERY_VALUES // samples[0](np.arange(1)).numel()))
    split, others = (_grouped_rows(size, draws) for _, size in (held_out, training))
    own = [rows[: count // GROUPS] for rows in split]
    asked = [rows[: count // GROUPS] for rows in _grouped_rows(samples[1], draws)]
    queries = torch.cat([_flat(read, np.concatenate(rows)) for read, rows in ((samples[0], asked), (held_out[0], own))])
    sample, real = slice(sum(map(len, asked))), slice(sum(map(len, asked)), None)
    places = np.concatenate([np.full(sample.stop, -1), *own])
    near = _searched(queries, np.full(len(queries), -1), training[0], others, tick)
    far = _searched(queries, places, held_out[0], split, tick)
    _check_apart(near.of(real), far.of(real))
    drawn = _estimates(near.of(sample), far.of(sample), _numbers(asked))
    apart = _estimates(near.of(real), replace(far.of(real), own=1), _numbers(own))
    return Copies(Beside(drawn[0], apart[0]), Beside(drawn[1], apart[1]), training[1], held_out[1])


def _grouped_rows(count: int, draws: np.random.Generator) -> Split:
    return np.array_split(draws.permutation(count), GROUPS)


def _numbers(groups: Split) -> Int[np.ndarray, " rows"]:
    """Return the group of each row."""
    return np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])


def _flat(read: Reader, rows: Int[np.ndarray, " n"]) -> Float[Tensor, "n values"]:
    """Return flat float64 states on the device of the search."""
    x = read(rows).flatten(1).double()
    check_numbers(x.cpu().numpy(), "examples searched for copies")
    device = pick_device()
    return x.to("cpu" if device.type == "mps" else device)  # which has no float64


def _searched(
    queries: Float[Tensor, "queries values"], own: Int[np.ndarray, " queries"], read: Reader, groups: Split, tick: Tick
) -> Nearest:
    """Search each group, a block at a time; ``own`` are the rows of the queries in the set, or −1."""
    most = max(1, min(ROWS, ROW_VALUES // queries.shape[1]))
    lengths = queries.square().sum(1)
    squares = torch.full((len(queries), len(groups)), torch.inf, dtype=torch.float64, device=queries.device)
    ties, rounding = torch.zeros_like(squares), 0.0
    for number, rows in enumerate(groups):
        for block in np.array_split(rows, -(-len(rows) // most)):
            x = _flat(read, block)
            theirs = x.square().sum(1)
            found = lengths[:, None] + theirs - 2 * queries @ x.T
            found[torch.from_numpy(own[:, None] == block).to(found.device)] = torch.inf
            rounding = max(rounding, ROUNDING * float(lengths.max() + theirs.max()))
            least, before = found.amin(1).clamp(min=0), squares[:, number]
            added = torch.where(least <= before + rounding, (found <= least[:, None] + rounding).sum(1), 0)
            ties[:, number] = torch.where(before <= least + rounding, ties[:, number], 0) + added
            squares[:, number] = torch.minimum(before, least)
        tick()
    return Nearest(squares.cpu().numpy(), ties.cpu().numpy(), np.array([*map(len, groups)]), 0, rounding)


def _check_apart(near: Nearest, far: Nearest) -> None:
    """Raise ValueError if most held-out examples equal a training example, but not another held-out example."""
    same, usual = (int((found.squares.min(1) <= found.rounding).sum()) for found in (near, far))
    if same > len(near.squares) / 2 > usual:
        raise ValueError(
            f"copies are found by comparison with real examples that the model has not learned from, got {same} of "
            f"{len(near.squares)} that equal one of the training data; give held-out examples as REAL"
        )


def _estimates(near: Nearest, far: Nearest, groups: Int[np.ndarray, " queries"]) -> tuple[Estimate, Estimate]:
    """Return the share nearer to training, at equal numbers, and the share of close copies.

    Queries of the held-out set leave it together with their group.
    """
    fewer = [groups != group for group in range(GROUPS)]
    without = [[_shares(near.without(group), far) for group in range(GROUPS)]]
    if far.own:
        without += [[_shares(near.of(kept), far.of(kept).without(group)) for group, kept in enumerate(fewer)]]
    else:
        without += [[_shares(near.of(kept), far.of(kept)) for kept in fewer]]
        without += [[_shares(near, far.without(group)) for group in range(GROUPS)]]
    left = np.array(without)  # (sets, groups, measures)
    nearer, close = (jackknife(value, *left[..., place]) for place, value in enumerate(_shares(near, far)))
    return nearer, close


def _shares(near: Nearest, far: Nearest) -> tuple[float, float]:
    to_training, to_held_out = near.squares.min(1), far.squares.min(1)
    least = np.minimum(to_training, to_held_out) + max(near.rounding, far.rounding)
    inside, outside = ((found.ties * (found.squares <= least[:, None])).sum(1) for found in (near, far))
    share = float((inside / (inside + outside)).mean())
    nearer = share * far.count / (share * far.count + (1 - share) * near.count)
    return nearer, float((to_training < CLOSE**2 * to_held_out).mean())
