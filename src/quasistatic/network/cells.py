"""Network over the cells of a table's rows: a histogram of each cell from the cells that are known, in any pattern.

A cell is a number in [0, K): its whole part is one of the column's K bins, the rest its place in the bin. A known
number is seen by its place among all values of its column, as a normal score z with its waves; a known category, or a
number that repeats, by a learned vector. Bins of numbers are of two kinds, each in increasing order: first ranges of
values, then single values that repeat. Ranges have no vectors of their own: with them, a small table is learned by
heart. The network does not see the time: it is known from the number of known cells.

    z = Φ⁻¹(share of values below)    in a range;    E[z | the value]    for a value that repeats

A joint normal law of the normal scores and, if they are few, of one-hot categories is fitted in closed form before the
first step. Its histogram of each cell given the known ones is what training starts from; it learns the rest.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import initialised
from quasistatic.network.laws.joint import BEYOND_ONNX, Histogrammed
from quasistatic.network.operations import Dropout
from quasistatic.runtime.fields import Count, Depth, Embedded, Fraction, NotNegative
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
        between: for each column, where its other bins lie among the ranges, increasing; none for categories.
    """

    width: Embedded = 256
    depth: Depth = 3
    dropout: Fraction = 0.1
    ranges: tuple[Count, ...] = ()
    between: tuple[tuple[NotNegative, ...], ...] = ()

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "Cells":
        """Make the module; ``states`` has the number of bins of each column.

        Raises:
            ValueError: if the states are not rows of as many columns, or there are labels.
        """
        told = {len(self.ranges), len(self.between)}
        if not isinstance(states, tuple) or len(shape) != 1 or {shape[0], len(states)} != told:
            raise ValueError(
                f"a network over cells takes rows of {len(self.ranges)} columns with bins for each, got states of "
                f"shape {shape} with bins {states}"
            )
        if classes:
            raise ValueError("a network over cells takes no labels; a label is a column of the table")
        return Cells(self, states)


