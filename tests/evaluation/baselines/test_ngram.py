"""n-grams are laws, forget what they never saw, and reach the entropy of a chain; `xz` is what xz makes of it."""

import itertools
import lzma
import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from quasistatic.data import load
from quasistatic.data.codec.text import as_text
from quasistatic.evaluation.baselines.ngram import ngrams, xz

BOOK = Path(os.environ.get("QUASISTATIC_DATA", "nowhere"), "text", "pride-and-prejudice.txt")


def draws(n: int, length: int, states: int, seed: int = 0) -> Tensor:
    return torch.randint(0, states, (n, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
def test_masses_of_all_sequences_sum_to_one(order: int) -> None:
    everything = torch.tensor(list(itertools.product(range(3), repeat=5)))
    found = ngrams(draws(4, 5, 3), everything, 3, [order])[order]
    assert found.exp().sum().item() == pytest.approx(1, rel=1e-12)


def test_a_bigram_by_hand() -> None:
    """Trained on aab: p(a) = (2 + 2/2)/(3 + 2), p(b) = 2/5; p(b | a) = (1 + 2 · 2/5)/(2 + 2); after b nothing: p(a)."""
    found = ngrams(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 0]]), 2, [1, 2])
    assert found[1].exp().item() == pytest.approx(0.6 * 0.4 * 0.6)
    assert found[2].exp().item() == pytest.approx(0.6 * 0.45 * 0.6)


def test_an_example_is_scored_without_its_neighbours() -> None:
    train, test = draws(30, 8, 4), draws(6, 8, 4, seed=1)
    alone = torch.cat([ngrams(train, row[None], 4, [3])[3] for row in test])
    assert torch.equal(alone, ngrams(train, test, 4, [3])[3])


def test_what_was_never_met_has_the_mass_of_shorter_contexts() -> None:
    train = torch.zeros(2, 6, dtype=torch.int64)
    found = ngrams(train, torch.full((1, 6), 2), 3, [1, 4])
    assert found[4].item() == pytest.approx(found[1].item())
    assert found[1].isfinite()


def test_a_trigram_reaches_the_entropy_of_a_chain_that_looks_two_back() -> None:
    """x_i = x_{i−2} with probability 0.9: 0.468996 bits a symbol after the first two; a bigram sees coins."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (3000, 20), generator=generator)
    flips = (torch.rand(3000, 20, generator=generator) < 0.1).long()
    for place in range(2, 20):
        x[:, place] = x[:, place - 2] ^ flips[:, place]
    found = ngrams(x[:2500], x[2500:], 2, [2, 3])
    bits = -found[3] / math.log(2)
    rate = -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    assert abs(bits.mean().item() - (2 + 18 * rate)) < 4 * bits.std().item() / math.sqrt(500) + 0.02
    assert -found[2].mean().item() / math.log(2) == pytest.approx(20, abs=0.1)


def test_many_states_do_not_overflow() -> None:
    """Six symbols of 60,000 states have 95 bits; contexts are numbered as they come."""
    train = 59_990 + draws(1, 400, 10)
    found = ngrams(train, train, 60_000, [6])[6]
    assert found.item() > -400 * math.log(60_000) / 2


def test_orders_count_from_one() -> None:
    with pytest.raises(ValueError, match="order 1 or more, got 0"):
        ngrams(draws(2, 3, 2), draws(2, 3, 2), 2, [0, 1])


def test_a_compressor_knows_what_it_has_read() -> None:
    text = "".join(map(chr, (97 + draws(1, 4000, 26)[0]).tolist()))
    alone, again = (-xz(before, text) / math.log(2) / len(text) for before in ("", text))
    assert alone == pytest.approx(math.log2(26), rel=0.1)
    assert again < 0.05
    assert xz(text, "") == 0
    assert -xz("", text) / (8 * math.log(2)) == len(lzma.compress(text.encode(), preset=9)) - len(lzma.compress(b""))


@pytest.mark.slow
@pytest.mark.skipif(not BOOK.exists(), reason="the book is not here")
def test_the_book() -> None:
    """Measured elsewhere on its last tenth, read as one: 4.10, 2.56, 1.65 and 2.02 bits a character.

    Pieces of 256 have less context at their beginnings, which costs the 6-gram about 0.02.
    """
    data = load(BOOK)
    train, test = (part.batch(torch.arange(len(part))) for part in data.split(0.1, seed=0))
    found = ngrams(data.codec.encode(train), data.codec.encode(test), 27, [1, 3, 6])
    bits = [-found[order].mean().item() / 256 / math.log(2) for order in (1, 3, 6)]
    assert bits == pytest.approx([4.10, 2.56, 1.67], abs=0.02)
    nats = xz(as_text(train.flatten()), as_text(test.flatten()))
    assert -nats / math.log(2) / test.numel() == pytest.approx(2.02, abs=0.01)
