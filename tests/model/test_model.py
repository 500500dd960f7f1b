"""A model's folder is enough for its verbs, in raw units; what does not fit is refused in one sentence."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.stats import norm

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset, from_tensor
from quasistatic.model import Model
from quasistatic.model.evaluate import bound
from quasistatic.model.evaluate.examples import EvaluateOptions


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    return copy


def test_a_saved_model_is_the_same_model(model: Model, digits: Dataset, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path, device="cpu")
    assert (again.config, again.specification) == (model.config, model.specification)
    assert torch.equal(again.sample(2, steps=3), model.sample(2, steps=3))
    assert {file.name for file in tmp_path.iterdir()} == {"model.safetensors", "config.json"}


def test_samples_are_raw_values(model: Model) -> None:
    raw = model.sample(5, steps=4)
    assert raw.shape == (5, 1, 8, 8)
    assert raw.dtype == torch.uint8
    assert raw.max() <= 16


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_a_sample_does_not_depend_on_its_batch(model: Model, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = model.sample(5, steps=4, seed=3, sampler=sampler)
    monkeypatch.setattr(Model, "batch_size", lambda self: 2)
    assert torch.equal(model.sample(5, steps=4, seed=3, sampler=sampler), together)
    assert torch.equal(model.sample(2, steps=4, seed=3, sampler=sampler, first=3), together[3:])
    assert not torch.equal(model.sample(5, steps=4, seed=4, sampler=sampler), together)


@pytest.mark.parametrize("method", ["bound", "importance"])
def test_bfloat16_weights_score_and_sample_as_float32_does(run: Path, digits: Dataset, method: str) -> None:
    exact, half = (Model.from_pretrained(run, "cpu").to(dtype=dtype) for dtype in (None, torch.bfloat16))
    assert {p.dtype for p in half.network.parameters()} == {torch.bfloat16}
    scores = [each.evaluate(digits, method=method, draws=2, limit=32, steps=20) for each in (exact, half)]
    assert scores[1].value == pytest.approx(scores[0].value, abs=0.005)
    assert scores[1].value != scores[0].value
    drawn = [each.sample(16, steps=10, sampler="ddim").float() for each in (exact, half)]
    assert (drawn[1] - drawn[0]).abs().mean() < 0.1  # of 17 levels


def test_watching_counts_to_the_end(model: Model) -> None:
    seen: list[tuple[int, int]] = []
    model.sample(3, steps=4, watch=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 12), (6, 12), (9, 12), (12, 12)]


def test_a_trajectory_ends_in_the_sample(model: Model) -> None:
    frames = model.trajectory(2, steps=6, frames=4, seed=5)
    assert frames.shape == (4, 2, 1, 8, 8)
    assert torch.equal(model.specification.codec.decode(frames[-1]), model.sample(2, steps=6, seed=5))


def test_known_values_come_back(model: Model, digits: Dataset) -> None:
    observed = digits.batch(torch.arange(3)).float()
    known = torch.rand(observed.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    hidden = torch.where(known, observed, torch.nan)
    draws = model.infer(hidden, known, draws=4, steps=4)
    assert draws.shape == (3, 4, 1, 8, 8)
    spread = known[:, None].expand_as(draws)
    assert torch.equal(draws[spread].float(), observed[:, None].expand_as(draws)[spread])
    assert not torch.equal(draws[:, 0], draws[:, 1])


def test_scores_add_up(model: Model, digits: Dataset) -> None:
    score = model.evaluate(model.held_out(digits), steps=20, draws=None, limit=12)
    assert (score.examples, score.dimensions, score.unit) == (12, 64, "bits/dim")
    assert score.network_evaluations == 12 * 20
    assert sum(score.terms.values()) == pytest.approx(score.value)
    assert score.nats_per_example == pytest.approx(-score.value * 64 * 0.6931471805599453)
    assert score.value > 0


def test_the_null_model_is_a_rounded_normal(model: Model, digits: Dataset) -> None:
    """L_null by scipy: the mass of N(0, 1) on the bins of the 17 levels, the outer ones open."""
    raw = model.held_out(digits).select(torch.arange(12)).batch(torch.arange(12)).numpy().astype(int)
    edges = np.concatenate([[-np.inf], (np.arange(16) + 0.5) / 8 - 1, [np.inf]])
    mass = norm.cdf(edges[raw + 1]) - norm.cdf(edges[raw])
    null = model.evaluate(model.held_out(digits).select(torch.arange(12)), steps=2, draws=1).null["value"]
    assert null == pytest.approx(-np.log2(mass).mean(), rel=1e-5)


def test_looking_at_some_steps_is_not_biased(model: Model, digits: Dataset) -> None:
    """Eight strata against all 40 steps, within 4 standard errors of their difference."""
    data = model.held_out(digits)
    some, _ = bound(model, data, EvaluateOptions(steps=40, draws=8, limit=60))
    everything, _ = bound(model, data, EvaluateOptions(steps=40, draws=None, limit=60, seed=1))
    gap = some.value - everything.value
    assert abs(gap.mean().item()) < 4 * gap.std().item() / len(gap) ** 0.5


def test_training_data_are_not_scored(model: Model, digits: Dataset) -> None:
    unseen = model.held_out(digits)
    assert len(unseen) == 360
    assert unseen.fingerprint == digits.split(360, 0)[1].fingerprint
    other = digits.select(torch.arange(20))
    assert model.held_out(other) is other


def test_continuous_data_are_scored_as_a_density_of_raw_units(small: Config) -> None:
    """Data in other units: the score moves by the log of the scale, and nothing else does."""
    from quasistatic.recipes import points

    raw = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    scores = []
    for scale in (1.0, 8.0):
        data = from_tensor("points", raw * scale)
        scores.append(Model.fresh(points("points"), Specification.of(data)).evaluate(data, steps=5, draws=None))
    assert scores[1].value - scores[0].value == pytest.approx(3.0, abs=1e-4)
    assert scores[1].null["value"] - scores[0].null["value"] == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"a model's folder holds .* without {missing}"):
        Model.from_pretrained(folder)


def test_damaged_weights_are_named(folder: Path, small: Config, model: Model) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        Model.from_pretrained(folder)


def test_a_damaged_description_is_named(folder: Path) -> None:
    for text in ("{", "[]", '{"weights": 1}'):
        (folder / "config.json").write_text(text)
        with pytest.raises(ValueError, match=r"config\.json should describe a quasistatic model"):
            Model.from_pretrained(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    content |= {"format": 99, "versions": {"quasistatic": "7.0"}}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"has format 99 and this version reads up to 2; update .* made with 7\.0"):
        Model.from_pretrained(folder)


def test_nothing_is_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert Model.from_pretrained(folder, device="cpu").sample(1, steps=2).shape == (1, 1, 8, 8)


def test_refusals(model: Model, digits: Dataset) -> None:
    observed = digits.batch(torch.arange(2))
    known = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    known[..., :4] = True
    with pytest.raises(ValueError, match="n of at least 1, got 0"):
        model.sample(0)
    with pytest.raises(ValueError, match="at least one step"):
        model.sample(1, steps=0)
    with pytest.raises(ValueError, match=r"the sampler is one of ancestral, ddim, .*, got 'euler'"):
        model.sample(1, sampler="euler")
    with pytest.raises(ValueError, match="knows 0 classes, got label 3"):
        model.sample(1, label=3)
    with pytest.raises(ValueError, match="got everything known"):
        model.infer(observed, torch.ones_like(known))
    with pytest.raises(ValueError, match="got nothing known"):
        model.infer(observed, torch.zeros_like(known))
    with pytest.raises(ValueError, match="got observations of 1×8×4"):
        model.infer(observed[..., :4], known[..., :4])
    with pytest.raises(ValueError, match="one draw or more"):
        model.infer(observed, known, draws=0)
    with pytest.raises(ValueError, match="method of inference"):
        model.infer(observed, known, method="magic")
    with pytest.raises(ValueError, match="method of evaluation"):
        model.evaluate(digits, method="magic")
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    wide = from_tensor("wide", ramp.expand(2, 3, 8, 8).repeat(1, 1, 2, 1))
    with pytest.raises(ValueError, match=r"made for examples of 1×8×8 .* got wide of 3×16×8"):
        model.evaluate(wide)
    bright = from_tensor("bright", ramp + 190)
    with pytest.raises(ValueError, match="17 levels from 0 to 16, got the value 190"):
        model.evaluate(bright)


def test_a_score_that_is_no_number_is_a_failure(small: Config, digits: Dataset) -> None:
    broken = Model.fresh(small, Specification.of(digits))
    with torch.no_grad():
        next(broken.network.parameters()).fill_(math.nan)
    for method in ("bound", "importance"):
        with pytest.raises(FloatingPointError, match="the model's guesses are not finite numbers"):
            broken.evaluate(digits, method=method, steps=3, limit=3)


def test_samples_and_completions_of_no_numbers_are_a_failure(small: Config, digits: Dataset) -> None:
    broken = Model.fresh(small, Specification.of(digits))
    with torch.no_grad():
        for weights in broken.network.parameters():
            weights.fill_(1e30)
    with pytest.raises(FloatingPointError, match="the model's guesses are not finite numbers"):
        broken.sample(2, steps=2)
    known = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    known[..., :4] = False
    with pytest.raises(FloatingPointError, match="the model's guesses are not finite numbers"):
        broken.infer(digits.batch(torch.arange(2)), known, steps=2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_of_no_numbers_are_refused(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] = value
    with safe_open(folder / "model.safetensors", "pt") as file:
        save_file(weights, folder / "model.safetensors", file.metadata())
    with pytest.raises(ValueError, match=r"model.safetensors should hold finite numbers, got NaN or infinite ones in"):
        Model.from_pretrained(folder)
