"""ONNX files give the network's output to 1e-5, for any batch, and samples without torch.

The tests run where the extra ``onnx`` is installed.
"""

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.denoiser.head import GaussianHead, ProductHead
from quasistatic.model import Model
from quasistatic.network import ColumnsConfig, Network, NetworkConfig
from quasistatic.process import GaussianProcess, Part, ProductProcess
from quasistatic.recipes import RECIPES, fitted
from quasistatic.schedule import Cosine, Linear

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_sampling.py"
TABLE = pd.DataFrame({"height": np.linspace(1, 2, 60) + np.arange(60) % 7, "sex": ["a", "b", "a"] * 20})
SMALL = ["network.channels=8", "network.multipliers=1,2", "network.blocks=1", "network.head_width=8"]
MLP = ["network.width=8", "network.depth=1"]
WORDS = ["network.width=32", "network.depth=1"]
CASES = {
    "unet": ("digits", "digits", SMALL),
    "unet with labels": ("digits", "digits", [*SMALL, "data.conditional=true"]),
    "mlp": ("swiss-roll", "points", [*MLP, "network.fourier=0,1"]),
    "mlp of bits": ("heartbeat", "heartbeat", MLP),
    "sigmoid-mlp": ("heartbeat", "heartbeat", ["network=sigmoid-mlp", "network.width=8"]),
    "rbf": ("swiss-roll", "points", ["network=rbf", "head=step", "head.steps=40"]),
    "multi-scale": ("digits", "digits", ["network=multi-scale", "head=gaussian"]),
    "transformer": (
        "text",
        "text",
        ["network=transformer", *WORDS, "process.schedule=reciprocal", "objective=bound"],
    ),
    "causal": ("text", "text", [*WORDS, "network.context=0"]),
}
"""Network → data, recipe and changes."""
TABLES = {"cells": ("table", "table", MLP)}


def data_of(name: str) -> Dataset:
    if name == "table":
        return qs.load(TABLE)
    if name == "text":
        return qs.load(np.random.default_rng(0).integers(0, 5, (40, 12)), states=5)
    return qs.load(name, limit=200)


def awake(name: str) -> Model:
    """A model whose weights are all random."""
    source, recipe, changes = (CASES | TABLES)[name]
    data = data_of(source)
    config = qs.override(fitted(RECIPES[recipe](source), data), changes)
    model = Model.fresh(config, Specification.of(data))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return model


def columns() -> Model:
    """A model of points of two columns, each with a schedule of its own."""
    base, head = awake("mlp"), GaussianHead("velocity", "learned")
    parts = tuple(Part(GaussianProcess(schedule), (place,)) for place, schedule in enumerate((Cosine(), Linear())))
    network = ColumnsConfig(width=8, depth=1)
    config = replace(base.config, process=ProductProcess(parts), head=ProductHead((head, head)), network=network)
    model = Model.fresh(config, base.specification)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(0))
    return model


def runtime() -> ModuleType:
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    return pytest.importorskip("onnxruntime")


