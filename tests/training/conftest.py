"""A small data set and a run of it, for tests of checkpoints."""

import pytest

from quasistatic.config import Config, override
from quasistatic.data import Dataset, load
from quasistatic.recipes import recipe


@pytest.fixture(scope="module")
def beats() -> Dataset:
    return load("heartbeat", limit=400)


@pytest.fixture(scope="module")
def tiny(beats: Dataset) -> Config:
    """A run of four steps that take a few milliseconds each."""
    changes = ["network.width=8", "network.depth=1", "training.batch=8", "training.steps=4", "data.held_out=8"]
    never = ["training.held_out_every=1e9", "training.checkpoint_every=1e9"]
    return override(recipe(None, beats, "heartbeat"), [*changes, *never])
