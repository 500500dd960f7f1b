"""Bits and categories against torch's own laws, and where torch's clamp: exact −∞, exact 0 and 1, small KLs."""

import math

import pytest
import torch

from quasistatic.distribution import Bernoulli, Categorical, Levels, Normal, categorical_kl
from quasistatic.streams import Streams

INF = math.inf


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# Against torch


def test_bernoulli_is_torchs() -> None:
    ours, other = Bernoulli(logits(50)), Bernoulli(logits(50, seed=1))
    theirs = torch.distributions.Bernoulli(logits=ours.logits)
    x = (logits(50, seed=2) > 0).double()
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)
    expected = torch.distributions.kl_divergence(theirs, torch.distributions.Bernoulli(logits=other.logits))
    torch.testing.assert_close(ours.kl(other), expected)


def test_categorical_is_torchs() -> None:
    ours, other = Categorical(logits(8, 3, 5)), Categorical(logits(8, 3, 5, seed=1))
    theirs = torch.distributions.Categorical(logits=ours.logits)
    x = torch.randint(5, (8, 3), generator=seeded())
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    expected = torch.distributions.kl_divergence(theirs, torch.distributions.Categorical(logits=other.logits))
    torch.testing.assert_close(ours.kl(other), expected)
    k = torch.arange(5)
    torch.testing.assert_close(ours.mean, (theirs.probs * k).sum(-1))
    torch.testing.assert_close(ours.variance, (theirs.probs * k**2).sum(-1) - ours.mean**2)


# Nothing is clamped


def test_bits_that_are_known() -> None:
    bits = Bernoulli(torch.tensor([INF, INF, -INF, -INF]))
    x = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert bits.log_prob(x).tolist() == [0, -INF, -INF, 0]
    assert (bits.sample(seeded()) == torch.tensor([1.0, 1, 0, 0])).all()
    assert bits.mean.tolist() == [1, 1, 0, 0]
    assert bits.variance.tolist() == [0, 0, 0, 0]


def test_bits_keep_both_tails() -> None:
    far = Bernoulli(torch.tensor([80.0, -80.0], dtype=torch.float64))
    torch.testing.assert_close(
        far.log_prob(torch.zeros(2).double()).exp(), torch.tensor([math.exp(-80.0), 1.0]).double()
    )
    assert far.variance[0].item() == pytest.approx(math.exp(-80))


def test_values_that_are_no_state_have_no_mass() -> None:
    assert Bernoulli(torch.zeros(3)).log_prob(torch.tensor([0.5, -1.0, 2.0])).tolist() == [-INF] * 3
    assert Categorical(torch.zeros(3, 4)).log_prob(torch.tensor([-1, 4, 99])).tolist() == [-INF] * 3


def test_impossible_states_are_exact() -> None:
    law = Categorical(torch.tensor([-INF, 0.0, -INF, 0.0]).expand(1000, 4))
    drawn = law.sample(seeded())
    assert set(drawn.tolist()) == {1, 3}
    assert law.log_prob(torch.zeros(1000, dtype=torch.long))[0] == -INF


