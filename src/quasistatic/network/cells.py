"""Network over the cells of a table's rows: a histogram of each cell from the cells that are known, in any pattern.

A cell is a number in [0, K): its whole part is one of the column's K bins, the rest its place in the bin. A known cell
is seen as a learned vector of its bin and, in columns of numbers, by its place among all values, as a normal score.
Bins of numbers are of two kinds, each in increasing order: first ranges of values, then single values that repeat.
The network does not see the time: it is known from the number of known cells.

A joint normal law of the normal scores and, if they are few, of one-hot categories is fitted in closed form before the
first step. Its histogram of each cell given the known ones is what training starts from; it learns the rest.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import initialised
from quasistatic.network.joint import Histogrammed
from quasistatic.network.operations import Dropout
from quasistatic.runtime.fields import Count, Depth, Embedded, Fraction
from quasistatic.types import Label, StateCounts, Time

WAVES = (1.0, 2.0, 4.0, 8.0)
"""Frequencies of the sines and cosines of a normal score, in radians per standard deviation."""

EDGE = 3.5
"""Largest normal score of a feature."""

SLOW = 4.0
"""Number of the cosine over ordered bins that has half the amplitude of the slowest."""

FAR = 1e6
"""A normal score beyond all others."""

PSEUDO_ROWS = 0.5
"""Rows added to each bin when the frequencies that training starts from are counted."""


@dataclass(frozen=True)
class CellsConfig(NetworkConfig):
    """Configuration of a network over the cells of rows.

    Attributes:
        width: features of the perceptron.
        depth: number of residual blocks.
        dropout: dropout probability of hidden features.
        ranges: for each column, how many of its first bins are ranges of numbers; 0 for a column of categories.
    """

    width: Embedded = 256
    depth: Depth = 3
    dropout: Fraction = 0.1
    ranges: tuple[Count, ...] = ()

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "Cells":
        """Make the module; ``states`` has the number of bins of each column.

        Raises:
            ValueError: if the states are not rows of as many columns, or there are labels.
        """
        if not isinstance(states, tuple) or len(shape) != 1 or not shape[0] == len(states) == len(self.ranges):
            raise ValueError(
                f"a network over cells takes rows of {len(self.ranges)} columns with bins for each, got states of "
                f"shape {shape} with bins {states}"
            )
        if classes:
            raise ValueError("a network over cells takes no labels; a label is a column of the table")
        return Cells(self, states)


class Cells(Network):
    """The module of a `CellsConfig`."""

    first: Int[Tensor, " columns"]
    ranges: Int[Tensor, " columns"]
    counts: Int[Tensor, " columns"]
    edges: Float[Tensor, "2 total"]

    def __init__(self, config: CellsConfig, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.config, self.bins = config, bins
        self.numbers = [column for column, count in enumerate(config.ranges) if count]
        self.register_buffer("first", torch.tensor((0, *bins)).cumsum(0)[:-1], persistent=False)
        self.register_buffer("ranges", torch.tensor(config.ranges), persistent=False)
        self.register_buffer("counts", torch.tensor(bins), persistent=False)
        self.register_buffer("edges", torch.zeros(2, sum(bins)))
        self.seen = nn.EmbeddingBag(sum(bins) + len(bins), config.width, mode="sum")
        nn.init.normal_(self.seen.weight, std=len(bins) ** -0.5)
        scores = 2 * len(self.numbers) * (1 + 2 * len(WAVES))
        self.scores = initialised(nn.Linear(scores, config.width, bias=False)) if self.numbers else None
        self.blocks = nn.ModuleList(Update(config.width, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = initialised(nn.Linear(config.width, sum(bins)), zero=True)
        self.bias = nn.Parameter(torch.zeros(sum(bins)))
        self.joint = Histogrammed(bins, self.numbers)

    def forward(self, x_t: Float[Tensor, "batch columns"], t: Time, label: Label | None = None) -> Tensor:
        """Return the log-weights of all bins, the columns one after the other: (batch, Σ bins).

        Args:
            x_t: cells, below 0 where they are unknown.
            t: not used.
            label: must be None.

        Raises:
            ValueError: if there is a label.
        """
        if label is not None:
            raise ValueError("a network over cells takes no labels; a label is a column of the table")
        known, bin_ = x_t >= 0, self._bin(x_t)
        rows = torch.where(known, self.first + bin_, sum(self.bins) + torch.arange(len(self.bins), device=x_t.device))
        h, score = self.seen(rows), self._score(x_t, bin_)
        if self.scores is not None:
            h = h + self.scores(self._waves(score, bin_, known).to(self.scores.weight.dtype))
        for block in self.blocks:
            h = block(h)
        output = self._smooth(self.last(self.norm(h)).to(x_t.dtype)) + self.bias.to(x_t)
        return output + self.joint(bin_, score, known) if self.joint.fitted else output

    @torch.no_grad()
    def begin(self, x: Float[Tensor, "batch columns"]) -> None:
        """Start from the frequencies of the bins, and from a joint normal law."""
        known, bin_ = x >= 0, self._bin(x)
        frequency, scored = self.edges.new_ones(sum(self.bins)), torch.zeros(sum(self.bins), dtype=torch.bool)
        for column, (start, stop) in enumerate(pairwise((*self.first.tolist(), sum(self.bins)))):
            counts = torch.bincount(bin_[known[:, column], column], minlength=stop - start).double() + PSEUDO_ROWS
            frequency[start:stop] = (counts / counts.sum()).to(frequency)
            split = self.config.ranges[column]
            if split:
                parts = (counts[:split], counts[split:])
                self.edges[:, start:stop] = torch.cat([_edges(part) for part in parts], 1).to(self.edges)
                fuller = slice(start, start + split) if parts[0].sum() > parts[1].sum() else slice(start + split, stop)
                scored[fuller] = True
        self.bias.copy_(frequency.log())
        outer = _outer(self.edges)
        self.joint.fit(bin_, self._score(x, bin_), known, outer, frequency, scored)

    def _smooth(self, output: Tensor) -> Tensor:
        """Turn the outputs of ordered bins from amplitudes of cosines, the slow ones first, to log-weights."""
        parts, done = [], 0
        for column, count in enumerate(self.bins):
            split = self.config.ranges[column]
            for size in (split, count - split):
                own = output[:, done : done + size]
                parts.append(own @ cosines(size).to(own) if split and size > 2 else own)
                done += size
        return torch.cat(parts, 1)

    def _bin(self, x_t: Float[Tensor, "batch columns"]) -> Int[Tensor, "batch columns"]:
        """Return the bins of cells, 0 for unknown ones; a float32 just below K may have been rounded up to it."""
        return torch.minimum(x_t.floor().long().clamp(min=0), self.counts - 1)

    def _score(
        self, x_t: Float[Tensor, "batch columns"], bin_: Int[Tensor, "batch columns"]
    ) -> Float[Tensor, "batch columns"]:
        """Return the normal scores of cells that are numbers: by their place in a range, or the middle of a value's."""
        low, high = self.edges[:, self.first + bin_]
        place = torch.where(bin_ < self.ranges, (x_t - bin_).clamp(0, 1), 0.5)
        return low + (high - low) * place.to(low)

    def _waves(
        self,
        score: Float[Tensor, "batch columns"],
        bin_: Int[Tensor, "batch columns"],
        known: Bool[Tensor, "batch columns"],
    ) -> Float[Tensor, "batch features"]:
        """Return the normal scores of known numbers with their waves, apart for ranges and for single values."""
        own = score[:, self.numbers]
        angles = torch.cat([own * wave for wave in WAVES], 1)
        ranged, features = bin_ < self.ranges, torch.cat([own, angles.sin(), angles.cos()], 1)
        told = [(known & kind)[:, self.numbers].repeat(1, 1 + 2 * len(WAVES)) for kind in (ranged, ~ranged)]
        return torch.cat([features * kind for kind in told], 1)


