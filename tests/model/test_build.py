"""A network is laid out without memory first: what a machine cannot hold, or is another's, is refused in time."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from quasistatic.config import Config, Specification
from quasistatic.data import (
    AffineCodec,
    BitsCodec,
    Codec,
    Dataset,
    LevelsCodec,
    StatesCodec,
    SymbolsCodec,
    TableCodec,
)
from quasistatic.data.dataset import Held
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, NumberColumn
from quasistatic.data.table.column.bins import Bins
from quasistatic.denoiser.head import CategoricalHead, Head, LevelsHead, MixtureHead
from quasistatic.model import Model, build
from quasistatic.model.build import check_head, check_tensors, outline
from quasistatic.network import (
    ColumnsConfig,
    MLPConfig,
    MultiScaleConfig,
    NetworkConfig,
    RBFConfig,
    SigmoidMLPConfig,
    TransformerConfig,
    UNetConfig,
)
from quasistatic.objective import Hybrid
from quasistatic.process import MaskedProcess
from quasistatic.recipes import RECIPES, fitted, recipe
from quasistatic.runtime.device import memory
from quasistatic.schedule import Reciprocal
from quasistatic.training.loop import Training


@pytest.fixture
def folder(small: Config, digits: Dataset, tmp_path: Path) -> Path:
    Model.fresh(small, Specification.of(digits)).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("network", "shape", "states"),
    [
        (UNetConfig(channels=8, multipliers=(1, 2), head_width=8), (1, 8, 8), 0),
        (UNetConfig(channels=8, multipliers=(1, 2), patch=2), (1, 8, 8), 5),
        (MLPConfig(width=8, fourier=(1, 2)), (3,), 0),
        (TransformerConfig(width=32), (3,), 4),
        (TransformerConfig(width=32), (1, 8, 8), 0),
        (ColumnsConfig(width=8), (3,), (0, 4, 3)),
        (RBFConfig(), (2,), 0),
        (SigmoidMLPConfig(), (2,), 0),
        (MultiScaleConfig(dense=5), (1, 8, 8), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_outline_has_the_networks_layout(network: NetworkConfig, shape: tuple, states: int | tuple) -> None:
    with torch.device("meta"):
        blank = network.build(shape, 2, 0, states)
    made = network.build(shape, 2, 0, states)
    assert all(value.is_meta for value in blank.state_dict().values())
    for name, value in made.state_dict().items():
        other = blank.state_dict()[name]
        assert (other.shape, other.dtype) == (value.shape, value.dtype)
    assert set(made.state_dict()) == set(blank.state_dict())


def test_a_network_beyond_memory_is_refused_at_once(small: Config, digits: Dataset) -> None:
    huge = replace(small, network=UNetConfig(channels=2**16, multipliers=(1, 1024), attention=(), blocks=8))
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"weights need [\d,]+\.\d GiB of memory, and there are [\d,.]+ GiB; "):
        Model.fresh(huge, Specification.of(digits))
    assert time.monotonic() - started < 2


def test_a_network_beyond_64_bits_is_refused() -> None:
    config = replace(RECIPES["bits"]("x"), network=UNetConfig(channels=2**16, multipliers=(1,), attention=(), patch=64))
    images = Specification("x", (2**31, 64, 64), BitsCodec())
    with pytest.raises(ValueError, match=r"UNetConfig.* has weights beyond 64 bits; make it smaller"):
        outline(config, images)


def test_memory_is_what_the_machine_has() -> None:
    pages = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert memory() <= 1024 * int(pages.split()[1])


@pytest.mark.parametrize(
    ("field", "value"),
    [("channels", 64), ("channels", 65536), ("blocks", 100), ("multipliers", [1, 1024])],
)
def test_another_size_in_a_config_is_seen_before_memory_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["config"]["network"][field] = value
    (folder / "config.json").write_text(json.dumps(content))
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("memory was taken"))
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged or belongs to another config\.json: .* got "):
        Model.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop("stem.bias"), r"stem\.bias' should be 8 in float32, got absent"),
        (lambda tensors: tensors.update(extra=torch.zeros(2)), r"'extra' should be absent, got 2 in float32"),
        (lambda tensors: tensors.update({"stem.bias": torch.zeros(9)}), "should be 8 in float32, got 9 in float32"),
        (lambda tensors: tensors.update({"stem.bias": torch.zeros(8).half()}), "float32, got 8 in float16"),
    ],
)
def test_another_networks_weights_are_named(folder: Path, change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=sentence):
        Model.from_pretrained(folder)


def test_weights_in_memory_are_compared_too(small: Config, digits: Dataset, tmp_path: Path) -> None:
    specification = Specification.of(digits)
    tensors = Model.fresh(small, specification).network.state_dict()
    check_tensors(tmp_path, tensors, small, specification)
    with pytest.raises(ValueError, match=r"stem\.bias' should be"):
        check_tensors(tmp_path, tensors | {"stem.bias": torch.zeros(1)}, small, specification)


@pytest.mark.parametrize("name", ["text", "states", "bits", "heartbeat"])
def test_a_recipe_for_other_data_is_refused_by_name(digits: Dataset, name: str) -> None:
    config = recipe(name, digits, "digits")
    with pytest.raises(ValueError, match="does not move 17 levels from 0 to 16; choose a recipe for such data"):
        outline(config, Specification.of(digits))


@pytest.mark.parametrize(
    ("name", "shape", "codec", "sentence"),
    [
        ("points", (2,), StatesCodec(4), "GaussianProcess does not move 4 states without order"),
        ("text", (2,), BitsCodec(), "CategoricalProcess does not move bits"),
        ("text", (2,), StatesCodec(100), "CategoricalProcess does not move 100 states without order"),
        (
            "points",
            (3,),
            AffineCodec((0.0, 0.0), (1.0, 1.0)),
            "as many channels or columns as continuous",
        ),
    ],
)
def test_data_of_another_kind_are_refused(name: str, shape: tuple, codec: Codec, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        outline(RECIPES[name]("x"), Specification("x", shape, codec))


def test_a_network_of_columns_is_for_tables() -> None:
    two = Specification("x", (2,), AffineCodec((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(
        ValueError, match="and the network `columns` go together, got GaussianProcess, GaussianHead and Columns"
    ):
        outline(replace(RECIPES["points"]("x"), network=ColumnsConfig()), two)


ANIMALS = TableCodec(
    (
        NumberColumn("height", Bins.of(np.arange(40.0))),
        CategoryColumn("kind", ("cat", "hen", "cow")),
        BooleanColumn("wild"),
    )
)


@pytest.mark.parametrize(
    ("codec", "head", "sentence"),
    [
        (LevelsCodec(0, 255, 256), LevelsHead(64), "256 levels from 0 to 255, got head.levels=64; set head.levels=256"),
        (LevelsCodec(0, 16, 17), LevelsHead(33), "17 levels from 0 to 16, got head.levels=33; set head.levels=17"),
        (LevelsCodec(0, 16, 17), MixtureHead(33), "17 levels from 0 to 16, got head.levels=33; set head.levels=17"),
        (AffineCodec((0.0,), (1.0,)), MixtureHead(64), "is for data of levels, got continuous values"),
        (AffineCodec((0.0,), (1.0,)), LevelsHead(64), "is for data of levels, got continuous values"),
        (StatesCodec(5), CategoricalHead(4), "5 states without order, got head.states=4; set head.states=5"),
        (StatesCodec(5), CategoricalHead(6), "5 states without order, got head.states=6; set head.states=5"),
        (SymbolsCodec("abc"), CategoricalHead(4), "an alphabet of 3: 'abc', got head.states=4; set head.states=3"),
    ],
)
def test_a_head_of_other_values_than_the_datas_is_refused(codec: Codec, head: Head, sentence: str) -> None:
    """Otherwise a value has probability 0, and the loss is infinite."""
    config = replace(RECIPES["images"]("x"), head=head)
    with pytest.raises(ValueError, match=sentence):
        check_head(config, Specification("x", (1,), codec))


def test_the_bins_of_a_table_are_those_of_its_process() -> None:
    table = Dataset("x", Held(torch.zeros(2, 3, dtype=torch.float64)), ANIMALS, "")
    fitting, specification = fitted(RECIPES["table"]("x"), table), Specification("x", (3,), ANIMALS)
    outline(fitting, specification)
    other = replace(fitting, process=MaskedProcess(Reciprocal(), (7, 3, 2)))
    with pytest.raises(ValueError, match="MaskedProcess does not move a table of height, kind, wild"):
        outline(other, specification)
    with pytest.raises(ValueError, match="and the network `cells` go together, got MaskedProcess, Cat"):
        outline(replace(fitting, head=CategoricalHead(2)), specification)


def test_training_refuses_other_levels_at_the_start(small: Config, digits: Dataset) -> None:
    with pytest.raises(ValueError, match=r"got head\.levels=256; set head\.levels=17"):
        Training(replace(small, head=LevelsHead(256)), Specification.of(digits))


def test_the_hybrid_objective_is_for_gaussian_heads(small: Config, digits: Dataset) -> None:
    with pytest.raises(ValueError, match="hybrid objective needs a Gaussian head, got LevelsHead; choose bound or"):
        outline(replace(small, objective=Hybrid()), Specification.of(digits))
