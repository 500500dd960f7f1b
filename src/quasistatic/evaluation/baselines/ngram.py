"""Baselines for sequences: n-gram models, and the xz compressor.

    p(w | h) = [ c(h w) + T(h) p(w | h′) ] / [ c(h) + T(h) ],        p(w | ) from p = 1/K

for a symbol w after the n − 1 symbols h before it; h′ omits the oldest of them. c are counts in the training data, and
T(h) is the number of different symbols that followed h there (Witten–Bell). Contexts never cross examples, so the first
symbols of an example have shorter contexts.
Source: Witten & Bell 1991, method C; interpolated as in Chen & Goodman 1999, eq. 14.
"""

import lzma
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.types import Nats


def ngrams(
    train: Int[Tensor, "n length"], test: Int[Tensor, "m length"], states: int, orders: Sequence[int]
) -> dict[int, Nats]:
    """Return the log-mass of each test example, in nats, under the n-gram model of each order (1 is the unigram).

    Args:
        train: states 0 … K − 1 of the training examples.
        test: states of the examples to score.
        states: number of states K.
        orders: orders of the models, from 1.

    Raises:
        ValueError: if an order is below 1.
    """
    if min(orders) < 1:
        raise ValueError(f"an n-gram is of order 1 or more, got {min(orders)}")
    known, asked = train.numpy().astype(np.int64), test.numpy().astype(np.int64)
    seen, met = np.zeros_like(known), np.zeros_like(asked)
    chance, found = np.full(asked.shape, 1 / states), {}
    for before in range(min(max(orders), known.shape[1])):
        if before:
            # Number the longer contexts by pairs (context, next symbol); −1 marks contexts not seen in training.
            longer = np.unique(seen[:, 1:] * states + known[:, : known.shape[1] - before])
            met = _places(longer, met[:, 1:] * states + asked[:, : asked.shape[1] - before], met[:, 1:] < 0)
            seen = np.searchsorted(longer, seen[:, 1:] * states + known[:, : known.shape[1] - before])
        chance[:, before:] = _mixed(seen, known[:, before:], met, asked[:, before:], chance[:, before:], states)
        found[before + 1] = torch.from_numpy(np.log(chance).sum(1))
    return {order: found[min(order, len(found))] for order in orders}


def _mixed(
    seen: np.ndarray, follows: np.ndarray, met: np.ndarray, asked: np.ndarray, lower: np.ndarray, states: int
) -> np.ndarray:
    """Return p(w | h) of each test symbol, given ``lower``, its probability in the shorter context."""
    pairs, counts = np.unique(seen * states + follows, return_counts=True)
    total = np.bincount(pairs // states, weights=counts)
    different = np.bincount(pairs // states).astype(np.float64)
    place = _places(pairs, met * states + asked, met < 0)
    count = np.where(place < 0, 0, counts[place])
    whole, share = (np.where(met < 0, 0, values[met]) for values in (total, different))
    return np.where(met < 0, lower, (count + share * lower) / np.maximum(whole + share, 1))


def _places(sorted_keys: np.ndarray, keys: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Return the index of each key in ``sorted_keys``; −1 if it is missing or marked absent."""
    place = np.searchsorted(sorted_keys, keys).clip(max=len(sorted_keys) - 1)
    return np.where(absent | (sorted_keys[place] != keys), -1, place)


def xz(train: str, test: str) -> float:
    """Return the log-likelihood of ``test`` under `xz -9` after ``train``, in nats for the whole text: −log 2 × bits.

    The bits are the compressed length of both texts minus that of ``train``. Unlike a model of separate examples, the
    compressor uses all earlier text as context.
    """
    both, first = (len(lzma.compress(text.encode(), preset=9)) for text in (train + test, train))
    return -8 * (both - first) * math.log(2)
