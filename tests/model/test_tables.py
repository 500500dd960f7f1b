"""A model of a table, against what is known of normal data: its score, its draws, its completions, its gaps."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.config import Config, Specification, from_json, override, to_json
from quasistatic.data import Dataset, load
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import ProductHead
from quasistatic.model import Model
from quasistatic.network import CellsConfig
from quasistatic.objective import Guess
from quasistatic.process import MaskedProcess
from quasistatic.recipes import recipe
from quasistatic.training.batch import parted
from quasistatic.training.duration import with_steps
from quasistatic.training.loop import Training

RHO = 0.9


def written(path: Path, values: np.ndarray, names: str = "x,y") -> Dataset:
    """A table of numbers read from a file; NaN is an empty cell."""
    cells = [",".join("" if math.isnan(v) else repr(float(v)) for v in row) for row in values]
    path.write_text("\n".join([names, *cells]) + "\n")
    return load(path)


def begun(dataset: Dataset, *changes: str) -> Training:
    """A run before its first step: fitted in closed form, nothing learned."""
    changes = ("network.width=8", "network.depth=1", "training.batch=16", *changes)
    config = with_steps(override(recipe(None, dataset, dataset.name), list(changes)), 4)
    training = Training(config, Specification.of(dataset))
    training.begin(dataset)
    return training


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two normal columns in other units, correlation 0.9; y is missing in a third of the rows."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((3000, 2))
    values = np.stack([10 + 2 * z[:, 0], -5 + 0.5 * (RHO * z[:, 0] + math.sqrt(1 - RHO**2) * z[:, 1])], 1)
    values[generator.random(3000) < 1 / 3, 1] = math.nan
    return written(tmp_path_factory.mktemp("pair") / "pair.csv", values)


@pytest.fixture(scope="module")
def model(pair: Dataset) -> Model:
    return begun(pair).model


MEAN, COVARIANCE = torch.tensor([10.0, -5.0]).double(), torch.tensor([[4.0, RHO], [RHO, 0.25]]).double()


def test_the_fit_recovers_the_dependence_around_the_gaps(model: Model) -> None:
    """Of the normal scores of both columns, the correlation."""
    joint = model.network.get_buffer("joint.law.joint")
    rho = joint[0, 1] / (joint[0, 0] * joint[1, 1]).sqrt()
    assert rho.item() == pytest.approx(RHO, abs=0.01 + 4 * (1 - RHO**2) / math.sqrt(2000))


def test_a_score_is_the_likelihood_of_what_is_observed(model: Model, pair: Dataset) -> None:
    """The bound of each row against log N of the cells it has, in raw units.

    The start is the law of these columns but for its bins and quantiles, which were fitted to 2,700 rows: it loses at
    most 0.05 nats a row, and is no better than the truth by more than it was fitted.
    """
    rows = pair.select(torch.arange(400))
    score = model.evaluate(rows, steps=1000, draws=100)
    raw = rows.batch(torch.arange(400))
    truth = torch.distributions.Normal(MEAN[0], COVARIANCE[0, 0].sqrt()).log_prob(raw[:, 0])
    full = ~raw[:, 1].isnan()
    truth[full] = torch.distributions.MultivariateNormal(MEAN, COVARIANCE).log_prob(raw[full])
    gap = truth - score.log_likelihoods
    for part in (full, ~full):
        error = gap[part].std().item() / math.sqrt(int(part.sum()))
        assert -0.05 - 4 * error < gap[part].mean().item() < 0.05 + 4 * error


def test_draws_have_the_law(model: Model) -> None:
    """Means and covariances of 2,000 rows; the law was fitted to 2,700, so both err."""
    gaps = (model.sample(2000).double() - MEAN) / COVARIANCE.diagonal().sqrt()
    products = torch.stack([gaps[:, 0] * gaps[:, 1], gaps[:, 0] ** 2, gaps[:, 1] ** 2], 1)
    wanted = torch.tensor([RHO, 1.0, 1.0]).double()
    for found, truth in ((gaps, torch.zeros(2).double()), (products, wanted)):
        assert bool(((found.mean(0) - truth).abs() < 4 * 1.4 * found.std(0) / math.sqrt(2000)).all())


def test_completions_are_draws_of_the_posterior(model: Model) -> None:
    """y given x two deviations up: N(μ_y + C_xy/C_xx (x − μ_x), C_yy − C_xy²/C_xx); unseen cells of x are not read."""
    observed = torch.tensor([[14.0, math.nan]], dtype=torch.float64)
    draws = model.infer(observed, ~observed.isnan(), draws=2000)[0]
    assert bool((draws[:, 0] == 14).all())
    wanted = MEAN[1] + COVARIANCE[0, 1] / COVARIANCE[0, 0] * 4
    spread = (COVARIANCE[1, 1] - COVARIANCE[0, 1] ** 2 / COVARIANCE[0, 0]).sqrt()
    assert draws[:, 1].double().mean().item() == pytest.approx(wanted.item(), abs=0.25 * spread.item())
    assert draws[:, 1].double().std().item() == pytest.approx(spread.item(), rel=0.12)


def test_more_steps_than_cells_change_nothing(model: Model) -> None:
    assert torch.equal(model.sample(5, steps=2), model.sample(5, steps=100))
    assert len(model.walk(100)) == 3
    assert len(model.times(100)) == 101


def test_a_missing_cell_costs_nothing_in_training(model: Model, pair: Dataset) -> None:
    """Of independent columns the cost of a row without y is that of x alone, at every step: the two add up."""
    assert isinstance(model.config.network, CellsConfig)
    assert isinstance(model.config.process, MaskedProcess)
    network = model.config.network.build((2,), states=model.config.process.bins).eval()  # untrained: even, independent
    denoiser, decode = Denoiser(model.config.process, network, model.config.head), model.specification.codec.decoder
    x = model.specification.codec.encode(pair.batch(torch.tensor([0, 1, 2, 3]))).nan_to_num(0.3)
    t = torch.tensor([0.001, 0.2, 0.5, 0.9], dtype=torch.float64)
    parts = [x, x.clone(), x.clone()]
    parts[1][:, 1], parts[2][:, 0] = torch.nan, torch.nan
    noise = model.config.process.marginal(x, t).sample(seeded())
    costs = []
    for part in parts:
        x_t = noise.masked_fill(part.isnan(), torch.nan)
        guess = Guess(denoiser, decode, part, x_t, t, denoiser(x_t, t))
        costs.append(model.config.objective.cost(guess))
    torch.testing.assert_close(costs[0], costs[1] + costs[2], rtol=1e-4, atol=1e-3)
    assert costs[0].max() > 0


def test_examples_are_parted_evenly() -> None:
    """A quarter show nothing; else a share drawn evenly is shown: 3/8 of all cells. 0.15 are left out beforehand."""
    config = override(recipe("points", load("swiss-roll"), "x"), ["training.shown=0.75", "training.missing=0.3"])
    config = replace(config, head=ProductHead((config.head,)))
    torch.manual_seed(0)
    x = torch.randn(20_000, 10)
    learned, shown = parted(x, config, Specification.of(load("swiss-roll")))
    there, seen = ~learned.isnan(), shown.known
    assert not bool((there & seen).any())
    assert torch.equal(learned[there], x[there])
    assert torch.equal(shown.values[seen], x[seen])
    left_out = (~there & ~seen).float().mean(1)
    assert within_4_errors(left_out[:, None], 0.15)
    assert within_4_errors(seen.float().mean(1)[:, None], 0.375 * 0.85)
    none = (~seen.any(1)).double()  # shown nothing: 1/4, and of the others what the cells' chances leave
    assert none.mean().item() > 0.25


def test_training_goes_on_from_the_fit_and_stays_finite(pair: Dataset) -> None:
    training = begun(pair)
    before = training.model.evaluate(pair, steps=50, limit=64, draws=8).value
    for _ in training.run(pair):
        pass
    assert training.step == 4
    assert abs(training.model.evaluate(pair, steps=50, limit=64, draws=8).value - before) < 0.2


def test_a_resumed_run_is_not_fitted_again(pair: Dataset) -> None:
    training = begun(pair)
    list(training.run(pair))
    fitted = training.model.network.get_buffer("joint.law.center").clone()
    again = Training(with_steps(training.config, 6), training.specification)
    again.load(*training.state())
    list(again.run(pair.select(torch.arange(10))))
    assert torch.equal(again.model.network.get_buffer("joint.law.center"), fitted)


def test_a_model_returns_from_its_folder(model: Model, pair: Dataset, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    again = Model.from_pretrained(tmp_path / "m", device="cpu")
    assert again.specification == model.specification
    assert again.config == model.config
    assert torch.equal(again.sample(5, steps=3), model.sample(5, steps=3))
    assert from_json(Config, to_json(model.config)) == model.config


@pytest.mark.parametrize(
    ("text", "named"), [("a,b\n1.5,\n1.5,\n", "a, b"), ("a,b\n1.5,3\n1.5,3\n", "a, b"), ("a\nx\nx\n", "a")]
)
def test_a_column_without_two_values_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=f"needs two different values or more, got one or none in {named}; drop"):
        recipe(None, load(tmp_path / "a.csv"), "a")


def test_refusals(model: Model, pair: Dataset, digits: Dataset) -> None:
    for change, reason in (("missing", "for the columns of a product head"), ("shown", "shows what is known without")):
        other = model.config if change == "shown" else recipe("digits", digits, "digits")
        changed = override(other, [f"training.{change}=0.5", "training.steps=1"])
        with pytest.raises(ValueError, match=reason):
            Training(changed, model.specification if change == "shown" else Specification.of(digits))
    with pytest.raises(ValueError, match=r"training\.missing must be at least 0 and below 1, got 1\.0"):
        override(model.config, ["training.missing=1.0"])
    plain = Model.fresh(recipe("digits", digits, "digits"), Specification.of(digits))
    image = digits.batch(torch.tensor([0])).float()
    with pytest.raises(ValueError, match="condition needs a model that was trained to be shown what is known; use a"):
        plain.infer(image, torch.rand(image.shape) < 0.5, method="condition")
    with pytest.raises(ValueError, match="not trained to be shown what is known; train it with"):
        plain.denoiser(torch.zeros(1, 1, 8, 8), torch.ones(1).double(), None, torch.zeros(1, 1, 8, 8))
    with pytest.raises(TypeError, match="Gaussian process"):
        model.sample(2, steps=2, sampler="ddim")
