"""Streams: the published sequence, even and independent numbers, the same in any batch."""

import math

import pytest
import torch
from scipy import stats

from quasistatic.streams import GAMMA, Streams, derived_seed, mix, permuted

MASK = 2**64 - 1


def split_mix(seed: int, count: int) -> list[int]:
    """SplitMix64 in whole numbers, from Steele, Lea & Flood 2014."""
    drawn = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        drawn.append(z ^ (z >> 31))
    return drawn


def test_the_published_sequence() -> None:
    """The first outputs for seed 1234567, as the reference implementation prints them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    ours = mix(1234567 + torch.arange(1, 4) * GAMMA)
    assert split_mix(1234567, 3) == published
    assert [int(z) & MASK for z in ours] == published


def test_an_example_has_a_split_mix_sequence() -> None:
    streams = Streams(3, 5, 2)
    numbers = streams.uniform(torch.zeros(2, 4, dtype=torch.float64))
    more = streams.uniform(torch.zeros(2, 3, dtype=torch.float64))
    for row in range(2):
        key = int(streams.keys[row]) & MASK
        assert torch.cat([numbers[row], more[row]]).tolist() == [(z >> 11) / 2**53 for z in split_mix(key, 7)]


def test_a_draw_does_not_depend_on_its_batch() -> None:
    whole, part = Streams(1, 0, 9), Streams(1, 4, 2)
    for shape in ((3,), (2, 2), ()):
        assert torch.equal(whole.normal(torch.zeros(9, *shape))[4:6], part.normal(torch.zeros(2, *shape)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_uniform_numbers_are_below_one(dtype: torch.dtype) -> None:
    u = Streams(0, 0, 1000).uniform(torch.zeros(1000, 200, dtype=dtype))
    assert u.dtype == dtype
    assert u.min() >= 0
    assert u.max() < 1


def test_numbers_are_even_within_and_across_examples_and_seeds() -> None:
    """χ² of 200 bins over the draws of one example, of neighbouring examples, and of neighbouring seeds."""
    kinds = [
        Streams(0, 7, 1).uniform(torch.zeros(1, 100_000, dtype=torch.float64)),
        Streams(0, 0, 100_000).uniform(torch.zeros(100_000, 1, dtype=torch.float64)),
        torch.cat([Streams(seed, 0, 100).uniform(torch.zeros(100, 1, dtype=torch.float64)) for seed in range(500)]),
    ]
    for u in kinds:
        counts = torch.histc(u, 200, 0, 1).numpy()
        assert 0.001 < stats.chisquare(counts).pvalue < 0.999


def test_neighbours_are_independent() -> None:
    """Correlations of examples, of draws and of seeds lie within 4 standard errors, 1/√n each."""
    z, other = (Streams(seed, 0, 2).normal(torch.zeros(2, 100_000, dtype=torch.float64)) for seed in (0, 1))
    limit = 4 / math.sqrt(100_000)
    for one, two in ((z[0], z[1]), (z[0, :-1], z[0, 1:]), (z[0], other[0]), (z[0] ** 2 - 1, (z[1] ** 2 - 1) / 2)):
        assert abs((one * two).mean().item()) < limit * (1.5 if one.min() >= -1 else 1)


def test_normal_numbers_are_normal() -> None:
    z = Streams(2, 0, 1000).normal(torch.zeros(1000, 100, dtype=torch.float64)).flatten()
    assert stats.kstest(z.numpy(), "norm").pvalue > 0.001
    assert z.isfinite().all()


def test_a_stream_for_each_example() -> None:
    with pytest.raises(ValueError, match="4 examples came with 3 streams"):
        Streams(0, 0, 3).uniform(torch.zeros(4, 2))


def test_large_and_negative_seeds() -> None:
    firsts = [Streams(seed, 0, 1).uniform(torch.zeros(1, 1)).item() for seed in (0, -1, 2**63, 2**64 - 2, 12345678901)]
    assert len(set(firsts)) == len(firsts)


PURPOSES = ("draws from particles", "where to look", "how often to look", "step costs", "common to all examples")


def test_derived_seeds_repeat_no_other_run() -> None:
    """No two of 5,000 seeds with 5 purposes each share a stream, nor with the seeds themselves."""
    seeds = range(-100, 4900)
    derived = {derived_seed(seed, purpose) for seed in seeds for purpose in PURPOSES}
    assert len(derived) == len(seeds) * len(PURPOSES)
    assert not derived & set(seeds)
    keys = [Streams(derived_seed(seed, p), 0, 20).keys for seed in range(100) for p in PURPOSES]
    keys += [Streams(seed, 0, 20).keys for seed in range(200)]
    every = torch.cat(keys)
    assert len(every.unique()) == len(every)
    assert derived_seed(7, "step costs") == derived_seed(7, "step costs")  # the same in every process
    assert all(0 <= seed < 2**63 for seed in derived)


def test_spread_numbers_are_uniform_for_each_example_and_even_over_examples() -> None:
    """Kolmogorov's distance: over seeds as for independent numbers; over n examples below 3/n, a tenth of those."""
    first = torch.cat([Streams(seed, 5, 1).spread() for seed in range(2000)])
    assert stats.kstest(first.numpy(), "uniform").pvalue > 0.001
    for start in (0, 1000):
        streams = Streams(1, start, 256)
        one, two = streams.spread(), streams.spread()
        for u in (one, two):
            assert u.min() >= 0
            assert u.max() < 1
            assert stats.kstest(u.numpy(), "uniform").statistic < 3 / 256
        assert not torch.equal(one, two)


