"""The network over columns: fitted, it starts at the exact denoiser of a joint normal law."""

from pathlib import Path

import pytest
import torch

from oracles import at, seeded
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    Head,
    LevelsHead,
    ProductHead,
    StepHead,
)
from quasistatic.distribution import Bernoulli, Levels, Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.model import Model
from quasistatic.network import ColumnsConfig, columns
from quasistatic.network.columns import Columns, JointNormal
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Part, ProductProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal

NUMBERS = ProductProcess((Part(GaussianProcess(Cosine()), (0, 1, 2)),))
NORMAL_HEAD = ProductHead((GaussianHead("velocity", "learned"),))
LOADINGS = torch.tensor([[0.8, 0.0, 0.0], [0.5, 0.6, 0.0], [-0.4, 0.3, 0.5]], dtype=torch.float64)


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=seeded()) @ LOADINGS.T + 0.2


def fitted(x: torch.Tensor) -> Columns:
    network = ColumnsConfig(width=8, depth=1).build((3,), 2, states=(0, 0, 0)).eval()
    assert isinstance(network, Columns)
    network.begin(torch.stack([x.nan_to_num(0.0), (~x.isnan()).to(x)], 1))
    return network


@pytest.mark.parametrize("known", [(), (1,), (0, 2)])
def test_it_starts_at_the_exact_denoiser_of_normal_data(known: tuple[int, ...]) -> None:
    """E and Var of x given a noised part and a known part, by conditioning the joint normal law of all of them."""
    network = fitted(rows(400))
    mean, joint = network.joint.center, network.joint.joint
    t = 0.4
    kept = Cosine().alpha_bar(torch.tensor([t], dtype=torch.float64)).item()
    x_t = torch.tensor([[0.9, -0.4, 0.1]], dtype=torch.float64)
    observed = torch.full_like(x_t, torch.nan)
    observed[:, list(known)] = torch.tensor([[-0.7, 0.5]], dtype=torch.float64)[:, : len(known)]
    unknown = [column for column in range(3) if column not in known]
    x_t[:, list(known)] = torch.nan
    joint = joint + torch.diag(network.joint.extra * torch.tensor([column in unknown for column in range(3)]))
    clean = Denoiser(NUMBERS, network, NORMAL_HEAD)(x_t, at(t, 1), None, observed)

    scale = torch.ones(3, dtype=torch.float64)
    scale[unknown] = kept**0.5
    noise = torch.diag(torch.tensor([0.0 if c in known else 1 - kept for c in range(3)], dtype=torch.float64))
    seen = torch.where(observed.isnan(), x_t, observed)[0]
    gain = joint @ torch.diag(scale) @ torch.linalg.inv(torch.diag(scale) @ joint @ torch.diag(scale) + noise)
    wanted = mean + gain @ (seen - scale * mean)
    variance = (joint - gain @ torch.diag(scale) @ joint).diagonal()
    torch.testing.assert_close(clean.mean[0, unknown], wanted[unknown], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(clean.variance[0, unknown], variance[unknown], rtol=1e-3, atol=1e-5)


def conditioned(network: Columns, seen: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and variances of the joint normal law given ``seen`` = kept · x + √(1 − kept²) ε, one row."""
    joint = network.joint.joint + torch.diag(network.joint.extra * (kept < 1))
    scale, mean = torch.diag(kept), network.joint.center
    gain = joint @ scale @ torch.linalg.inv(scale @ joint @ scale + torch.diag(1 - kept**2))
    return mean + gain @ (seen - scale @ mean), (joint - gain @ scale @ joint).diagonal()


HEADS = [
    *(GaussianHead(prediction, std) for prediction in ("noise", "data", "velocity") for std in ("small", "large")),
    *(GaussianHead(prediction, "learned") for prediction in ("noise", "data", "velocity")),
    StepHead(10),
    LevelsHead(33, gain=4.0),
]


@pytest.mark.parametrize("head", HEADS, ids=repr)
@pytest.mark.parametrize("t", [0.3, 0.7])
def test_under_any_head_it_starts_at_the_conditional_law(head: Head, t: float) -> None:
    """Two noised columns and a known one, in float64: the exact mean, and the exact variance where it is learned."""
    process = ProductProcess((Part(GaussianProcess(Linear()), (0, 1, 2)),))
    network = ColumnsConfig(width=8, depth=1).build((3,), head.outputs, states=(0, 0, 0)).double().eval()
    assert isinstance(network, Columns)
    x = rows(400)
    network.begin(torch.stack([x, torch.ones_like(x)], 1))
    x_t, observed = (
        torch.tensor([[0.3, -0.4, torch.nan]]).double(),
        torch.tensor([[torch.nan, torch.nan, 0.2]]).double(),
    )
    (_, clean) = Denoiser(process, network, ProductHead((head,)))(x_t, at(t, 1), None, observed).parts[0]
    kept = Linear().alpha_bar(at(t, 1)).sqrt() * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 1.0])
    mean, variance = conditioned(network, torch.where(observed.isnan(), x_t, observed)[0], kept)
    if isinstance(head, LevelsHead):
        assert isinstance(clean, Levels)
        density = torch.distributions.Normal(mean[:2, None], variance[:2, None].sqrt()).log_prob(clean.levels)
        torch.testing.assert_close(clean.log_masses[0, :2], density.log_softmax(-1), rtol=1e-6, atol=1e-6)
        return
    torch.testing.assert_close(clean.mean[0, :2], mean[:2], rtol=1e-9, atol=1e-9)
    if head.outputs == 2:
        torch.testing.assert_close(clean.variance[0, :2], variance[:2], rtol=1e-8, atol=0)


def test_bits_start_at_the_best_linear_guess() -> None:
    """P(bit = 1 | noised bits) of a linear fit: of one bit with P(1) = ½ it is what Bayes' rule says, at any time."""
    process = ProductProcess((Part(BernoulliProcess(Linear(), 0.5), (0,)),))
    network = ColumnsConfig(width=8, depth=1).build((1,), 1, states=(0,)).double().eval()
    bits = (torch.arange(400) % 2).double()[:, None]
    network.begin(torch.stack([bits, torch.ones_like(bits)], 1))
    for t in (0.2, 0.5, 0.9):
        kept = Linear().alpha_bar(at(t, 1)).item()
        guess = Denoiser(process, network, ProductHead((BernoulliHead(),)))(bits[:2], at(t, 2)).parts[0][1]
        assert isinstance(guess, Bernoulli)
        wanted = torch.tensor([(1 - kept) / 2, (1 + kept) / 2], dtype=torch.float64)
        torch.testing.assert_close(guess.mean[:, 0], wanted, rtol=0, atol=2e-3)  # C is a little wider than ¼


def test_the_joint_law_is_computed_once_per_call(monkeypatch: pytest.MonkeyPatch) -> None:
    network, calls = fitted(rows(40)), []
    gains = network.joint.gains
    monkeypatch.setattr(network.joint, "gains", lambda kept: (calls.append(1), gains(kept))[1])
    Denoiser(NUMBERS, network, NORMAL_HEAD)(rows(4), at(0.5, 4))
    assert len(calls) == 1


def test_a_run_of_version_0_1_makes_the_same_guesses() -> None:
    """Recorded when the network itself wrote velocities, log-odds and logarithms in its output, for one head."""
    model = Model.from_pretrained(Path(__file__).parents[1] / "runs" / "table-0.1", device="cpu")
    x_t = torch.tensor([[0.5, -1.0, 2.0], [torch.nan, 0.3, 1.0]])
    observed = torch.tensor([[torch.nan, torch.nan, torch.nan], [0.7, torch.nan, torch.nan]])
    clean = model.denoiser(x_t, at(0.4, 2), None, observed)
    assert isinstance(clean, ProductDistribution)
    (_, numbers), (_, kinds) = clean.parts
    assert isinstance(numbers, Normal)
    means = torch.tensor([[-0.13049936, -0.36296567], [0.01030354, 0.66871113]])
    torch.testing.assert_close(numbers.mean, means, rtol=1e-5, atol=1e-6)
    stds = torch.tensor([0.50229728, 0.49199402, 0.31648156])  # of the cells that are there
    torch.testing.assert_close(numbers.std.flatten()[[0, 1, 3]], stds, rtol=1e-5, atol=1e-6)
    chances = torch.tensor([[[0.37442118, 0.62557882, 0.0]], [[0.0, 1.0, 0.0]]])
    torch.testing.assert_close(kinds.log_masses.exp(), chances, rtol=1e-5, atol=1e-6)


def test_one_gain_serves_rows_noised_alike() -> None:
    """A batch of mixed patterns gives each row what it gets alone."""
    joint = fitted(rows(400)).joint
    kept = torch.tensor([[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [0.0, 1.0, 0.3]], dtype=torch.float64)
    seen = torch.randn(3, 3, dtype=torch.float64, generator=seeded())
    together = joint(seen, kept)
    for place in range(3):
        alone = joint(seen[place : place + 1], kept[place : place + 1])
        torch.testing.assert_close(together[0][place], alone[0][0])
        torch.testing.assert_close(together[1][place], alone[1][0])


def test_missing_cells_are_fitted_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where y is missing more for large x, the likeliest mean of y is ȳ + β (all x's mean − x̄): Little & Rubin §7.2."""
    monkeypatch.setattr(columns, "JITTER", 0.0)
    monkeypatch.setattr(columns, "ROUNDS", 300)
    pair = rows(500)[:, :2]
    there = torch.stack([torch.ones(500), (pair[:, 0] < 0.3).double()], 1).double()
    joint = JointNormal(2)
    joint.settle(pair.nan_to_num(0.0), there, 0.0)
    both = pair[there[:, 1] == 1]
    deviations = both - both.mean(0)
    slope = (deviations[:, 0] @ deviations[:, 1]) / (deviations[:, 0] @ deviations[:, 0])
    left = (deviations[:, 1] - slope * deviations[:, 0]).square().mean()
    spread = pair[:, 0].var(correction=0)
    mean = both[:, 1].mean() + slope * (pair[:, 0].mean() - both[:, 0].mean())
    torch.testing.assert_close(joint.center, torch.stack([pair[:, 0].mean(), mean]), rtol=0, atol=1e-8)
    wanted = torch.stack([spread, slope * spread, slope * spread, left + slope**2 * spread]).view(2, 2)
    torch.testing.assert_close(joint.joint, wanted, rtol=0, atol=1e-8)
    assert abs(mean - both[:, 1].mean()) > 0.1  # the complete rows alone mislead


def test_the_width_is_that_of_new_rows() -> None:
    """A number given seven others, fitted on 40 rows: a new row's squared error is its variance, on average."""
    square, stated, generator = 0.0, 0.0, seeded()
    for _ in range(40):
        x = torch.randn(240, 8, dtype=torch.float64, generator=generator)
        x[:, 0] = x[:, 1:4].sum(1) + 0.5 * x[:, 0]
        joint = JointNormal(8)
        joint.fit(x[:40], torch.ones(40, 8, dtype=torch.float64), 1)
        kept = torch.ones_like(x[40:])
        kept[:, 0] = 0.0
        mean, variance = joint(x[40:] * kept, kept)
        square += (x[40:, 0] - mean[:, 0]).square().mean().item() / 40
        stated += variance[:, 0].mean().item() / 40
    assert square > 0.25 * 1.15  # what was estimated from 40 rows errs more than the noise
    assert stated == pytest.approx(square, rel=0.15)  # validation had 32 rows to learn from


def test_categories_start_at_what_the_others_say() -> None:
    """A number of mean −1 or 1 by class: its sign tells the class, and a class that is known is shown as it is."""
    process = ProductProcess(
        (Part(GaussianProcess(Cosine()), (0,)), Part(CategoricalProcess.absorbing(Reciprocal(), 3), (1,)))
    )
    classes = torch.arange(600) % 2
    x = torch.stack([(2 * classes - 1) + 0.3 * torch.randn(600, generator=seeded()), classes.float()], 1)
    network = ColumnsConfig(width=8, depth=1).build((2,), 2, states=(0, 3)).eval()
    network.begin(torch.stack([x, torch.ones_like(x)], 1))
    head = ProductHead((GaussianHead("velocity", "learned"), CategoricalHead(2)))
    known = torch.tensor([[1.0, torch.nan], [-1.0, torch.nan]])
    hidden = torch.tensor([[torch.nan, 2.0]]).expand(2, 2)
    chances = Denoiser(process, network, head)(hidden, at(1.0, 2), None, known).parts[1][1].log_masses.exp()[:, 0]
    assert chances[0, 1] > 0.9
    assert chances[1, 0] > 0.9
    observed = torch.tensor([[torch.nan, 1.0], [torch.nan, 0.0]])
    noise = torch.tensor([[0.0, torch.nan]]).expand(2, 2)
    numbers = Denoiser(process, network, head)(noise, at(1.0, 2), None, observed).parts[0][1]
    assert isinstance(numbers, Normal)
    torch.testing.assert_close(numbers.mean[:, 0], torch.tensor([1.0, -1.0]), rtol=0, atol=0.05)


def test_not_fitted_it_says_nothing() -> None:
    network = ColumnsConfig(width=8, depth=1).build((2,), 3, states=(0, 4))
    x = torch.tensor([[[0.5, 1.0], [0.7, 0.2]]])
    assert network(x, at(0.5, 1)).abs().max() == 0


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"width must be at least 4 .* got 2"):
        ColumnsConfig(width=2)
    with pytest.raises(ValueError, match=r"takes rows of a table \(columns,\), got states of shape \(1, 8, 8\)"):
        ColumnsConfig().build((1, 8, 8))
    with pytest.raises(ValueError, match="over 3 columns needs the states of each, got 2"):
        ColumnsConfig().build((3,), states=(0, 0))
