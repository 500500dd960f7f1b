"""Codecs of discrete data: bits, numbered states.

BitsCodec       0 and 1                        ↔  0.0 and 1.0        for a BernoulliProcess
StatesCodec     integers 0 … K − 1             ↔  the same           for a process over K states or more

For texts see `text` and `tokens`.
"""

from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from quasistatic.data.codec.base import Codec, refuse_nan
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.runtime.fields import Range
from quasistatic.types import State


class MassCodec(Codec):
    """A codec whose states are scored by mass, without a Jacobian."""

    @property
    def measure(self) -> str:
        return "mass"

    def log_jacobian(self, x: State) -> Float[Tensor, " batch *shape"]:
        return torch.zeros(x.shape, device=x.device)


@final
@dataclass(frozen=True)
class BitsCodec(MassCodec):
    """Raw bits 0 and 1; the states are the same as float32."""

    def __str__(self) -> str:
        return "bits"

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Return 0.0 and 1.0.

        Raises:
            ValueError: if a value is NaN, or neither 0 nor 1; the message names it and its position.
        """
        _refuse(raw, (raw == 0) | (raw == 1), "bits are 0 or 1", "set data.threshold=T to make them of numbers")
        return raw.float()

    def decode(self, x: Shaped[Tensor, " batch *shape"]) -> UInt8[Tensor, " batch *shape"]:
        """Return 1 for states above one half, otherwise 0."""
        return (x > 0.5).to(torch.uint8)

    def decoder(self, clean: Distribution) -> Bernoulli:
        """Return ``clean``.

        Raises:
            TypeError: if it is not a Bernoulli.
        """
        if not isinstance(clean, Bernoulli):
            raise TypeError(f"bits are scored with a Bernoulli, got {type(clean).__name__}")
        return clean


@final
@dataclass(frozen=True)
class StatesCodec(MassCodec):
    """``states`` unordered states; raw values and states are the integers 0 … ``states`` − 1.

    Raises:
        ValueError: if there are fewer than two states.
    """

    states: Annotated[int, Range(at_most=2**31)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states < 2:
            raise ValueError(f"categories need at least two states, got {self.states}")

    def __str__(self) -> str:
        return f"{self.states} states without order"

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the states of ``raw``, int64.

        Raises:
            ValueError: if a value is NaN, not whole, or outside 0 … K − 1; the message names it and its position.
        """
        whole = raw.round() == raw if raw.is_floating_point() else torch.ones_like(raw, dtype=torch.bool)
        _refuse(raw, whole, "categories are whole numbers", "number the states from 0")
        known = (raw >= 0) & (raw < self.states)
        _refuse(raw, known, f"{self.states} states are 0 to {self.states - 1}", "set data.states to their number")
        return raw.long()

    def decode(self, x: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the states in the smallest sufficient dtype of uint8, int16 and int32."""
        types = (torch.uint8, torch.int16, torch.int32)
        return x.to(next(d for d in types if self.states - 1 <= torch.iinfo(d).max))

    def decoder(self, clean: Distribution) -> Categorical:
        """Return ``clean``.

        Raises:
            TypeError: if it is not a Categorical.
        """
        return categorical(clean)


def categorical(clean: Distribution) -> Categorical:
    """Return ``clean``.

    Raises:
        TypeError: if it is not a Categorical.
    """
    if not isinstance(clean, Categorical):
        raise TypeError(f"states without order are scored with a Categorical, got {type(clean).__name__}")
    return clean


def _refuse(raw: Tensor, allowed: Tensor, needed: str, advice: str) -> None:
    if raw.is_floating_point():
        refuse_nan(raw)
    if not bool(allowed.all()):
        place = (~allowed).nonzero()[0].tolist()
        value, where = raw[tuple(place)].item(), ", ".join(map(str, place[1:]))
        raise ValueError(f"{needed}, got {value:g} in row {place[0]}, place {where}; {advice}")