class Cells(Network):
    """The module of a `CellsConfig`."""

    beyond_onnx = BEYOND_ONNX

    first: Int[Tensor, " columns"]
    ranges: Int[Tensor, " columns"]
    counts: Int[Tensor, " columns"]
    shares: Float[Tensor, "2 total"]

    def __init__(self, config: CellsConfig, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.config, self.bins = config, bins
        self.numbers = [column for column, count in enumerate(config.ranges) if count]
        self.register_buffer("first", torch.tensor((0, *bins)).cumsum(0)[:-1], persistent=False)
        self.register_buffer("ranges", torch.tensor(config.ranges), persistent=False)
        self.register_buffer("counts", torch.tensor(bins), persistent=False)
        self.register_buffer("shares", torch.full((2, sum(bins)), 0.5))
        self.seen = nn.EmbeddingBag(sum(bins) + len(bins), config.width, mode="sum")
        nn.init.normal_(self.seen.weight, std=len(bins) ** -0.5)
        scores = len(self.numbers) * (1 + 2 * len(WAVES))
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
        hidden = sum(self.bins) + torch.arange(len(self.bins), device=x_t.device)
        own = torch.where(bin_ < self.ranges, self.first, self.first + bin_)
        h, score = self.seen(torch.where(known, own, hidden)), self._score(x_t, bin_)
        if self.scores is not None:
            h = h + self.scores(self._waves(score, known).to(self.scores.weight.dtype))
        for block in self.blocks:
            h = block(h)
        output = self._smooth(self.last(self.norm(h)).to(x_t.dtype)) + self.bias.to(x_t)
        return output + self.joint(bin_, score, known)

    @torch.no_grad()
    def begin(self, x: Float[Tensor, "batch columns"]) -> None:
        """Start from the frequencies of the bins, and from a joint normal law."""
        known, bin_ = x >= 0, self._bin(x)
        frequency, spread = self.shares.new_ones(sum(self.bins)), torch.zeros(len(self.bins))
        ends = torch.zeros_like(self.shares)
        for column, (start, stop) in enumerate(pairwise((*self.first.tolist(), sum(self.bins)))):
            counts = torch.bincount(bin_[known[:, column], column], minlength=stop - start).double() + PSEUDO_ROWS
            frequency[start:stop] = (counts / counts.sum()).to(frequency)
            split = self.config.ranges[column]
            if split:
                shares = _below(counts, split, self.config.between[column])
                centers, within = _truncated(shares[:, split:])
                middle = torch.special.ndtr(centers).expand(2, -1)
                self.shares[:, start:stop] = torch.cat([shares[:, :split], middle], 1).to(ends)
                ends[:, start:stop] = torch.special.ndtri(shares).clamp(-FAR, FAR).to(ends)
                spread[column] = (within * counts[split:]).sum() / counts.sum()
        self.bias.copy_(frequency.log())
        self.joint.fit(bin_, self._score(x, bin_), known, ends, frequency, spread)

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
        """Return the normal scores of cells that are numbers: by their place in a range, or the mean of a value's."""
        low, high = self.shares[:, self.first + bin_]
        place = torch.where(bin_ < self.ranges, (x_t - bin_).clamp(0, 1), 0.5)
        return torch.special.ndtri(low + (high - low) * place.to(low)).clamp(-EDGE, EDGE)

    def _waves(
        self,
        score: Float[Tensor, "batch columns"],
        known: Bool[Tensor, "batch columns"],
    ) -> Float[Tensor, "batch features"]:
        """Return the normal scores of known numbers, with their waves."""
        own = score[:, self.numbers]
        angles = torch.cat([own * wave for wave in WAVES], 1)
        told = known[:, self.numbers].repeat(1, 1 + 2 * len(WAVES))
        return torch.cat([own, angles.sin(), angles.cos()], 1) * told


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


def _below(counts: Float[Tensor, " bins"], split: int, between: tuple[float, ...]) -> Float[Tensor, "2 bins"]:
    """Return the shares of values below the start and the end of each bin, all bins in the order of their values.

    Args:
        counts: of values in ``split`` ranges, and in the bins of values that repeat.
        split: number of ranges.
        between: where the repeated values lie among the ranges.
    """
    ranged, own = (torch.cat([counts.new_zeros(1), part.cumsum(0)]) for part in (counts[:split], counts[split:]))
    places = torch.tensor(between, dtype=counts.dtype)
    inside = places.long().clamp(max=split - 1)
    before = ranged[inside] + (places - inside) * counts[inside]
    edges = ranged + own[torch.searchsorted(places, torch.arange(split + 1.0, dtype=counts.dtype))]
    singles = torch.stack([before + own[:-1], before + own[1:]])
    return torch.cat([torch.stack([edges[:-1], edges[1:]]), singles], 1) / counts.sum()


def _truncated(shares: Float[Tensor, "2 bins"]) -> tuple[Float[Tensor, " bins"], Float[Tensor, " bins"]]:
    """Return mean and variance of a standard normal variable between two of its quantiles each."""
    low, high = torch.special.ndtri(shares.clamp(1e-12, 1 - 1e-12))
    density = [torch.exp(-z.square() / 2) / (2 * torch.pi) ** 0.5 for z in (low, high)]
    mass = shares[1] - shares[0]
    mean = (density[0] - density[1]) / mass
    return mean, (1 + (low * density[0] - high * density[1]) / mass - mean.square()).clamp(min=0)


@cache
def cosines(bins: int) -> Float[Tensor, "bins bins"]:
    """Return cosines over bins in order, each row of lower amplitude than those that are slower."""
    with torch.inference_mode(False):  # kept for training, too
        order = torch.arange(bins, dtype=torch.float64)
        waves = torch.cos(torch.pi / bins * (order + 0.5) * order[:, None])
        return (waves / (1 + (order[:, None] / SLOW) ** 2) * 2**0.5).float()