class Update(nn.Module):
    """A residual block on feature vectors; initialised to the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = initialised(nn.Linear(width, 2 * width))
        self.dropout = Dropout(dropout)
        self.second = initialised(nn.Linear(2 * width, width), zero=True)

    def forward(self, h: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return ``h`` plus the block's update."""
        return h + self.second(self.dropout(F.silu(self.first(self.norm(h)))))


def _edges(counts: Float[Tensor, " bins"]) -> Float[Tensor, "2 bins"]:
    """Return the normal scores of both ends of bins in increasing order, from how often they hold; within ± `EDGE`."""
    shares = torch.cat([counts.new_zeros(1), counts.cumsum(0)]) / counts.sum()
    ends = torch.special.ndtri(shares).clamp(-EDGE, EDGE)
    return torch.stack([ends[:-1], ends[1:]])


def _outer(edges: Float[Tensor, "2 total"]) -> Float[Tensor, "2 total"]:
    """Return ``edges`` with the outer ones, at ± `EDGE`, as good as at infinity."""
    low, high = edges
    return torch.stack([torch.where(low <= -EDGE, -FAR, low), torch.where(high >= EDGE, FAR, high)])


def cosines(bins: int) -> Float[Tensor, "bins bins"]:
    """Return cosines over bins in order, each row of lower amplitude than those that are slower."""
    order = torch.arange(bins, dtype=torch.float64)
    waves = torch.cos(torch.pi / bins * (order + 0.5) * order[:, None])
    return waves / (1 + order[:, None] / SLOW) * 2**0.5
