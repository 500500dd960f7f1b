"""Simple models of sequences: n-grams, and what a compressor makes of them.

    p(w | h) = [ c(h w) + T(h) p(w | h′) ] / [ c(h) + T(h) ],        p(w | ) from p = 1/K

for a symbol w after the n − 1 before it, h; h′ leaves out the oldest. c counts the training data and T(h) how many
different symbols followed h there (Witten–Bell). An example stands for itself, in training and when it is scored:
its first symbols have the shorter contexts that there are, and nothing from outside.
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
        states: K.
        orders: of the models, from 1.

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
            # A context's number with the next older symbol makes the longer context's; −1 was never met in training.
            longer = np.unique(seen[:, 1:] * states + known[:, : known.shape[1] - before])
            met = _places(longer, met[:, 1:] * states + asked[:, : asked.shape[1] - before], met[:, 1:] < 0)
            seen = np.searchsorted(longer, seen[:, 1:] * states + known[:, : known.shape[1] - before])
        chance[:, before:] = _mixed(seen, known[:, before:], met, asked[:, before:], chance[:, before:], states)
        found[before + 1] = torch.from_numpy(np.log(chance).sum(1))
    return {order: found[min(order, len(found))] for order in orders}


def _mixed(
    seen: np.ndarray, follows: np.ndarray, met: np.ndarray, asked: np.ndarray, lower: np.ndarray, states: int
) -> np.ndarray:
    """p(w | h) of each asked symbol from that of the shorter context, ``lower``; contexts are numbered from 0."""
    pairs, counts = np.unique(seen * states + follows, return_counts=True)
    total = np.bincount(pairs // states, weights=counts)
    different = np.bincount(pairs // states).astype(np.float64)
    place = _places(pairs, met * states + asked, met < 0)
    count = np.where(place < 0, 0, counts[place])
    whole, share = (np.where(met < 0, 0, values[met]) for values in (total, different))
    return np.where(met < 0, lower, (count + share * lower) / np.maximum(whole + share, 1))


def _places(sorted_keys: np.ndarray, keys: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Where each key stands; −1 if it does not, or is marked absent."""
    place = np.searchsorted(sorted_keys, keys).clip(max=len(sorted_keys) - 1)
    return np.where(absent | (sorted_keys[place] != keys), -1, place)


def xz(train: str, test: str) -> float:
    """Return what `xz -9` makes of ``test`` when it has read ``train``, in nats of the whole: −log 2 × its bits.

    That is the compressed length of both less that of ``train``. Unlike a model of examples it reads on, so that each
    piece of a text has all pieces before it as context.
    """
    both, first = (len(lzma.compress(text.encode(), preset=9)) for text in (train + test, train))
    return -8 * (both - first) * math.log(2)
