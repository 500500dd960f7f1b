"""Rankings against known truths: an exact denoiser's order, simulated scores, closed forms of p-values and sizes."""

import math

import pytest
import torch
from scipy.special import stdtr
from torch import Tensor

from oracles import GaussianOracle, double, seeded
from quasistatic.evaluation import bound, bound_with_map
from quasistatic.evaluation.ranking import Order, chances_by_share, complexity, decide, pilot_steps, typicality
from quasistatic.evaluation.ranking.chances import StepShares
from quasistatic.evaluation.ranking.order import FIRST
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Linear, uniform_times
from quasistatic.streams import Streams

TRUTH = GaussianOracle(GaussianProcess(Linear()), double(0.0, 0.7, -1.3), double(0.25, 1.0, 4.0))
TIMES = uniform_times(50)


def looked(x: Tensor, rounds: range, seed: int = 0) -> Tensor:
    """Minus the bound of ``x`` in each round, with the exact denoiser and the same draws for all examples."""
    costs, chances = [], chances_by_share(pilot_steps(TRUTH.process, TRUTH, x[:8], TIMES, seed=9), len(TIMES) - 2)
    for number in rounds:
        streams = Streams.shared(seed, number, len(x))
        costs.append(-bound(TRUTH.process, TRUTH, lambda clean: clean, x, TIMES, 4, streams, chances).value)
    return torch.stack(costs)


def pairs_in_order(values: Tensor, truth: Tensor) -> float:
    """The share of pairs that two scores put in the same order."""
    agree = (values[:, None] - values).sign() == (truth[:, None] - truth).sign()
    count = len(values)
    return (agree.sum().item() - count) / (count * (count - 1))


def test_an_exact_denoiser_ranks_by_the_likelihood() -> None:
    """Its bound is log p(x) of every example, so the stated certainty is met by the order of known likelihoods."""
    x = TRUTH.sample(30, seeded())
    order = decide(lambda rows, rounds: looked(x, rounds)[:, rows], len(x), 0.9, 40)
    gap = (x - TRUTH.mean) / TRUTH.eigenvalues.sqrt()
    truth = (gap**2 / 2 + TRUTH.eigenvalues.log() / 2 + math.log(2 * math.pi) / 2).sum(1)
    assert order.certainty >= 0.9
    assert pairs_in_order(order.values, truth) == pytest.approx(order.certainty, abs=0.03)
    assert bool(((order.values - truth).abs() < 5 * order.errors.clamp(min=1e-3)).all())
    assert int(order.rounds.min()) < int(order.rounds.max()) <= 40  # effort where the order is open


def test_common_draws_make_differences_steady() -> None:
    """The same times and noise for two examples: the variance of their difference falls to less than a third."""
    x = TRUTH.sample(20, seeded())
    common = looked(x, range(40))
    own = torch.stack(
        [
            -bound(TRUTH.process, TRUTH, lambda clean: clean, x, TIMES, 4, Streams(seed, 0, len(x))).value
            for seed in range(40)
        ]
    )
    variances = [(costs[:, :10] - costs[:, 10:]).var(0).mean().item() for costs in (common, own)]
    assert variances[0] < variances[1] / 3


@pytest.mark.parametrize(("noise", "common"), [(0.3, 1.0), (1.0, 1.0), (3.0, 0.5)])
def test_certainty_is_calibrated(noise: float, common: float) -> None:
    """Over simulated sets, the stated certainty is the share of pairs in order: at little, much and too much noise."""
    stated, found = [], []
    for seed in range(12):
        generator = seeded(seed)
        truth = torch.randn(40, dtype=torch.float64, generator=generator)
        costs = truth + common * torch.randn(30, 1, dtype=torch.float64, generator=generator)
        costs = costs + noise * torch.randn(30, 40, dtype=torch.float64, generator=generator)
        order = decide(lambda rows, rounds, c=costs: c[rounds.start : rounds.stop, rows], 40, 0.95, 30)
        stated.append(order.certainty)
        found.append(pairs_in_order(order.values, truth))
    gap = torch.tensor(stated) - torch.tensor(found)
    assert abs(gap.mean().item()) < 0.01 + 4 * gap.std().item() / math.sqrt(len(gap))
    assert abs(gap.mean().item()) < 0.03


def test_equal_examples_are_no_open_question() -> None:
    """Copies get the same score in each round, and infinite scores differ from all finite ones: nothing is open."""
    costs = torch.randn(6, 1, dtype=torch.float64, generator=seeded()) + double(0.0, 0.0, math.inf, math.inf)
    order = decide(lambda rows, rounds: costs[rounds.start : rounds.stop, rows], 4, 0.99, 6)
    assert order.certainties.tolist() == [1.0] * 4
    assert order.rounds.tolist() == [FIRST] * 4


def test_infinite_scores_leave_the_others_open() -> None:
    """Two of four scores are infinite, so most pairs are decided; the noisy pair keeps its own probability, t of 3."""
    costs = double(0.0, 1.0, 2.0, 3.0)[:, None] * double(1.0, -1.0, 0.0, 0.0) + double(0.0, 0.0, math.inf, math.inf)
    certainties = Order.of(costs, torch.full((4,), 4)).certainties
    assert certainties[2:].tolist() == [1.0, 1.0]
    pair = 3 * certainties[0].item() - 2
    # the difference is 3 on average, with a standard error of √(20/3)/2 over four rounds
    assert pair == pytest.approx(stdtr(3, 3 / math.sqrt(5 / 3)), abs=1e-9)


