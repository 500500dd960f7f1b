"""Causal transformer for masked sequences: any elements may be known, and left to right one pass gives every guess.

Known elements attend to known ones before them; the query of a masked element attends to all known ones. If these are
all before it, its query is the state of the element before it, so that one causal pass over a whole sequence gives

    p(x_1), p(x_2 | x_1), …, p(x_n | x_1 … x_{n−1})

the same as `forward` with masks from each element on, in n calls. A query that looks for element m starts from the
elements in a window before m, and behind it, where these are known; attention is by rotary positions, keys at their
own place and queries at m.

    h ← h + W softmax(q kᵀ/√d) v,    q, k, v from RMSNorm(h)
    h ← h + W₂ GELU(W₁ RMSNorm(h))

With counts, outputs add to the log-probabilities of n-gram models of the training data: that of the known elements
directly before an element (`ContextCounts`), and what all others tell of it (`NgramMarginals`), by as much as the
network trusts each.
There is no input for the time: it is known from the masks.
Source: Vaswani et al. 2017; Su et al. 2021 (arXiv:2104.09864); the queries of two streams in Yang et al. 2019 (XLNet,
arXiv:1906.08237); no time for masks: Sahoo et al. 2024 (arXiv:2406.07524).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import initialised
from quasistatic.network.operations import Dropout
from quasistatic.network.transformer.counts import ContextCounts
from quasistatic.network.transformer.marginals import NgramMarginals
from quasistatic.runtime.fields import Depth, Embedded, Fraction, Range, Width
from quasistatic.types import Label, State, StateCounts, Time

NEVER = -1e4
"""Log-weight of what cannot be; its probability is 0 beside any other."""

Turn = tuple[Tensor, Tensor]
"""Cosine and sine of the angles by which features at each place are rotated."""


@dataclass(frozen=True)
class CausalConfig(NetworkConfig):
    """Configuration of a causal transformer over sequences of states, of which the last is the mask.

    Attributes:
        width: features per position.
        depth: number of blocks.
        head_width: features per attention head; even, and a divisor of ``width``.
        expansion: hidden features of a block's perceptron, in units of ``width``.
        window: elements before an element, and behind it, that its query starts from.
        embedding: features per state.
        dropout: dropout probability.
        context: states of the longest context whose followers are counted (`ContextCounts`); 0 counts nothing. What is
            known behind an element is told by shorter contexts (`NgramMarginals`).
        contexts: rows of the table of counts.
        ends: the last state before the mask ends a sequence: behind it stands nothing else (`certain_ends`).

    Raises:
        ValueError: if the values are inconsistent.
    """

    width: Embedded = 192
    depth: Depth = 6
    head_width: Embedded = 32
    expansion: Annotated[int, Range(at_least=1, at_most=256)] = 4
    window: Annotated[int, Range(at_least=1, at_most=256)] = 4
    embedding: Width = 64
    dropout: Fraction = 0.0
    context: Annotated[int, Range(at_least=0, at_most=12)] = 0
    contexts: Annotated[int, Range(at_least=1, at_most=2**24)] = 2**17
    ends: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_width % 2 or self.width % self.head_width:
            raise ValueError(
                f"a transformer's head_width is even and divides width, got head_width = {self.head_width} and "
                f"width = {self.width}"
            )

    def build(
        self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0
    ) -> "CausalTransformer":
        if len(shape) != 1 or not isinstance(states, int) or states < 2:
            raise ValueError(
                f"a causal transformer takes sequences of states that end in a mask, got states of shape {shape}; "
                "set network=transformer or unet"
            )
        return CausalTransformer(self, shape[0], outputs, classes, states)


class CausalTransformer(Network):
    """The module of a `CausalConfig`.

    Outputs of known elements are not used. A slot stands between two elements: slot i is the query of element i, and as
    a key it shows the element before it.
    """

    causal = True

    def __init__(self, config: CausalConfig, length: int, outputs: int, classes: int, states: int) -> None:
        super().__init__()
        self.config, self.length, self.states = config, length, states
        self.embedding = nn.Embedding(states + 1, config.embedding)  # one more for what lies outside
        self.before = initialised(nn.Linear(config.window * config.embedding, config.width))
        self.behind = initialised(nn.Linear(config.window * config.embedding, config.width))
        self.label = nn.Embedding(classes + 1, config.width) if classes else None
        self.blocks = nn.ModuleList(CausalBlock(config) for _ in range(config.depth))
        self.counted = Counted(config, outputs) if config.context else None
        self.beyond_onnx = "search in a sorted table (network.context=0 does without)" if config.context else ""
        self.norm = nn.RMSNorm(config.width)
        self.last = initialised(nn.Linear(config.width, outputs), zero=True)

    def start(self, output: Float[Tensor, " outputs"]) -> None:
        with torch.no_grad():
            self.last.bias.copy_(output)

    def begin(self, x: State) -> None:
        if self.counted is not None:
            self.counted.before.fit(x, ~_before(x == self.states - 2) if self.config.ends else None)
            self.counted.around.fit(x)

    def forward(
        self, x_t: State, t: Time | None, label: Label | None = None, truth: State | None = None
    ) -> Float[Tensor, "batch outputs *shape"]:
        """Return the outputs of each element given all known ones, or those before it if ``t`` is None.

        In training, each element of ``truth``, the clean states, is left out of its own counts.
        """
        if t is None:
            return self._left_to_right(x_t, label)
        known = x_t != self.states - 1
        before = self._before(x_t, label)
        length = x_t.shape[1]  # may be less than the network's own
        slots, queries = before + self.nothing(), (before + self._behind(x_t))[:, :length]
        first = known.new_ones(len(x_t), 1)
        valid = torch.cat([first, known], 1)[:, None, None]  # of keys: the start, and every known element
        causal = torch.ones(length + 1, length + 1, dtype=torch.bool, device=x_t.device).tril()
        places, keys = self.turns(x_t, 0), self.turns(x_t, -1)
        for block in self.layers:
            key, value = block.shown(slots, keys)
            now = places[0][:length], places[1][:length]
            queries = block(queries, now, key, value, valid)
            slots = block(slots, places, key, value, valid & causal)
        told = None if self.counted is None else self.counted.around(x_t, truth)
        return self._read(queries, x_t, told, truth)

    def _left_to_right(
        self, x: Int[Tensor, "batch length"], label: Label | None
    ) -> Float[Tensor, "batch outputs length"]:
        length = x.shape[1]
        slots = (self._before(x, label) + self.nothing())[:, :length]
        places, keys = ((cos[:length], sin[:length]) for cos, sin in (self.turns(x, 0), self.turns(x, -1)))
        for block in self.layers:
            slots = block(slots, places, *block.shown(slots, keys), None)
        return self._read(slots, x, None, x if self.training else None, in_order=True)

    @property
    def layers(self) -> Iterator["CausalBlock"]:
        return (cast(CausalBlock, block) for block in self.blocks)

    def _before(self, x: Int[Tensor, "batch length"], label: Label | None) -> Float[Tensor, "batch slots width"]:
        """Return the features of the elements before each slot, and of the label."""
        return self.features_before(F.pad(x, (self.config.window, 0), value=self.states), label)

    def features_before(
        self, x: Int[Tensor, "batch elements"], label: Label | None
    ) -> Float[Tensor, "batch slots width"]:
        """Return the features of the elements in each window of ``x``, and of the label."""
        features = F.embedding(x, self.embedding.weight)
        return self.before(features.unfold(1, self.config.window, 1).flatten(2)) + self._label(label, len(x))

    def _behind(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch slots width"]:
        """Return the features of the elements behind that of each slot."""
        features = F.embedding(F.pad(x, (0, self.config.window + 1), value=self.states - 1), self.embedding.weight)
        return self.behind(features[:, 1:].unfold(1, self.config.window, 1).flatten(2))

    def nothing(self) -> Float[Tensor, " width"]:
        """Return the same where all elements behind are masked."""
        return self.behind(self.embedding.weight[self.states - 1].repeat_interleave(self.config.window))

    def _label(self, label: Label | None, count: int) -> Tensor:
        """Return the vector of each label; 0 for an unconditional network.

        Raises:
            ValueError: if an unconditional network gets a label.
        """
        if self.label is None:
            if label is not None:
                raise ValueError("this network is unconditional, got labels; build it with `classes` to use them")
            return self.last.weight.new_zeros(1)
        rows = self.label.weight
        told = torch.full((count,), len(rows) - 1) if label is None else label
        return F.embedding(told.to(rows.device), rows)[:, None]

    def turns(self, x: Tensor, shift: int) -> Turn:
        """Return the rotation of each slot, at its own place or shifted from there."""
        half = self.config.head_width // 2
        frequencies = 10_000.0 ** -torch.linspace(0, 1, half + 1, device=x.device)[:-1]
        angles = (torch.arange(x.shape[1] + 1, device=x.device)[:, None] + shift) * frequencies
        return angles.cos(), angles.sin()

    def _read(
        self,
        h: Float[Tensor, "batch length width"],
        x: State,
        told: Tensor | None,
        truth: State | None,
        in_order: bool = False,
    ) -> Float[Tensor, "batch outputs length"]:
        h = self.norm(h)
        output = self.last(h).to(torch.get_default_dtype())
        if self.counted is not None:
            output = output + self.counted(h, x, told, truth)
        output = output.transpose(1, 2)
        return certain_ends(output, x, self.states - 2, in_order) if self.config.ends else output


def certain_ends(
    output: Float[Tensor, "batch outputs length"], x: Int[Tensor, "batch length"], end: int, in_order: bool
) -> Float[Tensor, "batch outputs length"]:
    """Return log-weights for which all is ``end`` behind an end and at the last place, and an end is before no other
    known element.

    Args:
        output: log-weights of each state at each place.
        x: states; those above ``end`` are not known.
        end: the state that ends a sequence.
        in_order: whether a place is told of the elements before it only.
    """
    last = torch.arange(x.shape[1], device=x.device) == x.shape[1] - 1
    output = only_end(output, _before(x == end) | last, end)
    if in_order:
        return output
    ends = torch.arange(output.shape[1], device=x.device)[:, None] == end
    goes_on = _before((x < end).flip(1)).flip(1)
    return output.masked_fill(goes_on[:, None] & ends, NEVER)


def only_end(
    output: Float[Tensor, "batch outputs length"], over: Bool[Tensor, "batch length"], end: int
) -> Float[Tensor, "batch outputs length"]:
    """Return log-weights for which all is ``end`` at the places that are ``over``."""
    ends = torch.arange(output.shape[1], device=output.device)[:, None] == end
    return output.masked_fill(over[:, None] & ~ends, NEVER)


def _before(there: Bool[Tensor, "batch length"]) -> Bool[Tensor, "batch length"]:
    """Return whether something is there before each place."""
    return F.pad(there.long().cumsum(1), (1, 0))[:, :-1] > 0


class Counted(nn.Module):
    """Log-weights by counts of the training data, and how much each kind is trusted."""

    def __init__(self, config: CausalConfig, states: int) -> None:
        super().__init__()
        self.before, self.around = ContextCounts(states, config.context, config.contexts), NgramMarginals(states)
        self.trust = initialised(nn.Linear(config.width, 2), zero=True)

    def forward(
        self, h: Float[Tensor, "batch length width"], x: State, told: Tensor | None, truth: State | None
    ) -> Float[Tensor, "batch length states"]:
        """Return log-weights of each state, by the known ones directly before it and by what ``around`` told of it."""
        return self.joined(h, self.before(x, truth), told, None if told is None else self.around.complete(x))

    def joined(
        self,
        h: Float[Tensor, "batch length width"],
        before: Float[Tensor, "batch length states"],
        told: Tensor | None,
        complete: Tensor | None,
    ) -> Float[Tensor, "batch length states"]:
        """Return log-weights, by what counts ``before`` and marginals ``told`` say; see `NgramMarginals.complete`."""
        first, second = (1 + self.trust(h).to(torch.get_default_dtype())).split(1, -1)
        if told is None or complete is None:
            return first * before
        # With a gap before it, an element's marginal law holds all that is known; counts of what is before would be
        # told twice. Where nothing is known behind, the second term is 0: the same as in one pass.
        twice = (told != 0).any(-1) & ~complete
        return first * before + second * torch.where(twice[..., None], told - before, told)


class CausalBlock(nn.Module):
    """Attention to slots that are shown, then a perceptron."""

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = width // config.head_width
        self.norm, self.second_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = initialised(nn.Linear(width, width, bias=False))
        self.key = initialised(nn.Linear(width, 2 * width, bias=False))
        self.mix = initialised(nn.Linear(width, width, bias=False), zero=True)
        self.first = initialised(nn.Linear(width, config.expansion * width))
        self.second = initialised(nn.Linear(config.expansion * width, width), zero=True)
        self.dropout = Dropout(config.dropout)

    def shown(self, h: Float[Tensor, "batch slots width"], turn: Turn) -> tuple[Tensor, Tensor]:
        """Return keys and values of slots."""
        key, value = self.key(self.norm(h)).chunk(2, -1)
        return _turned(self._split(key), *turn), self._split(value)

    def forward(
        self, h: Float[Tensor, "batch queries width"], turn: Turn, key: Tensor, value: Tensor, seen: Tensor | None
    ) -> Float[Tensor, "batch queries width"]:
        """Return updated features; queries attend where ``seen``, or to keys up to their own place if it is None."""
        query = _turned(self._split(self.query(self.norm(h))), *turn)
        mixed = F.scaled_dot_product_attention(query, key, value, seen, is_causal=seen is None)
        h = h + self.dropout(self.mix(mixed.transpose(1, 2).flatten(2)))
        return h + self.dropout(self.second(F.gelu(self.first(self.second_norm(h)))))

    def _split(self, h: Tensor) -> Float[Tensor, "batch heads slots features"]:
        return h.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of features."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
