"""Small runs for tests of checkpoints."""

from dataclasses import replace
from pathlib import Path

from quasistatic.config import Config
from quasistatic.data import Dataset
from quasistatic.training import checkpoint


def trained(config: Config, data: Dataset, folder: Path, **options: object) -> list[int]:
    """Steps at which a run that reports every step did so."""
    return [progress.step for progress in checkpoint.train(config, data, folder, every=0.0, **options)]


def often(config: Config, **fields: object) -> Config:
    """The same run, with a checkpoint at every step."""
    return replace(config, training=replace(config.training, checkpoint_every=0.0, **fields))