def test_a_spread_number_does_not_depend_on_its_batch() -> None:
    whole, part = Streams(1, 0, 9), Streams(1, 4, 2)
    for _ in range(2):
        assert torch.equal(whole.spread()[4:6], part.spread())


def test_two_spread_numbers_of_an_example_are_independent() -> None:
    pairs = torch.stack([torch.stack([s.spread(), s.spread()]) for s in (Streams(n, 3, 1) for n in range(1000))])
    assert abs(((pairs[:, 0] - 0.5) * (pairs[:, 1] - 0.5)).mean().item() * 12) < 4 / math.sqrt(1000)


@pytest.mark.parametrize("count", [*range(1, 18), 255, 256, 257, 1000, 4097])
def test_a_permutation_without_a_table_meets_each_place_once(count: int) -> None:
    places = torch.arange(count)
    found = permuted(places, count, 7)
    assert torch.equal(found.sort().values, places)
    assert torch.equal(permuted(places.flip(0)[: count // 2], count, 7), found.flip(0)[: count // 2])
    if count > 10:
        assert not torch.equal(permuted(places, count, 8), found)


def test_each_place_is_sent_anywhere() -> None:
    """Three places of 1,000 by 2,000 keys, in 20 cells: χ² with 19 degrees of freedom is below 44 with p = 0.999."""
    n = 2000
    found = torch.stack([permuted(torch.tensor([0, 1, 999]), 1000, key) for key in range(n)])
    for own in found.T:
        assert (((own // 50).bincount(minlength=20) - n / 20) ** 2 / (n / 20)).sum() < 44


def test_where_a_permutation_sends_neighbours_is_unrelated() -> None:
    """Rank correlations of places, of neighbours and of two keys, each within 4 standard errors of 0."""
    count = 100_000
    one, other = (permuted(torch.arange(count), count, key).double() for key in (3, 4))
    for a, b in ((one, torch.arange(count).double()), (one[1:], one[:-1]), (one, other)):
        assert torch.corrcoef(torch.stack([a, b]))[0, 1].abs() < 4 / count**0.5
    assert ((one < count / 2).double().view(100, -1).mean(1) - 0.5).abs().max() < 4.5 * 0.5 / 1000**0.5


def test_a_permutation_of_billions_takes_no_memory() -> None:
    found = permuted(torch.arange(1000), 3 * 10**12, 1)
    assert found.unique().numel() == 1000
    assert found.min() >= 0
    assert found.max() < 3 * 10**12
    assert found.double().mean() / 3e12 == pytest.approx(0.5, abs=4 * 0.29 / 1000**0.5)