def test_one_example_has_no_order() -> None:
    order = decide(lambda rows, rounds: torch.ones(len(rounds), len(rows), dtype=torch.float64), 1, 0.9, 50)
    assert math.isnan(order.certainty)
    assert order.rounds.tolist() == [FIRST]


def test_error_of_a_pair_with_unequal_rounds() -> None:
    """Var(v_i − v_j) = s_i²/R_i + s_j²/R_j − 2 cov/max(R_i, R_j), found over many simulated sets within 10 %."""
    rounds, gaps, seed = torch.tensor([8, 20]), [], 0
    mixing = double(1.0, 0.0, 0.8, 0.6).reshape(2, 2)
    for seed in range(2000):
        costs = torch.randn(20, 2, dtype=torch.float64, generator=seeded(seed)) @ mixing.T
        gaps.append((Order(costs, rounds, rounds.double()).values.diff()).item())
    wanted = 1 / 8 + 1 / 20 - 2 * 0.8 / 20
    assert torch.tensor(gaps).var().item() == pytest.approx(wanted, rel=0.1)


def test_many_examples_are_compared_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certainty by 32 peers is that by all of 199, within its own noise."""
    costs = torch.randn(5, 200, dtype=torch.float64, generator=seeded(1)) + torch.linspace(0, 20, 200).double()
    taken = torch.full((200,), 5)
    whole = Order.of(costs, taken).certainty
    monkeypatch.setattr("quasistatic.evaluation.ranking.order.PEERS", 32)
    assert Order.of(costs, taken).certainty == pytest.approx(whole, abs=0.01)


def test_shared_streams_are_the_stream_of_one_example() -> None:
    one, many = Streams(3, 7, 1), Streams.shared(3, 7, 4)
    like = torch.zeros(4, 2, 3)
    for draw in ("uniform", "normal", "normal"):
        assert torch.equal(getattr(many, draw)(like), getattr(one, draw)(like[:1]).expand(4, 2, 3))
    assert torch.equal(many.spread(), one.spread().expand(4))


def test_shares_of_elements_sum_to_the_bound() -> None:
    x = TRUTH.sample(30, seeded())
    for draws in (None, 3):
        terms, shares = bound_with_map(TRUTH.process, TRUTH, lambda clean: clean, x, TIMES, draws, Streams(0, 0, 30))
        assert shares.shape == x.shape
        torch.testing.assert_close(shares.sum(1), -terms.value)
    # Elements are independent under this law: each has its own log-density as its share, but for the prior's end.
    exact = bound_with_map(TRUTH.process, TRUTH, lambda clean: clean, x[:1].expand(400, -1), TIMES, None, seeded(2))[1]
    truth = ((x[0] - TRUTH.mean) ** 2 / TRUTH.eigenvalues + TRUTH.eigenvalues.log() + math.log(2 * math.pi)) / 2
    assert bool(((exact.mean(0) - truth).abs() < 4 * exact.std(0) / 20 + 1e-3).all())


def test_no_example_decides_alone_where_to_look() -> None:
    """Costs a thousand times as high, as noise may have, change no probability; they sum to 1 and leave out no step."""
    x = TRUTH.sample(8, seeded())
    pilot = pilot_steps(TRUTH.process, TRUTH, x, TIMES, seed=0)
    chances = chances_by_share(pilot, 49)
    assert chances.shape == (49,)
    assert chances.sum().item() == pytest.approx(1)
    assert bool((chances >= 0.2 / 49 - 1e-12).all())
    scaled = StepShares(pilot.edges, pilot.costs * double(1e3, *[1.0] * 7), pilot.evaluations)
    torch.testing.assert_close(chances_by_share(scaled, 49), chances)
    nothing = StepShares(pilot.edges, 0 * pilot.costs, pilot.evaluations)
    assert bool((chances_by_share(nothing, 49) == 1 / 49).all())


@pytest.mark.parametrize("steps", [6, 7, 30, 1000])
def test_bands_cover_all_steps(steps: int) -> None:
    pilot = pilot_steps(TRUTH.process, TRUTH, TRUTH.sample(2, seeded()), uniform_times(steps), seed=1)
    assert (pilot.edges[0], pilot.edges[-1]) == (1, steps)
    assert len(chances_by_share(pilot, steps - 1)) == steps - 1


def test_p_values_of_typical_examples_are_even() -> None:
    """P(p ≤ u) ≤ u where the score is drawn from the known law; far scores on either side get 2/(m + 1)."""
    known = torch.randn(4000, 39, dtype=torch.float64, generator=seeded())
    fresh = torch.randn(4000, 1, dtype=torch.float64, generator=seeded(1))
    p = torch.cat([typicality(one, law) for one, law in zip(fresh, known, strict=True)])
    for u in (0.05, 0.1, 0.5):
        assert p.le(u + 1e-9).double().mean().item() == pytest.approx(u, abs=4 * math.sqrt(u * (1 - u) / 4000))
    assert typicality(double(-50.0, 0.0, 50.0), known[0]).tolist()[::2] == [2 / 40, 2 / 40]


def test_complexity_is_the_size_without_headers() -> None:
    """Noise needs 8 bits a value and hardly more; a flat image next to nothing; channels of any number are taken."""
    noise = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=seeded())
    flat = torch.full((1, 3, 32, 32), 7, dtype=torch.uint8)
    bits = complexity(torch.cat([noise, flat])) / 3072
    assert bool(((bits[:2] > 7.95) & (bits[:2] < 8.3)).all())
    assert 0 < bits[2].item() < 0.1
    for channels in (1, 2, 4):
        assert 7.8 < (complexity(noise.reshape(-1, 1, 32, 32)[:channels].movedim(0, 1)) / 1024 / channels).item() < 8.5
