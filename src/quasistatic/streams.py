"""Streams: random numbers for every example of a batch, computed together, and the same in any batch.

    n-th number of example i = mix(kᵢ + n γ),    kᵢ = mix(mix(seed + γ) + i γ),    γ = ⌊2⁶⁴/φ⌋, odd

Each example has a SplitMix64 sequence of its own, with a start that (seed, i) decides: a counter takes the place of a
generator's state, so a draw for 100,000 examples is a dozen operations on one tensor. Two of n sequences of length m
meet with probability below n² m/2⁶⁴.
Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"; it passes BigCrush.
"""

from copy import copy
from hashlib import blake2b
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15 - 2**64
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64

ROUNDS = 6
"""Rounds of the network that permutes."""


class Streams:
    """A stream of random numbers for each of the examples ``first`` … ``first + count − 1`` of a seed.

    Every draw takes as many numbers of each stream as an example has elements: what an example gets depends on the
    seed, its number and what was drawn before, not on the batch.
    """

    def __init__(self, seed: int, first: int, count: int) -> None:
        start = mix(torch.tensor([_signed(seed)]) + GAMMA)
        self.numbers = torch.arange(first, first + count)
        self.keys = mix(start + self.numbers * GAMMA)
        self.common = mix(torch.tensor([derived_seed(seed, "common to all examples")]))
        self.position = 0

    @classmethod
    def of(cls, seed: int, numbers: Int[Tensor, " batch"]) -> "Streams":
        """Return the streams of the examples ``numbers`` of a seed, in that order."""
        streams = cls(seed, 0, 0)
        streams.numbers = numbers.cpu()
        streams.keys = mix(mix(torch.tensor([_signed(seed)]) + GAMMA) + streams.numbers * GAMMA)
        return streams

    @classmethod
    def shared(cls, seed: int, number: int, count: int) -> "Streams":
        """Return the stream of example ``number``, shared by ``count`` examples: each draw is the same for all of them.

        Differences between examples then have less noise than with a stream each (common random numbers).
        """
        streams = cls(seed, number, 1)
        streams.numbers, streams.keys = streams.numbers.expand(count), streams.keys.expand(count)
        return streams

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, places: Int[Tensor, " some"]) -> "Streams":
        """Return the streams at ``places`` of these, from where they are now."""
        streams, places = copy(self), places.to(self.keys.device)
        streams.numbers, streams.keys = self.numbers[places], self.keys[places]
        return streams

    def uniform(self, like: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Draw U[0, 1) with the shape, dtype and device of ``like``, in steps of the dtype's resolution below 1.

        Raises:
            ValueError: if ``like`` has another number of examples.
        """
        digits = 1 - round(torch.tensor(torch.finfo(like.dtype).eps, dtype=torch.float64).log2().item())
        return (shifted(self._next(like), 64 - digits).to(like.dtype) * 2.0**-digits).view(like.shape)

    def normal(self, like: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Draw N(0, 1) with the shape, dtype and device of ``like``: Φ⁻¹ of a uniform number of 52 bits, in float64.

        Raises:
            ValueError: if ``like`` has another number of examples.
        """
        u = (shifted(self._next(like), 12).double() + 0.5) * 2.0**-52
        return torch.special.ndtri(u).to(like.dtype).view(like.shape)

    def spread(self) -> Float[Tensor, " batch"]:
        """Draw U[0, 1) for each example, spread evenly over consecutive examples; float64 on the CPU.

            u_i = (u + i/φ) mod 1,    one u for all examples of the seed

        Each u_i is uniform, so what is averaged over examples stays free of bias; the spread makes averages steadier.
        Every draw has its own u, so several draws of one example are independent.
        Source: the additive recurrence of Kronecker; its discrepancy over n examples is O(log n / n).
        """
        self.position += 1
        start = mix(self.common + torch.tensor([self.position]) * GAMMA)
        return shifted(start + self.numbers * GAMMA, 11).double() * 2.0**-53

    def _next(self, like: Tensor) -> Int[Tensor, "batch elements"]:
        if len(like) != len(self):
            raise ValueError(f"each example has a stream: {len(like)} examples came with {len(self)} streams")
        count = prod(like.shape[1:])
        self.position += count
        return words(self.keys.to(like.device), self.position - count, count)


def derived_seed(seed: int, purpose: str) -> int:
    """Return a seed for a second, independent use of ``seed``: 63 bits that depend on the seed and the purpose.

    A neighbouring seed, such as seed + 1, would repeat the numbers that another run draws.

    Args:
        seed: the seed of a run.
        purpose: what the numbers are for, in words; each use has its own.
    """
    words = blake2b(f"{seed % 2**64} {purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(words, "little") >> 1


def words(keys: Int[Tensor, " batch"], after: int, count: int) -> Int[Tensor, "batch count"]:
    """Return ``count`` numbers of 64 bits of each stream: those that follow the first ``after``."""
    places = torch.arange(1, count + 1, device=keys.device) * GAMMA + _signed(after * GAMMA)
    return mix(keys[:, None] + places)


def mix(z: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """SplitMix64's scramble of 64 bits, one to one; arithmetic is modulo 2⁶⁴."""
    z = (z ^ shifted(z, 30)).mul_(FIRST)
    z = z.bitwise_xor_(shifted(z, 27)).mul_(SECOND)
    return z.bitwise_xor_(shifted(z, 31))


def shifted(z: Int[Tensor, "*shape"], places: int) -> Int[Tensor, "*shape"]:
    """Shift right, filling with zeros (torch's own shift repeats the sign)."""
    return (z >> places).bitwise_and_((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def permuted(places: Int[Tensor, " places"], count: int, key: int) -> Int[Tensor, " places"]:
    """Return where a permutation of 0 … ``count`` − 1 sends each of some places; ``key`` chooses the permutation.

    Nothing is stored: `ROUNDS` rounds of a Feistel network permute the numbers of 2b bits, and what falls outside is
    sent on until it falls inside, which leaves a permutation of those inside. It is for large counts: of few places not
    all permutations are as likely.
    Source: Luby & Rackoff 1988 (rounds); Black & Rogaway 2002, section 3 (cycle walking).

    Args:
        places: numbers from 0 to ``count`` − 1, int64.
        count: how many there are.
        key: any number below 2⁶³.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    keys = mix(torch.tensor([key]) + torch.arange(1, ROUNDS + 1) * GAMMA)
    low = (1 << half) - 1
    found, outside = places.clone(), torch.ones_like(places, dtype=torch.bool)
    while bool(outside.any()):
        left, right = found[outside] >> half, found[outside] & low
        for own in keys:
            left, right = right, left ^ shifted(mix(right + own), 64 - half)
        found[outside] = (left << half) | right
        outside = found >= count
    return found
