"""Simple models beside a model, for every kind of data: the same examples, the same unit, the right training part."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.mixture  # noqa: F401 (imported here, so that no test is timed by it)
import torch

from quasistatic.config import Specification
from quasistatic.data import Dataset, from_tensor, load
from quasistatic.evaluation.baselines.ngram import ngrams
from quasistatic.model import Model, baselines, evaluate
from quasistatic.network import MLPConfig, TransformerConfig
from quasistatic.recipes import recipe


def untrained(dataset: Dataset) -> Model:
    """A model of ``dataset`` as its recipe makes it, but small."""
    config = recipe(None, dataset, "here")
    small = {
        MLPConfig: MLPConfig(width=8, depth=1),
        TransformerConfig: TransformerConfig(width=16, depth=1, head_width=8),
    }
    network = small.get(type(config.network), config.network)
    return Model.fresh(replace(config, network=network), Specification.of(dataset))


def normal(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_densities_are_in_raw_units() -> None:
    """N(0, diag(1, 100²)): ½ log2(2πe) + ½ log2 100 bits/dim, whatever units the states have."""
    data = from_tensor("clouds", normal(4000) * torch.tensor([1.0, 100.0]))
    model = untrained(data)
    found = baselines.baselines(model, model.held_out(data), data)
    assert list(found) == ["Gaussian", "Gaussian mixture"]
    truth = 0.5 * math.log2(2 * math.pi * math.e) + 0.5 * math.log2(100)
    assert abs(found["Gaussian"].value - truth) < 4 * found["Gaussian"].standard_error
    score, _ = evaluate.evaluate_with_detail(model, model.held_out(data), options=evaluate.EvaluateOptions(steps=4))
    assert found["Gaussian"].log_likelihoods is not None
    assert found["Gaussian"].log_likelihoods.shape == score.log_likelihoods.shape == score.null_log_likelihoods.shape


def test_what_was_held_out_is_not_learned_from() -> None:
    """The rows that the split holds out lie far off: a Gaussian that had learned from them would not mind."""
    seen = from_tensor("near", normal(100))
    model = untrained(seen)
    held_out, seed = model.config.data.held_out, model.config.seed
    far = torch.zeros(100, 1, dtype=torch.float64)
    far[[int(row) for row in seen.split(held_out, seed)[1].ids]] = 100
    data = from_tensor("far", normal(100) + far)
    model = untrained(data)
    assert model.learned(data).ids == seen.split(held_out, seed)[0].ids
    assert baselines.baselines(model, model.held_out(data), data)["Gaussian"].value > 1000


def test_levels_are_scored_by_mass(digits: Dataset, model: Model) -> None:
    found = baselines.baselines(model, model.held_out(digits), digits)
    assert list(found) == ["independent histogram", "Gaussian", "Gaussian mixture"]
    assert found["independent histogram"].value == pytest.approx(2.42, abs=0.02)  # the demo's own table
    assert 2.42 < found["Gaussian mixture"].value <= found["Gaussian"].value
    shifted = from_tensor("shifted", 3 + 2 * digits.batch(torch.arange(len(digits))).int())
    config = replace(model.config, data=replace(model.config.data, held_out=360))
    other = Model.fresh(config, Specification.of(shifted))
    same = baselines.baselines(other, other.held_out(shifted), shifted)
    assert same["independent histogram"].value == pytest.approx(found["independent histogram"].value)


def test_bits_in_a_row_have_n_grams() -> None:
    """Heartbeats: log2 5 bits a sequence is all that there is to know once five symbols have been seen."""
    data = load("heartbeat")
    model = untrained(data)
    found = baselines.baselines(model, model.held_out(data), data)
    assert list(found) == [
        "independent histogram", "Gaussian", "Gaussian mixture", "unigram", "trigram", "6-gram"
    ]  # fmt: skip
    assert found["6-gram"].value == pytest.approx(math.log2(5) / 20, abs=1e-4)
    assert found["independent histogram"].value == pytest.approx(-0.2 * math.log2(0.2) - 0.8 * math.log2(0.8), abs=5e-3)


def test_states_without_order_have_no_gaussian(tmp_path: Path) -> None:
    rows = np.arange(400).reshape(-1, 1) % 4 + np.arange(6)
    np.save(tmp_path / "cycle.npy", rows % 4)
    data = load(tmp_path / "cycle.npy", states=4)
    model = untrained(data)
    found = baselines.baselines(model, model.held_out(data), data)
    assert list(found) == ["independent histogram", "unigram", "trigram", "6-gram"]
    assert found["independent histogram"].value == pytest.approx(2, abs=0.05)
    assert found["trigram"].value == pytest.approx(2 / 6, abs=0.05)


def test_text_is_scored_in_pieces_and_by_a_compressor(tmp_path: Path) -> None:
    (tmp_path / "fox.txt").write_text("the quick brown fox jumps over the lazy dog " * 40)
    data = load(tmp_path / "fox.txt", length=16)
    model = untrained(data)
    unseen = model.held_out(data)
    found = baselines.baselines(model, unseen, data)
    assert list(found) == ["unigram", "trigram", "6-gram", "xz -9"]
    assert found["6-gram"].value < found["trigram"].value < found["unigram"].value
    assert found["xz -9"].log_likelihoods is None
    assert found["xz -9"].value < 1
    encode = model.specification.codec.encode
    known, asked = (encode(part.batch(torch.arange(len(part)))) for part in (model.learned(data), unseen))
    trigram = found["trigram"].log_likelihoods
    assert trigram is not None
    assert torch.equal(trigram, ngrams(known, asked, data.codec.states, [3])[3])


def test_other_data_are_refused(digits: Dataset, model: Model) -> None:
    other = digits.select(torch.arange(100))
    with pytest.raises(
        ValueError, match=r"part of digits \(1797 examples\), got digits \(100 examples\), which differs"
    ):
        baselines.baselines(model, other, other)
    with pytest.raises(ValueError, match="made for examples of 1×8×8"):
        baselines.baselines(model, from_tensor("rows", normal(3)), digits)
    with pytest.raises(ValueError, match="should hold 17 levels from 0 to 16, got the value 99"):
        baselines.baselines(model, from_tensor("odd", torch.full((2, 1, 8, 8), 99)), digits)
