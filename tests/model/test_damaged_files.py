"""Any value of a model's JSON files, replaced by what does not belong there, is one sentence that names the file."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from quasistatic.config import Specification, override
from quasistatic.data import Dataset, LevelsCodec, from_tensor
from quasistatic.denoiser.head import GaussianHead
from quasistatic.model import Model
from quasistatic.model.folder import describe, read_description
from quasistatic.model.measured import PLAN, VARIANCE
from quasistatic.model.plan import plan_paths
from quasistatic.network import UNetConfig
from quasistatic.recipes import RECIPES, fitted
from quasistatic.training import checkpoint
from quasistatic.training.loop import Training

WRONG: tuple[Any, ...] = (
    None,
    True,
    math.nan,
    math.inf,
    10**30,
    -1,
    0,
    2.5,
    "x",
    [],
    {},
    [1],
    [[[[1]]]],
    [math.nan] * 3,
)


def places(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a JSON tree; of a list the first two."""
    if path:
        yield path
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from places(part, (*path, name))
    elif isinstance(tree, list):
        for number, part in enumerate(tree[:2]):
            yield from places(part, (*path, number))


def variants(tree: Any) -> Iterator[Any]:
    """The tree with each of its places replaced by each wrong value, or left out."""
    for path in places(tree):
        for wrong in (*WRONG, ...):
            other = deepcopy(tree)
            node = other
            for step in path[:-1]:
                node = node[step]
            if wrong is ...:
                del node[path[-1]]
            else:
                node[path[-1]] = wrong
            yield other


def texts(folder: Path, name: str) -> Iterator[str]:
    """Files that are no JSON at all, or too deep or too long for it."""
    whole = (folder / name).read_text()
    yield from ("", "[]", "3", "null", "{", "\ufeff{}", whole[: len(whole) // 2], "[" * 10**5, '{"a":' * 10**5)
    yield '{"format": ' + "9" * 5000 + "}"


def refusals(path: Path, read: Callable[[], object], tree: Any = None, every: int = 1, other: str = "\0") -> int:
    """Read every n-th variant of the file at ``path``: what is refused is a ValueError of one line that names the file.

    A sentence that begins with ``other`` need not name it.
    """
    whole, refused = path.read_bytes(), 0
    content = tree or json.loads(whole)
    made = [*(json.dumps(variant) for variant in islice(variants(content), 0, None, every))]
    for text in (*made, *texts(path.parent, path.name)):
        path.write_text(text, encoding="utf-8")
        error = raised(read)
        if error is not None:
            refused += 1
            assert isinstance(error, ValueError), (text[:3000], error)
            assert str(path.parent) in str(error) or str(error).startswith(other), (text[:3000], error)
            assert len(str(error)) < 1200, error
            assert "\n" not in str(error), error
    path.write_bytes(whole)
    return refused


def raised(read: Callable[[], object]) -> Exception | None:
    try:
        read()
    except Exception as error:
        return error
    return None


def saved(name: str, dataset: Dataset, folder: Path) -> Path:
    config = fitted(override(RECIPES[name](dataset.name), ["training.steps=2"]), dataset)
    folder.mkdir()
    (folder / "config.json").write_text(describe(config, Specification.of(dataset)))
    return folder


@pytest.mark.parametrize("name", ["digits", "points", "rates"])
def test_a_damaged_config_is_refused(name: str, digits: Dataset, tmp_path: Path) -> None:
    rows = from_tensor("rows", torch.randn(40, 2))
    folder = saved(name, digits if name == "digits" else rows, tmp_path / "run")
    path = folder / "config.json"
    tree = json.loads(path.read_text())
    for part in ("versions", "step"):
        tree.pop(part, None)
    assert refusals(path, lambda: read_description(path), tree, every=7) > 40


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "points", "rates", "mnist", "bits", "text"])
def test_every_damaged_config_is_refused(name: str, digits: Dataset, tmp_path: Path) -> None:
    rows = from_tensor("rows", torch.randn(40, 2))
    path = saved(name, rows if name in ("points", "rates") else digits, tmp_path / "run") / "config.json"
    assert refusals(path, lambda: read_description(path)) > 300


def test_a_sentence_names_file_and_field(digits: Dataset, tmp_path: Path) -> None:
    path = saved("digits", digits, tmp_path / "run") / "config.json"
    content = json.loads(path.read_text())
    content["config"]["training"]["clip"] = [1]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"^{path}: config\.training\.clip takes a number, got \[1\]$"):
        read_description(path)
    content["config"]["training"]["clip"] = -1
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"^{path}: config\.training\.clip must be above 0, got -1\.0$"):
        read_description(path)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["config.json", PLAN])
