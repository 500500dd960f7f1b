"""Particles that fill gaps of a sequence: laws by enumeration, with proposals that are wrong."""

from itertools import product

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import Categorical
from quasistatic.inference import FewParticles, Known, ParticleOptions, filled_gaps, gaps_of
from quasistatic.streams import Streams

STATES, LENGTH = 3, 5
MASK = float(STATES)
EVERY = torch.tensor(list(product(range(STATES), repeat=LENGTH)))


def in_order(x: Tensor) -> Tensor:
    """log p of each element given the two before it, by a table."""
    table = torch.randn(STATES + 1, STATES + 1, STATES, generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    before = torch.cat([torch.full((len(x), 2), STATES), x], 1)
    return table[before[:, :-2], before[:, 1:-1], x]


def denoise(x_t: Tensor, t: Tensor) -> Categorical:
    """A wrong guess: it depends on the states shown on both sides, and is positive."""
    shown = (x_t == MASK).float()
    logits = torch.stack([0.3 * shown.roll(1, 1), 0.5 - 0.4 * shown.roll(-1, 1), x_t.float().roll(1, 1) * 0.1], -1)
    return Categorical(logits.log_softmax(-1))


def posterior(truth: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of each sequence given what is known, and log p of what is known."""
    log_p = in_order(EVERY).double().sum(1)
    log_p = torch.where((EVERY[:, known] == truth[known]).all(1), log_p, -torch.inf)
    return log_p.softmax(0), log_p.logsumexp(0)


@pytest.mark.parametrize("known", ["10101", "01110", "10001", "00111", "11000", "00000"])
@pytest.mark.parametrize("islands", [1, 4])
def test_weighted_particles_have_the_posterior_and_its_evidence(known: str, islands: int) -> None:
    count, truth, seen = 20_000, torch.tensor([0, 2, 1, 1, 0]), torch.tensor([one == "1" for one in known])
    options = ParticleOptions(islands=islands, generator=Streams(0, 0, count), resample_below=0.9)
    found = filled_gaps(denoise, in_order, Known(seen[None], truth[None]), MASK, count, options)
    law, evidence = posterior(truth, seen)
    weights = found.log_weights[0].exp()
    for place in range(LENGTH):
        for state in range(STATES):
            share = weights[found.x[0, :, place] == state].sum().item()
            assert share == pytest.approx(law[EVERY[:, place] == state].sum().item(), abs=0.02)
    assert found.log_evidence.item() == pytest.approx(evidence.item(), abs=0.04)
    assert found.error.isnan().item() == (islands == 1)


def test_the_evidence_is_unbiased_for_few_particles() -> None:
    """Before the logarithm, its mean over many runs is the probability, whatever the proposal."""
    truth, seen, count = torch.tensor([0, 2, 1, 1, 0]), torch.tensor([True, False, True, False, True]), 3
    values = []
    for seed in range(300):
        options = ParticleOptions(generator=Streams(seed, 0, count))
        with pytest.warns(FewParticles):
            found = filled_gaps(denoise, in_order, Known(seen[None], truth[None]), MASK, count, options)
        values.append(found.log_evidence.exp())
    values_ = torch.cat(values)
    mean, error = values_.mean().item(), values_.std().item() / len(values_) ** 0.5
    assert abs(mean - posterior(truth, seen)[1].exp().item()) < 4 * error


def test_known_elements_stay_and_all_known_has_its_own_probability() -> None:
    truth = torch.tensor([[0, 2, 1, 1, 0]])
    found = filled_gaps(
        denoise, in_order, Known(torch.ones(1, 5, dtype=torch.bool), truth), MASK, 16, ParticleOptions()
    )
    assert torch.equal(found.x, truth.expand(16, -1)[None])
    assert found.log_evidence.item() == pytest.approx(in_order(truth).sum().item(), abs=1e-5)
    seen = torch.tensor([[True, False, False, True, False]])
    mixed = filled_gaps(denoise, in_order, Known(seen, truth), MASK, 64, ParticleOptions())
    assert (mixed.x[0][:, seen[0]] == truth[seen]).all()


def test_gaps_are_found() -> None:
    at = lambda word: list(gaps_of(torch.tensor([one == "1" for one in word], dtype=torch.bool)))  # noqa: E731
    assert at("0110010") == [(0, 1, 3), (3, 5, 6), (6, 7, 7)]
    assert at("1101") == [(2, 3, 4)]
    assert at("000") == [(0, 3, 3)]
    assert at("111") == [(3, 3, 3)]
    assert at("") == []


def test_islands_divide_the_particles() -> None:
    with pytest.raises(ValueError, match="10 particles in 3 islands"):
        filled_gaps(
            denoise,
            in_order,
            Known(torch.ones(1, 5, dtype=torch.bool), EVERY[:1]),
            MASK,
            10,
            ParticleOptions(islands=3),
        )
