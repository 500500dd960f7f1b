"""Scores of single cells: bits of the histogram's own bin, and the share of bins that are no more probable."""

import math

import pytest
import torch

from quasistatic.config import Specification, override
from quasistatic.data import Dataset, load
from quasistatic.model import Model
from quasistatic.model.evaluate.cells import cell_scores
from quasistatic.recipes import recipe


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    lines = ["kind,size"] + [f"{'abc'[n % 3]},{n / 7:.3f}" for n in range(60)] + ["a,"]
    path = tmp_path_factory.mktemp("cells") / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return load(path)


@pytest.fixture
def model(table: Dataset) -> Model:
    config = override(recipe(None, table, "t"), ["network.width=8", "network.depth=1"])
    return Model.fresh(config, Specification.of(table))


def test_an_untrained_model_finds_all_bins_alike(model: Model, table: Dataset) -> None:
    found = cell_scores(model, table)
    codec = model.specification.codec
    slope = codec.log_jacobian(codec.encode(table.batch(torch.arange(61))))[:, 1] / math.log(2)
    torch.testing.assert_close(found.bits[:, 0].float(), torch.full((61,), math.log2(3)))
    ranges = model.config.process.bins[1]  # type: ignore[attr-defined]
    wanted = (math.log2(ranges) - slope[:60]).float()
    torch.testing.assert_close(found.bits[:60, 1].float(), wanted)
    torch.testing.assert_close(found.chances[:60], torch.ones(60, 2))
    assert found.bits[60].isnan().tolist() == found.chances[60].isnan().tolist() == [False, True]
    assert found.strange == [""] * 61


def test_a_rare_cell_is_strange_by_its_chance(model: Model, table: Dataset) -> None:
    with torch.no_grad():
        model.network.get_parameter("bias")[:3] = torch.tensor([0.0, 0.0, -9.0])
    found = cell_scores(model, table)
    rare = math.exp(-9) / (2 + math.exp(-9))
    assert found.chances[2, 0].item() == pytest.approx(rare, rel=1e-3)
    assert found.bits[2, 0].item() == pytest.approx(-math.log2(rare), rel=1e-4)
    assert found.strange == ["kind" if n < 60 and n % 3 == 2 else "" for n in range(61)]


def test_cells_are_those_of_a_table(digits: Dataset) -> None:
    plain = Model.fresh(recipe("digits", digits, "digits"), Specification.of(digits))
    with pytest.raises(ValueError, match="cells are scored in a table, got a model of"):
        cell_scores(plain, digits)
