"""What many tests need: a small run on real digits that takes a second."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quasistatic.cli import app
from quasistatic.config import Config, DataConfig, TrainingConfig
from quasistatic.data import Dataset, load
from quasistatic.denoiser.head import LevelsHead
from quasistatic.model import Model
from quasistatic.network import UNetConfig
from quasistatic.objective import Bound
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from quasistatic.training.checkpoint import train
from served_runs import made_once


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors are slower on many threads, and results do not depend on the machine's cores."""
    torch.set_num_threads(1)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Laws of integer states come in the default dtype; here in double, as the tolerances are."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def command() -> Callable[..., int]:
    """Run the command with words: its exit status. What it prints is for the test's own capture."""

    def ran(*words: object) -> int:
        before, sys.argv = sys.argv, ["quasistatic", *map(str, words)]
        try:
            app.main()
            return 0
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            sys.argv = before

    return ran


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="session")
def small() -> Config:
    """A run of a few steps of a very small network."""
    return Config(
        data=DataConfig("digits", held_out=360),
        process=GaussianProcess(Cosine()),
        network=UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), dropout=0.1),
        head=LevelsHead(17),
        objective=Bound(),
        training=TrainingConfig(steps=4, batch=16, held_out_every=1e9, checkpoint_every=1e9),
    )


@pytest.fixture(scope="session")
def run(small: Config, digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; tests read it only."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    longer = replace(small, training=replace(small.training, steps=8))
    for _ in train(longer, digits, folder):
        pass
    return folder


@pytest.fixture(scope="session")
def model(run: Path) -> Model:
    return Model.from_pretrained(run, device="cpu")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small runs of each kind of data; two test processes share it."""
    base = tmp_path_factory.getbasetemp()
    return made_once((base.parent if base.name.startswith("popen-") else base) / "served")
