"""Conditional scores: the chain rule for exact guesses, closed forms, and what cannot be given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles import within_4_errors
from quasistatic.config import Specification, override
from quasistatic.data import Dataset, from_tensor
from quasistatic.data.contents import DataOptions
from quasistatic.data.table.read import table_of
from quasistatic.distribution import Normal
from quasistatic.model import Model
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.evaluate.given import score_given
from quasistatic.recipes import recipe

RHO = 0.8


def untrained(dataset: Dataset, name: str | None = None, *changes: str) -> Model:
    config = override(recipe(name, dataset, dataset.name), ["training.steps=1", *changes])
    return Model.fresh(config, Specification.of(dataset))


@pytest.fixture(scope="module")
def table() -> Dataset:
    import pyarrow

    rng = np.random.default_rng(0)
    cells = {"a": rng.integers(0, 3, 300), "b": rng.integers(0, 4, 300), "c": list(rng.choice(list("xyz"), 300))}
    return table_of("cells", pyarrow.table(cells)).dataset(DataOptions())


def test_independent_columns_obey_the_chain_rule(table: Dataset) -> None:
    """An untrained network says the same whatever it sees: bits of the hidden columns, and no chain gap."""
    model = untrained(table)
    options = EvaluateOptions(draws=16, steps=64)
    whole = model.evaluate(table, draws=16, steps=64)
    part = score_given(model, table, replace(options, given="a, c"))
    rest = score_given(model, table, replace(options, given="b"))
    assert (part.dimensions, rest.dimensions) == (1, 2)
    total = part.bits_per_example + rest.bits_per_example
    assert abs(total - whole.bits_per_example) < 4 * (3 * whole.standard_error)
    assert abs(part.chain_gap["value"]) < 4 * part.chain_gap["standard_error"] + 1e-9
    even = np.log2(model.specification.codec.bins[1])  # type: ignore[attr-defined]
    assert abs(part.bits_per_example - even) < 4 * part.standard_error


def test_a_pair_of_normals_is_scored_by_its_conditional_density(monkeypatch: pytest.MonkeyPatch) -> None:
    """log p(second | first) of unit normals: the mean is −½ log(2πe (1 − ρ²)), at any number of exact steps' limit."""
    torch.manual_seed(0)
    first = torch.randn(2000, 1)
    values = torch.cat([first, RHO * first + (1 - RHO**2) ** 0.5 * torch.randn(2000, 1)], 1)
    data = from_tensor("pairs", values)
    data = replace(data, codec=replace(data.codec, center=(0.0, 0.0), scale=(1.0, 1.0)))  # type: ignore[type-var]
    model = untrained(data, "points", "training.shown=0.5")
    process = model.config.process

    def exact(x_t, t, label=None, observed=None):  # type: ignore[no-untyped-def]
        kept = process.schedule.alpha_bar(t)[:, None]
        mean, left = (0.0, 1.0) if observed is None else (RHO * observed[:, :1].double(), 1 - RHO**2)
        spread = kept * left + 1 - kept
        middle = mean + kept.sqrt() * left / spread * (x_t.double() - kept.sqrt() * mean)
        return Normal(middle, (left * (1 - kept) / spread).sqrt().expand_as(middle))

    monkeypatch.setattr(type(model.denoiser), "__call__", lambda self, *words: exact(*words))
    monkeypatch.setattr("quasistatic.model.evaluate.given.known_part", lambda *words: torch.tensor([True, False]))
    found = score_given(model, data, EvaluateOptions(steps=200, draws=None, given="first"))
    mean, std = RHO * values[:, 0].double(), (1 - RHO**2) ** 0.5
    truth = torch.distributions.Normal(mean, std).log_prob(values[:, 1].double())
    assert found.dimensions == 1
    assert found.chain_gap == {}
    assert within_4_errors(found.log_likelihoods - truth, 0.0)


def test_a_mask_file_says_what_is_known_of_images(tmp_path: Path, digits: Dataset) -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[4:] = True
    np.save(tmp_path / "half.npy", mask)
    model, few = untrained(digits, None, "training.shown=0.5"), digits.select(torch.arange(5))
    found = model.evaluate(few, draws=2, given=str(tmp_path / "half.npy"))
    assert found.dimensions == 32
    assert found.examples == 5
    np.save(tmp_path / "all.npy", ~mask & mask)
    with pytest.raises(ValueError, match="got everything given"):
        model.evaluate(few, given=str(tmp_path / "all.npy"))


def test_what_cannot_be_given_is_refused(table: Dataset, digits: Dataset, tmp_path: Path) -> None:
    model = untrained(table)
    with pytest.raises(ValueError, match=r"columns of the table \(a, b, c\), got 'd'"):
        model.evaluate(table, given="a,d")
    with pytest.raises(ValueError, match="got everything given"):
        model.evaluate(table, given="a,b,c")
    with pytest.raises(ValueError, match="a known part is for the bound, got method ordered"):
        model.evaluate(table, method="ordered", given="a")
    with pytest.raises(ValueError, match="a target error is for whole examples"):
        model.evaluate(table, target_error=0.1, given="a")
    with pytest.raises(ValueError, match="trained to be shown what is known"):
        untrained(digits).evaluate(digits.select(torch.arange(3)), given="half.npy")
    shown = untrained(digits, None, "training.shown=0.5")
    with pytest.raises(ValueError, match="own variance and last step"):
        shown.evaluate(digits.select(torch.arange(3)), given="half.npy", variance="small")
    with pytest.raises(FileNotFoundError, match="no mask file"):
        shown.evaluate(digits.select(torch.arange(3)), given=str(tmp_path / "none.npy"))