def test_kl_where_something_is_impossible() -> None:
    half, sure, other = (torch.tensor(row).log() for row in ([0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    kl = lambda p, q: Categorical(p).kl(Categorical(q)).item()  # noqa: E731
    assert kl(sure, half) == pytest.approx(math.log(2))  # 0 · log 0 = 0
    assert kl(half, half) == 0
    assert kl(half, sure) == INF
    assert kl(sure, other) == INF
    assert kl(torch.tensor([-300.0, 0.0, -INF]), other) == INF  # in float32 exp(−300) is 0, and the law still has it
    assert Bernoulli(torch.tensor([INF])).kl(Bernoulli(torch.tensor([0.0]))).item() == pytest.approx(math.log(2))
    assert Bernoulli(torch.tensor([0.0])).kl(Bernoulli(torch.tensor([-INF]))).item() == INF


@pytest.mark.parametrize("step", [1e-2, 1e-4, 1e-6])
def test_kl_of_close_laws_keeps_its_digits(step: float) -> None:
    """KL(p ‖ p + δ) = ½ Σ δ²/p + O(δ³): in float32 a difference of logarithms would leave noise of 1e-7."""
    p, change = torch.tensor([0.3, 0.6, 0.1], dtype=torch.float64), torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
    q = p + step * change
    expected = 0.5 * step**2 * (change**2 / p).sum().item()
    assert categorical_kl(p.log(), q.log()).item() == pytest.approx(expected, rel=20 * step + 1e-9)
    if step >= 1e-4:
        single = Categorical(p.log().float()).kl(Categorical(q.log().float())).item()
        assert single == pytest.approx(expected, rel=20 * step + 5e-3)


def test_kl_has_finite_gradients() -> None:
    mine = torch.tensor([[0.0, -INF, 1.0], [0.0, 200.0, -INF]])
    theirs = torch.tensor([[0.3, 0.2, -0.1], [100.0, 0.0, -INF]], requires_grad=True)
    Categorical(mine).kl(Categorical(theirs)).sum().backward()
    assert theirs.grad is not None
    assert theirs.grad.isfinite().all()
    torch.testing.assert_close(theirs.grad[0], theirs.detach()[0].softmax(-1) - mine[0].softmax(-1))


# Draws


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sampled_law_is_the_scored_law(dtype: torch.dtype) -> None:
    """Within 4 standard errors, 40,000 draws."""
    law = Categorical(logits(6).to(dtype).expand(40_000, 6))
    p = law.log_masses[0].exp().double()
    seen = torch.bincount(law.sample(seeded()), minlength=6) / 40_000
    assert ((seen - p).abs() <= 4 * (p * (1 - p) / 40_000).sqrt()).all()
    bits = Bernoulli(torch.full((40_000,), -1.0, dtype=dtype))
    p1 = 1 / (1 + math.e)
    assert abs(bits.sample(seeded()).double().mean().item() - p1) < 4 * math.sqrt(p1 * (1 - p1) / 40_000)


@pytest.mark.parametrize(
    "law",
    [Bernoulli(torch.zeros(4, 9)), Categorical(torch.zeros(4, 9, 5)), Levels(torch.zeros(4, 9, 3), torch.arange(3.0))],
)
def test_an_example_draws_from_its_own_stream(law) -> None:  # type: ignore[no-untyped-def]
    whole = law.sample(Streams(0, 0, 4))
    alone = type(law)(law.logits[2:3], *([law.levels] if isinstance(law, Levels) else [])).sample(Streams(0, 2, 1))
    assert torch.equal(whole[2:3], alone)
    assert not torch.equal(whole[0], whole[1])


def test_families_do_not_mix() -> None:
    normal = Normal(torch.zeros(2), torch.ones(2))
    with pytest.raises(TypeError, match="a Bernoulli, got Normal"):
        Bernoulli(torch.zeros(2)).kl(normal)
    with pytest.raises(TypeError, match="over the same states, got Categorical"):
        Categorical(torch.zeros(2, 3)).kl(Categorical(torch.zeros(2, 4)))
    with pytest.raises(TypeError, match="over the same states, got Normal"):
        Categorical(torch.zeros(2, 3)).kl(normal)


def test_a_law_without_a_possible_state_has_mass_0() -> None:
    """It gives −∞ to every state, and a KL of +∞ to it from any law; a NaN stays a NaN."""
    none = Categorical(torch.tensor([[-math.inf] * 3, [0.0, 1.0, -math.inf]]))
    assert torch.equal(none.log_masses[0], torch.full((3,), -math.inf))
    assert none.log_masses[1].exp().sum().item() == pytest.approx(1)
    assert none.log_prob(torch.tensor([1, 1]))[0] == -math.inf
    assert Categorical(torch.zeros(2, 3)).kl(none).tolist() == [math.inf, math.inf]
    assert Categorical(torch.tensor([math.nan, 0.0])).log_masses.isnan().all()