def test_a_damaged_model_is_refused(run: Path, digits: Dataset, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    model = Model.from_pretrained(folder, device="cpu")
    measured, _ = plan_paths(model, digits, [2, 3], candidates=6, examples=8)
    measured.write(folder, model.config.process, model.step)
    started = time.monotonic()
    assert refusals(folder / file, lambda: Model.from_pretrained(folder, device="cpu")) > 30
    assert time.monotonic() - started < 300


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused(run: Path, digits: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    place = checkpoint.latest(folder)
    assert place is not None
    config = checkpoint.read_last(folder)
    again = lambda: list(checkpoint.train(config, digits, folder, resume=True))  # noqa: E731
    for file in ("training.json", "config.json"):
        assert refusals(place / file, again, other="the run was started with") > 10


@pytest.mark.slow
@pytest.mark.parametrize("file", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_a_damaged_pipeline_is_refused(digits: Dataset, tmp_path: Path, file: str) -> None:
    network = UNetConfig(channels=8, multipliers=(1, 2), blocks=1, attention=(1,), groups=4, narrow=1)
    config = replace(RECIPES["images"]("digits"), network=network, head=GaussianHead("velocity", "small"))
    Model.fresh(config, Specification("digits", (1, 8, 8), LevelsCodec(0, 255, 256))).save_diffusers(tmp_path)
    assert refusals(tmp_path / file, lambda: Model.from_diffusers(tmp_path, "cpu"), other=str(tmp_path)) > 40


@pytest.mark.parametrize(
    "times",
    [
        [1.0, 0.5, 0.5, 0.0],
        [0.9, 0.5, 0.2, 0.0],
        [1.0, 0.5, 0.2, 0.1],
        [1.0, 0.2, 0.5, 0.0],
        [1.0, 1.5, -0.5, 0.0],
        [1.0, math.nan, 0.2, 0.0],
        [1.0, 0.0],
        [1.0, "a", 0.1, 0.0],
        [[1.0]],
        [],
        None,
    ],
)
def test_a_plan_falls_from_1_to_0(run: Path, tmp_path: Path, times: object) -> None:
    shutil.copytree(run, tmp_path / "copy")
    content = {"step": 8, "process": json.loads((run / "config.json").read_text())["config"]["process"]}
    content["plans"] = {"3": {"times": times, "bits_per_dim": 1.0}}
    (tmp_path / "copy" / PLAN).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"plan\.json .* is damaged: .*make it again$"):
        Model.from_pretrained(tmp_path / "copy", device="cpu")


@pytest.mark.parametrize(
    "change",
    [
        {"log_snr": torch.tensor([1.0, 0.0])},
        {"log_snr": torch.zeros(3)},
        {"values": torch.full((2, 1, 8, 8), math.nan)},
        {"values": torch.full((2, 1, 8, 8), -1.0)},
        {"values": torch.zeros(2, 3)},
    ],
)
def test_variances_are_of_the_models_elements(run: Path, tmp_path: Path, change: dict[str, torch.Tensor]) -> None:
    shutil.copytree(run, tmp_path / "copy")
    whole = {"log_snr": torch.tensor([0.0, 1.0]), "values": torch.ones(2, 1, 8, 8)}
    save_file(whole, tmp_path / "copy" / VARIANCE, {"step": "8"})
    Model.from_pretrained(tmp_path / "copy", device="cpu")
    save_file(whole | change, tmp_path / "copy" / VARIANCE, {"step": "8"})
    with pytest.raises(ValueError, match=r"variance\.safetensors is damaged: .*make it again$"):
        Model.from_pretrained(tmp_path / "copy", device="cpu")


def test_a_state_that_lacks_a_tensor_is_refused(run: Path, digits: Dataset) -> None:
    config, specification, _ = checkpoint.read_run(checkpoint.latest(run) or run)
    training = Training(config, specification)
    data, _ = digits.split(config.data.held_out, config.seed)
    training.take_step(data)
    tensors, state = training.state()
    training.load(tensors, state)
    for name in [*tensors][:: max(1, len(tensors) // 25)]:
        rest = {other: value for other, value in tensors.items() if other != name}
        with pytest.raises(ValueError, match="another network or incomplete"):
            training.load(rest, state)
    for stranger in ("other.name", "optimizer.x.y", "optimizer.9999.step", "optimizer.-1.step"):
        with pytest.raises(ValueError, match="another network or incomplete"):
            training.load(tensors | {stranger: torch.zeros(1)}, state)
