"""Models that learn the law of examples given covariates: a Normal and its posterior in closed form."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from quasistatic.config import Config, DataConfig, Specification, TrainingConfig
from quasistatic.data import Dataset, load
from quasistatic.denoiser.head import GaussianHead
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete.check import check_samples
from quasistatic.network import MLPConfig, TransformerConfig, UNetConfig
from quasistatic.network.classic import RBFConfig
from quasistatic.objective import Bound
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from quasistatic.training.batch import Batch
from quasistatic.training.checkpoint import train
from quasistatic.training.loop import Training

NOISE = 0.5
"""θ ~ N(0, 1), x = θ + N(0, ¼): θ given x is N(x / 1.25, 0.2)."""

VARIANCE = NOISE**2 / (1 + NOISE**2)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder, generator = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    theta = generator.normal(size=(6000, 1))
    np.save(folder / "theta.npy", theta)
    np.save(folder / "x.npy", theta + NOISE * generator.normal(size=(6000, 1)))
    return load(folder / "theta.npy", condition=folder / "x.npy")


def config(**changes: object) -> Config:
    settings = {"steps": 1800, "batch": 256, "learning_rate": 3e-3, "ema": 0.99, "label_dropout": 0.3, **changes}
    return Config(
        data=DataConfig("pairs"),
        process=GaussianProcess(Cosine()),
        network=MLPConfig(width=64, depth=2),
        head=GaussianHead("velocity", "learned"),
        objective=Bound(),
        training=TrainingConfig(**settings),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def model(pairs: Dataset) -> Model:
    training = Training(config(), Specification.of(pairs))
    for _ in training.run(pairs.split(1000, 0)[0]):
        pass
    return training.model


def test_samples_have_the_posterior(model: Model) -> None:
    """To a fifth of its deviation, as 1,800 steps learn it; beside the law without a condition."""
    x = torch.tensor([[-2.0], [0.0], [1.5]])
    draws = model.sample(1000, condition=x, steps=50).unflatten(0, (3, 1000))[..., 0].double()
    torch.testing.assert_close(draws.mean(1), x[:, 0].double() / (1 + NOISE**2), rtol=0, atol=0.2 * VARIANCE**0.5)
    torch.testing.assert_close(draws.std(1), torch.full((3,), VARIANCE**0.5).double(), rtol=0.15, atol=0)
    alone = model.sample(2000, steps=50).double()
    assert abs(alone.std().item() - 1) < 0.15


def test_a_sample_depends_on_its_own_condition_and_number(model: Model) -> None:
    several = model.sample(3, condition=[[0.5], [1.0]], steps=5)
    assert several.shape == (6, 1)
    torch.testing.assert_close(model.sample(3, condition=[[0.5]], steps=5), several[:3], rtol=0, atol=1e-5)
    torch.testing.assert_close(model.sample(3, condition=[1.0], steps=5, first=3), several[3:], rtol=0, atol=1e-5)


def test_the_score_is_that_of_the_posterior(model: Model, pairs: Dataset) -> None:
    """−log p(θ | x) of the closed form on the same pairs, and −log p(θ) without x; a bound is at most so good."""
    held_out = pairs.split(1000, 0)[1]
    assert held_out.covariates is not None
    theta, x = (part.batch(torch.arange(1000))[:, 0].double() for part in (held_out, held_out.covariates))
    laws = Normal(x / (1 + NOISE**2), VARIANCE**0.5), Normal(0.0, 1.0)
    for data, law in zip((held_out, replace(held_out, covariates=None)), laws, strict=True):
        score = model.evaluate(data, draws=64)
        assert score.conditional == (data.covariates is not None)
        truth = -law.log_prob(theta).mean().item() / math.log(2)
        assert truth - 0.04 < score.bits_per_example < truth + 0.1


def test_samples_are_calibrated(model: Model, pairs: Dataset) -> None:
    held_out = pairs.split(1000, 0)[1].select(torch.arange(300))
    found = check_samples(model, held_out, DrawOptions(39, 30))["sample"].calibration
    assert not found.off
    assert found.uniform is not None
    assert found.uniform > 1e-4
    with pytest.raises(ValueError, match="given a condition, got none"):
        check_samples(model, replace(held_out, covariates=None), DrawOptions(3, 2))


def test_hidden_labels_hide_all_covariates_or_some(pairs: Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(6000, 10)))
    np.save(tmp_path / "theta.npy", np.zeros((6000, 1)))
    data = load(tmp_path / "theta.npy", condition=tmp_path / "x.npy")
    covariates, hide = Specification.of(data).covariates, torch.arange(6000) < 3000
    assert covariates is not None
    batch = Batch(
        torch.arange(6000),
        torch.arange(6000),
        torch.ones(6000).long(),
        torch.ones(6000),
        hide,
        torch.zeros(6000).bool(),
    )
    torch.manual_seed(0)
    told = batch.labels(data, DataConfig("pairs"), covariates)
    assert told is not None
    assert not bool(told[~hide].isnan().any())
    hidden = told[hide].isnan().sum(1)
    assert 0.5 < (hidden == 10).double().mean() < 0.6  # half, and one in eleven of the others
    assert 0.2 < (hidden < 5).double().mean() < 0.25
    assert Batch(torch.arange(0), torch.arange(0), hide[:0].long(), hide[:0].float(), hide[:0], hide[:0]).labels(
        data, DataConfig("pairs"), covariates
    ).shape == (0, 10)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (MLPConfig(width=16, depth=1), (3,)),
        (TransformerConfig(width=16, depth=1, head_width=8), (6,)),
        (UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), dropout=0.0), (1, 4, 4)),
    ],
)
def test_networks_are_told_covariates(
    network: MLPConfig | TransformerConfig | UNetConfig, shape: tuple[int, ...]
) -> None:
    built = network.build(shape)
    built.learn_covariates(2)
    built.eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, t = torch.randn(4, *shape), torch.full((4,), 0.5).double()
    told = torch.tensor([[0.0, 1.0], [torch.nan, 1.0], [torch.nan, torch.nan], [0.0, 1.0]])
    x[3] = x[0]
    found = built(x, t, told)
    torch.testing.assert_close(found[0], found[3])
    torch.testing.assert_close(found[2:3], built(x[2:3], t[2:3], None))
    assert not torch.allclose(built(x[:1], t[:1], told[:1]), built(x[:1], t[:1], told[1:2]))
    assert built(x[:0], t[:0], told[:0]).shape[0] == 0
    with pytest.raises(ValueError, match=r"this network is told 2 numbers of each example, got \(4, 3\)"):
        built(x, t, torch.zeros(4, 3))


def test_bad_conditions_are_refused(model: Model, pairs: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a sample has a label or a condition, got both"):
        model.sample(1, condition=[1.0], label=1)
    with pytest.raises(ValueError, match=r"a condition has 1 values \(c0\), got shape \(1, 2\)"):
        model.sample(1, condition=[1.0, 2.0])
    with pytest.raises(ValueError, match="got 2 without a label"):
        model.sample(1, scale=2.0)
    plain = Model.fresh(config(), Specification("pairs", (1,), pairs.codec))
    with pytest.raises(ValueError, match="the model learned no law given a condition; train one with --set"):
        plain.sample(1, condition=[1.0])
    with pytest.raises(ValueError, match="came with a condition, and the model learned without one"):
        plain.evaluate(pairs)
    both = replace(config(), data=DataConfig("pairs", conditional=True))
    with pytest.raises(ValueError, match=r"got data\.condition with data\.conditional or data\.flip"):
        Model.fresh(both, Specification.of(pairs))
    classic = replace(config(), network=RBFConfig())
    with pytest.raises(ValueError, match=r"data\.condition needs a network that can be told covariates"):
        classic.network.build((2,)).learn_covariates(1)


def test_a_run_goes_on_with_its_own_condition_only(pairs: Dataset, tmp_path: Path) -> None:
    few = pairs.select(torch.arange(300))
    short = replace(config(steps=4), network=MLPConfig(width=16, depth=1))
    for _ in train(short, few, tmp_path / "run"):
        pass
    longer = replace(short, training=replace(short.training, steps=6))
    assert few.covariates is not None
    for other in (
        replace(few, covariates=None),
        replace(few, covariates=few.covariates.select(torch.arange(299, -1, -1))),
    ):
        with pytest.raises(
            ValueError, match="was trained with another condition, or with none; resume it with the same"
        ):
            list(train(longer, other, tmp_path / "run", resume=True))
    assert list(train(longer, few, tmp_path / "run", resume=True))[-1].step == 6


def test_a_model_that_was_always_told_all_refuses_a_part(pairs: Dataset) -> None:
    always = Model.fresh(config(label_dropout=0.0), Specification.of(pairs))
    with pytest.raises(ValueError, match=r"with conditions only .* give one, without a scale"):
        always.sample(1, steps=2)
    with pytest.raises(ValueError, match=r"with whole conditions only .* give every value"):
        always.sample(1, condition=[math.nan], steps=2)
    assert always.sample(2, condition=[1.0], steps=2).shape == (2, 1)
    with pytest.raises(ValueError, match=r"samples need|memory"):
        always.sample(10**12, condition=[[1.0]] * 1000, steps=2)
