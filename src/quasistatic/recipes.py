"""Recipes: a function per kind of data that returns a whole configuration, good for two CPU cores and better with more.

digits    8×8, 17 grey levels, ten minutes          demo      the same in about a minute
mnist     28×28, 256 grey levels, half an hour
images    any images: velocity prediction with a learned width, hybrid objective
points    vectors of continuous values
"""

from collections.abc import Callable
from dataclasses import replace

from quasistatic.config import Config, DataConfig, TrainingConfig
from quasistatic.data import Dataset, LevelsCodec
from quasistatic.denoiser import GaussianHead, LevelsHead
from quasistatic.network import MLPConfig, UNetConfig
from quasistatic.objective import Bound, Hybrid
from quasistatic.process import Gaussian
from quasistatic.schedule import Cosine


def digits(source: str = "digits") -> Config:
    """8×8 digits: a small U-Net whose head gives a mass on each grey level, trained on the bound."""
    return Config(
        data=DataConfig(source, held_out=360),
        process=Gaussian(Cosine()),
        network=UNetConfig(channels=64, multipliers=(1, 1), blocks=2, attention=(), head_width=32, dropout=0.1),
        head=LevelsHead(17),
        objective=Bound(),
        training=TrainingConfig(minutes=9.0, batch=128, learning_rate=2e-3),
    )


def demo(source: str = "digits") -> Config:
    """`digits`, short enough for a first look."""
    config = digits(source)
    return replace(config, training=replace(config.training, minutes=1.2, held_out_every=15.0))


def mnist(source: str = "mnist") -> Config:
    """28×28 digits, 256 grey levels, trained on the bound."""
    return Config(
        data=DataConfig(source, held_out=10_000),
        process=Gaussian(Cosine()),
        network=UNetConfig(channels=32, multipliers=(1, 2, 2), blocks=1, attention=(2,), head_width=32, dropout=0.0),
        head=LevelsHead(256),
        objective=Bound(),
        training=TrainingConfig(minutes=28.0, batch=32, learning_rate=1e-3),
    )


def images(source: str) -> Config:
    """Any images: the published network and schedule, velocity prediction, looks first and likelihood beside."""
    return Config(
        data=DataConfig(source),
        process=Gaussian(Cosine()),
        network=UNetConfig(channels=64, multipliers=(1, 2, 2), blocks=2, attention=(2,), head_width=32),
        head=GaussianHead("velocity", "learned"),
        objective=Hybrid(),
        training=TrainingConfig(minutes=60.0, batch=32, learning_rate=3e-4, warmup=500),
    )


def points(source: str) -> Config:
    """Vectors of continuous values, scored as a density."""
    return Config(
        data=DataConfig(source),
        process=Gaussian(Cosine()),
        network=MLPConfig(),
        head=GaussianHead("velocity", "learned"),
        objective=Bound(),
        training=TrainingConfig(minutes=5.0, batch=512, learning_rate=1e-3),
    )


RECIPES: dict[str, Callable[[str], Config]] = {
    "digits": digits,
    "demo": demo,
    "mnist": mnist,
    "images": images,
    "points": points,
}


def recipe(name: str | None, dataset: Dataset, source: str) -> Config:
    """Return the recipe called ``name``, or the one that fits the data.

    Raises:
        ValueError: if there is no such recipe.
    """
    if name is None:
        name = "points" if len(dataset.shape) == 1 else source if source in RECIPES else "images"
    if name not in RECIPES:
        raise ValueError(f"the recipe is one of {', '.join(RECIPES)}, got {name!r}")
    config = RECIPES[name](source)
    if isinstance(config.head, LevelsHead) and isinstance(dataset.codec, LevelsCodec):
        config = replace(config, head=LevelsHead(dataset.codec.levels))
    return config
