"""Heads: each prediction gives the data back, widths lie where they must, levels are exact Bayes."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from oracles import at, double, seeded
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import GaussianHead, Head, LevelsHead, StepHead
from quasistatic.distribution import Levels, Normal, Quantized
from quasistatic.network import Network
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, Table
from quasistatic.types import Label, State, Time


class Says(Network):
    """A network that says the same whatever it sees; with a label, that plus the label."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Tensor:
        return self.output if label is None else self.output + label.reshape(-1, *(1,) * (self.output.ndim - 1))


def noised(process: GaussianProcess, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, ε, x_t and ᾱ, by theory.md 4.1."""
    x = torch.randn(len(t), 3, 2, generator=seeded(0), dtype=torch.float64)
    noise = torch.randn(len(t), 3, 2, generator=seeded(1), dtype=torch.float64)
    kept = process.schedule.alpha_bar(t)[:, None, None]
    return x, noise, kept.sqrt() * x + (1 - kept).sqrt() * noise, kept


SCHEDULES: list[Schedule] = [Linear(), Table((0.1, 0.4, 0.9)), Cosine(), Reciprocal()]


@pytest.mark.parametrize(
    ("prediction", "schedule"),
    [*itertools.product(["data", "velocity"], SCHEDULES), *itertools.product(["noise"], SCHEDULES[:2])],
    ids=repr,
)
def test_the_true_target_gives_the_data_back(schedule: Schedule, prediction: str) -> None:
    """theory.md 4.2: feed ε, x or v = √ᾱ ε − √(1−ᾱ) x and read x, from t = 0.001 to 1."""
    process, t = GaussianProcess(schedule), double(1e-3, 0.2, 0.7, 0.999, 1.0)
    x, noise, x_t, kept = noised(process, t)
    target = {"noise": noise, "data": x, "velocity": kept.sqrt() * noise - (1 - kept).sqrt() * x}[prediction]
    clean = Denoiser(process, Says(target[:, None]), GaussianHead(prediction, "small"))(x_t, t)
    torch.testing.assert_close(clean.mean, x, rtol=0, atol=1e-11)
    assert (clean.variance == 0).all()


@pytest.mark.parametrize(("prediction", "factor"), [("noise", "snr"), ("data", "one"), ("velocity", "both")])
def test_an_error_of_the_target_is_an_error_of_the_data(prediction: str, factor: str) -> None:
    """theory.md 4.2: ‖Δε‖² = SNR ‖Δx‖², ‖Δv‖² = (1 + SNR) ‖Δx‖², from two outputs that differ by 1."""
    process, t = GaussianProcess(Linear()), double(0.01, 0.4, 0.9)
    _, _, x_t, _ = noised(process, t)
    zero = torch.zeros(3, 1, 3, 2, dtype=torch.float64)
    one, other = (Denoiser(process, Says(said), GaussianHead(prediction, "large"))(x_t, t) for said in (zero, zero + 1))
    moved = one.mean - other.mean
    snr = (process.schedule.log_snr(t).exp())[:, None, None]
    torch.testing.assert_close(
        moved**2 * {"snr": snr, "one": 1 + 0 * snr, "both": 1 + snr}[factor], torch.ones_like(moved)
    )


def test_learned_width_lies_between_point_and_large() -> None:
    """w² rises with the output from nearly 0 to 1 − ᾱ, so the reverse variance lies between β̃ and β."""
    process, x_t = GaussianProcess(Table((0.64,))), torch.zeros(5, 1, dtype=torch.float64)  # ᾱ(1) = 0.36
    output = torch.stack([torch.zeros(5), double(-800.0, -3.0, 0.0, 3.0, 800.0)], 1).double()[..., None]
    head = GaussianHead("velocity", "learned")
    assert head.outputs == 2
    variance = Denoiser(process, Says(output), head)(x_t, at(1.0, 5)).variance[:, 0]
    assert variance[0].item() == pytest.approx(0.64e-10)
    assert (variance.diff() > 0).all()
    assert variance[2].item() == pytest.approx(0.32)
    assert variance[-1].item() == pytest.approx(0.64)
    for std in ("small", "large"):
        assert GaussianHead("velocity", std).outputs == 1


@pytest.mark.parametrize("schedule", [Linear(), Reciprocal()], ids=repr)
def test_levels_are_exact_bayes_where_elements_are_independent(schedule: Schedule) -> None:
    """The network says the log-prior; mass, mean and variance of x given x_t by enumeration."""
    process, head = GaussianProcess(schedule), LevelsHead(5)
    prior = double(0.1, 0.4, 0.0, 0.3, 0.2)
    t = double(0.01, 0.3, 0.8, 1.0)
    x_t = torch.randn(4, 2, generator=seeded(), dtype=torch.float64)
    said = prior.log()[None, :, None].expand(4, 5, 2)
    clean = Denoiser(process, Says(said), head)(x_t, t)
    assert isinstance(clean, Levels)
    for i, j in itertools.product(range(4), range(2)):
        kept = process.schedule.alpha_bar(t[i : i + 1]).item()
        values = [-1, -0.5, 0, 0.5, 1]
        joint = [
            p * math.exp(-((x_t[i, j].item() - math.sqrt(kept) * value) ** 2) / (2 * (1 - kept)))
            for p, value in zip(prior.tolist(), values, strict=True)
        ]
        post = [weight / sum(joint) for weight in joint]
        mean = sum(p * value for p, value in zip(post, values, strict=True))
        assert clean.mean[i, j].item() == pytest.approx(mean, rel=1e-11, abs=1e-12)
        second = sum(p * (value - mean) ** 2 for p, value in zip(post, values, strict=True))
        assert clean.variance[i, j].item() == pytest.approx(second, rel=1e-9, abs=1e-12)
        for p, value in zip(post, values, strict=True):
            x = torch.full_like(x_t, value)
            assert clean.log_prob(x)[i, j].exp().item() == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_levels_at_noise_say_what_the_network_says() -> None:
    """At ᾱ = 0 the state holds nothing."""
    said = torch.randn(6, 4, 3, generator=seeded(), dtype=torch.float64)
    x_t = torch.randn(6, 3, generator=seeded(1), dtype=torch.float64)
    clean = Denoiser(GaussianProcess(Reciprocal()), Says(said), LevelsHead(4))(x_t, at(1.0, 6))
    assert isinstance(clean, Levels)
    torch.testing.assert_close(clean.log_masses, said.movedim(1, -1).log_softmax(-1))


def test_levels_cost_their_cross_entropy() -> None:
    """From pure noise, four levels alike: log 4."""
    head, x = LevelsHead(4), torch.full((3, 2), 1 / 3, dtype=torch.float64)
    clean = Denoiser(GaussianProcess(Reciprocal()), Says(torch.zeros(3, 4, 2, dtype=torch.float64)), head)(
        x, at(1.0, 3)
    )
    torch.testing.assert_close(head.simple_cost(clean, x, at(0.0, 3)), torch.full_like(x, math.log(4)))


@pytest.mark.parametrize(
    ("field", "ours"), [("epsilon", "noise"), ("sample", "data"), ("v_prediction", "velocity"), ("noise", "noise")]
)
def test_the_fields_spellings(field: str, ours: str) -> None:
    assert GaussianHead(field, "large") == GaussianHead(ours, "large")
    assert GaussianHead(field).prediction == ours


def test_a_head_names_what_it_knows() -> None:
    with pytest.raises(ValueError, match=r"one of noise, data, velocity, got 'eps'"):
        GaussianHead("eps")
    with pytest.raises(ValueError, match=r"one of small, large, learned, got 'fixed'"):
        GaussianHead("noise", "fixed")
    with pytest.raises(ValueError, match=r"levels must be at least 2 .* got 1"):
        LevelsHead(1)


@pytest.mark.parametrize("schedule", [Cosine(), Reciprocal(), Table((0.1, 1.0))], ids=repr)
def test_noise_is_not_predicted_where_nothing_is_kept(schedule: Schedule) -> None:
    """theory.md trap 7: β_T = 1 kills the noise prediction, and no other."""
    said = Says(torch.zeros(1, 2, 1))
    with pytest.raises(ValueError, match=r"predicting the noise divides by √ᾱ, and .* predict velocity or data"):
        Denoiser(GaussianProcess(schedule), said, GaussianHead("noise"))
    for head in (GaussianHead("velocity"), GaussianHead("data"), LevelsHead(2)):
        Denoiser(GaussianProcess(schedule), said, head)
    Denoiser(GaussianProcess(Linear()), said, GaussianHead("noise"))


def test_given_binds_a_label() -> None:
    x_t, t = torch.zeros(3, 2, dtype=torch.float64), at(0.5, 3)
    label = torch.tensor([0, 4, 7])
    denoiser = Denoiser(
        GaussianProcess(Cosine()), Says(torch.zeros(3, 1, 2, dtype=torch.float64)), GaussianHead("data", "small")
    )
    bound = denoiser.given(label)(x_t, t)
    assert isinstance(bound, Normal)
    assert torch.equal(bound.mean, label[:, None].expand(3, 2).double())
    assert torch.equal(bound.mean, denoiser(x_t, t, label).mean)
    assert torch.equal(denoiser.given(None)(x_t, t).mean, denoiser(x_t, t).mean)


def test_float32_states_stay_float32() -> None:
    x_t, t = torch.zeros(3, 2), at(0.5, 3)
    assert (
        Denoiser(GaussianProcess(Cosine()), Says(torch.zeros(3, 2, 2)), GaussianHead())(x_t, t).mean.dtype
        == torch.float32
    )
    assert (
        Denoiser(GaussianProcess(Cosine()), Says(torch.zeros(3, 5, 2)), LevelsHead(5))(x_t, t).mean.dtype
        == torch.float32
    )


@pytest.mark.parametrize(
    "head", [GaussianHead("velocity", "learned"), StepHead(8)], ids=lambda head: type(head).__name__
)
def test_a_width_that_vanishes_has_a_finite_gradient(head: Head) -> None:
    """An output of −300 is a variance of e^−300, 0 in single precision; the root of 0 has no slope.

    The mass that such a law gives to a value of 256 levels, and its gradient, are finite too.
    """
    output = torch.full((2, 2, 3), -300.0, requires_grad=True)
    process, t = GaussianProcess(Cosine()), at(0.001, 2)
    clean = head.read(output, torch.zeros(2, 3), t, process)
    mass = Quantized(clean, torch.linspace(-1, 1, 256)).log_prob(torch.full((2, 3), -1.0))
    (clean.std.sum() + mass.sum()).backward()
    assert output.grad is not None
    assert mass.isfinite().all()
    assert output.grad.isfinite().all()