def inputs(model: Model, count: int, seed: int) -> dict[str, Tensor]:
    """States of noise at random times, and labels."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.rand(count, dtype=torch.float64, generator=generator) * 0.98 + 0.01
    x_t = model.config.process.prior(torch.zeros(count, *model.specification.shape)).sample(generator)
    given = {"x_t": model.config.head.view(x_t, t, model.config.process), "t": t}
    if model.config.data.conditional:
        given["label"] = torch.randint(0, 11, (count,), generator=generator)
    return given


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, "columns"])
def test_the_runtime_gives_the_networks_output(name: str, tmp_path: Path) -> None:
    session_of, model = runtime().InferenceSession, columns() if name == "columns" else awake(name)
    model.export_onnx(tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    for count in (1, 5):
        given = inputs(model, count, seed=count)
        with torch.inference_mode():
            expected = model.network(*given.values())
        (output,) = session.run(["output"], {key: value.numpy() for key, value in given.items()})
        assert output.shape == tuple(expected.shape)
        assert np.abs(output - expected.numpy()).max() <= 1e-5 * max(1.0, expected.abs().max().item())
    about = json.loads(session.get_modelmeta().custom_metadata_map["quasistatic"])
    assert about["data"]["shape"] == list(model.specification.shape)


@pytest.mark.slow
def test_samples_without_torch_are_ours(tmp_path: Path, command: Any) -> None:
    runtime()
    model = awake("mlp")
    model.save_pretrained(tmp_path / "run")
    assert command("export", tmp_path / "run", "--out", tmp_path / "model.onnx") == 0
    words = [tmp_path / "model.onnx", "--out", tmp_path / "drawn.npy", "-n", 20, "--steps", 12, "--seed", 7]
    code = f"import sys, runpy; sys.argv = {[str(EXAMPLE), *map(str, words)]}; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__'); assert not {'torch', 'quasistatic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    ours = model.sample(20, steps=12, sampler="ddim", seed=7).numpy()
    assert (
        np.abs(np.load(tmp_path / "drawn.npy") - ours).max() <= 1e-4 * np.abs(ours).max()
    )  # 12 roundings of the network


def test_the_examples_noise_is_ours() -> None:
    pytest.importorskip("onnxruntime")
    place = importlib.util.spec_from_file_location("onnx_sampling", EXAMPLE)
    assert place is not None
    assert place.loader is not None
    example = importlib.util.module_from_spec(place)
    place.loader.exec_module(example)
    from quasistatic.streams import Streams

    for seed in (0, 5, -3):
        ours = Streams(seed, 0, 6).normal(torch.zeros(6, 2, 3)).numpy()
        np.testing.assert_allclose(example.noise(seed, 6, (2, 3)), ours, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_other_models_than_the_examples_are_refused(tmp_path: Path) -> None:
    runtime()
    awake("sigmoid-mlp").export_onnx(tmp_path / "model.onnx")
    words = [sys.executable, EXAMPLE, tmp_path / "model.onnx"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "this example samples continuous values, got bernoulli, bernoulli, bits" in done.stderr


def test_tables_are_refused_by_what_onnx_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the network cells has an operation that ONNX does not: the Cholesky factor"):
        awake("cells").export_onnx(tmp_path / "model.onnx")


@dataclass(frozen=True)
class Odd(NetworkConfig):
    """A network with an operation that ONNX does not have."""

    def build(self, shape: Any, outputs: int = 1, classes: int = 0, states: Any = 0) -> Network:
        return Eigen(outputs)


class Eigen(Network):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(2))
        self.outputs = outputs

    def forward(self, x_t: Any, t: Any, label: Any = None) -> Any:
        turned = x_t @ torch.linalg.qr(self.weight)[0]
        return turned[:, None].expand(-1, self.outputs, -1)


@pytest.mark.slow
def test_an_operation_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    runtime()
    base = awake("mlp")
    model = Model(replace(base.config, network=Odd()), base.specification, Odd().build((2,), 2))
    with pytest.raises(ValueError, match=r"the network Odd has an operation that ONNX does not: .*; choose"):
        model.export_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_bad_requests_are_one_sentence(model: Model, small: Config, tmp_path: Path, monkeypatch: Any) -> None:
    for place in ("model.bin", "no/model.onnx"):
        with pytest.raises(ValueError, match=r"an ONNX file ends in \.onnx, in a folder that exists, got"):
            model.export_onnx(tmp_path / place)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"there is no onnx; run `pip install 'quasistatic\[onnx\]'`"):
        model.export_onnx(tmp_path / "model.onnx")
    monkeypatch.setattr("quasistatic.model.formats.onnx.LARGEST", 10)
    with pytest.raises(ValueError, match="holds weights of at most 1 GiB"):
        model.export_onnx(tmp_path / "model.onnx")


def test_a_pipeline_is_exported_by_the_command(run: Path, tmp_path: Path, command: Any, capfd: Any) -> None:
    assert command("export", run, "--out", f"{tmp_path}/pipeline/") == 2
    assert "error: " in capfd.readouterr().err
