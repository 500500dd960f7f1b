"""Guesses of a causal transformer for one element after another, with the keys and values of elements before them kept.

A text of n elements costs n guesses of one element each, in place of n passes over the whole text; the guesses are
those of `CausalTransformer.forward` with masks from each element on.
Source: Shazeer 2019 (arXiv:1911.02150), section 2.4 (incremental attention).
"""

from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from quasistatic.network.transformer.causal import CausalTransformer, only_end
from quasistatic.types import Label

Kept: TypeAlias = tuple[Tensor, Tensor]
"""Keys and values (rows, heads, length, features) of a block; those of slots to come are not read."""


class Memory:
    """What a causal transformer keeps of some rows as they grow.

    Args:
        network: the network, in evaluation.
        label: of each row.
    """

    def __init__(self, network: CausalTransformer, label: Label | None = None) -> None:
        self.network, self.label, self.read = network, label, 0
        self._kept: list[Kept] = []

    def __call__(self, x: Int[Tensor, "rows places"]) -> Float[Tensor, "rows outputs"]:
        """Return the outputs of the next element of each row.

        Args:
            x: all elements before it; those of an earlier call are the same as they were.

        Raises:
            ValueError: if no element is new since the call before, or there are as many as the network reads.
        """
        network, places = self.network, x.shape[1]
        if places < self.read or places >= network.length:
            raise ValueError(
                f"rows grow from {self.read} up to {network.length - 1} elements, got {places}; begin again"
            )
        first, window = self.read, network.config.window
        recent = F.pad(x, (window, 0), value=network.states)[:, first:]
        h = network.features_before(recent, self.label) + network.nothing()
        (cos, sin), keys = network.turns(x, 0), network.turns(x, -1)
        now, seen = (cos[first:], sin[first:]), self._seen(first, places, x.device)
        for number, block in enumerate(network.layers):
            key, value = self._with(number, first, *block.shown(h, (keys[0][first:], keys[1][first:])))
            h = block(h, now, key, value, seen)
        self.read = places + 1
        return self._outputs(h[:, -1:], x)

    def _seen(self, first: int, places: int, device: torch.device) -> Tensor:
        """Return which keys each new slot attends to: those up to its own place."""
        slots = torch.arange(places + 1, device=device)
        return slots <= slots[first:, None]

    def _with(self, number: int, first: int, key: Tensor, value: Tensor) -> Kept:
        """Return all keys and values of a block, after its new ones are kept."""
        if number == len(self._kept):
            shape = (*key.shape[:2], self.network.length, key.shape[3])
            self._kept.append((key.new_empty(shape), value.new_empty(shape)))
        last = first + key.shape[2]
        keys, values = self._kept[number]
        keys[:, :, first:last], values[:, :, first:last] = key, value
        return keys[:, :, :last], values[:, :, :last]

    def _outputs(
        self, h: Float[Tensor, "rows 1 width"], x: Int[Tensor, "rows places"]
    ) -> Float[Tensor, "rows outputs"]:
        network, places = self.network, x.shape[1]
        h = network.norm(h)
        output = network.last(h).to(torch.get_default_dtype())
        if network.counted is not None:
            context = F.pad(x[:, -network.config.context :] if places else x, (0, 1))
            output = output + network.counted.joined(h, network.counted.before(context)[:, -1:], None, None)
        output = output.transpose(1, 2)
        if network.config.ends:
            over = (x == network.states - 2).any(1, keepdim=True) | (places == network.length - 1)
            output = only_end(output, over, network.states - 2)
        return output[..., 0]
