"""Recipes: one function per kind of data that returns a complete configuration, sized for two CPU cores or more.

digits    8×8, 17 grey levels, eight minutes        demo      digits in two minutes
mnist     28×28, 256 grey levels, half an hour
images    any images, by their size: a U-Net on patches; uses labels if there are any, and mirrors photographs
points    vectors of continuous values              rates     points in 40 steps with learned rates
signals   series of one or more channels, and volumes: a U-Net that is shown parts, for forecasts and gaps
heartbeat vectors of bits, three minutes            bits      images of bits
text      characters or any sequence of states, half an hour         states    images of unordered states
table     columns of numbers, whole numbers, categories and booleans, with missing cells
"""

import math
from collections.abc import Callable
from dataclasses import replace

from quasistatic.config import Config, DataConfig, TrainingConfig
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    CellsHead,
    GaussianHead,
    LevelsHead,
    MixtureHead,
)
from quasistatic.network import CausalConfig, CellsConfig, MLPConfig, UNetConfig
from quasistatic.objective import Bound, OneByOne, WeightedBound, Whole
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, MaskedProcess
from quasistatic.schedule import Cosine, Learned, Reciprocal, Staggered

PATCHED = UNetConfig(
    channels=48,
    multipliers=(1, 2),
    blocks=1,
    attention=(1,),
    head_width=48,
    dropout=0.0,
    readout=1,
    coordinates=True,
    patch=2,
    slim=True,
)
"""A U-Net for small images: patches of 2×2 pixels, few blocks."""

DIGITS = replace(PATCHED, channels=96, multipliers=(1,), attention=(), dropout=0.2)


def fine(levels: int) -> tuple[int, ...]:
    """Return exponents n of four waves sin(2ⁿ π x); between neighbouring levels the finest makes about a quarter turn.

    The slower waves still tell levels apart where noise hides the finest. Without waves, the network of `mnist` did not
    see which of the values 252 to 255 an image uses for white, and paid two bits for each such pixel.
    """
    finest = int(math.log2((levels - 1) / 4) + 0.5)
    return tuple(range(finest - 3, finest + 1))


def digits(source: str = "digits") -> Config:
    """8×8 digits: a small U-Net whose head predicts a probability for each level, trained on the weighted bound."""
    return Config(
        data=DataConfig(source, held_out=360),
        process=GaussianProcess(Cosine()),
        network=DIGITS,
        head=LevelsHead(17, gain=4.0),
        objective=WeightedBound(extra=40.0),
        training=TrainingConfig(minutes=8.0, batch=64, learning_rate=2e-3, weight_decay=1.0),
    )


def demo(source: str = "digits") -> Config:
    """`digits` in two minutes, without dropout, which helps only in longer runs."""
    config = digits(source)
    training = replace(config.training, minutes=1.7, optimizer="muon", weight_decay=0.01)
    return replace(config, network=replace(DIGITS, dropout=0.0), training=training)


def mnist(source: str = "mnist") -> Config:
    """28×28 digits, 256 grey levels, trained on the weighted bound; a U-Net on patches of 2×2 pixels."""
    return Config(
        data=DataConfig(source, held_out=10_000),
        process=GaussianProcess(Cosine()),
        network=replace(PATCHED, fourier=fine(256)),
        head=MixtureHead(256, components=8),
        objective=WeightedBound(),
        training=TrainingConfig(minutes=28.0, batch=64, optimizer="muon", learning_rate=2e-3, held_out_every=240.0),
    )


def images(source: str) -> Config:
    """Any images: a U-Net on patches, trained on the weighted bound; `recipe` fits it to size, labels and content."""
    return Config(
        data=DataConfig(source),
        process=GaussianProcess(Cosine()),
        network=replace(PATCHED, channels=64, multipliers=(1, 2, 2), attention=(2,), head_width=64, fourier=fine(256)),
        head=MixtureHead(256, components=8),
        objective=WeightedBound(log_snr=2.0),
        training=TrainingConfig(minutes=60.0, batch=64, optimizer="muon", learning_rate=2e-3, held_out_every=240.0),
    )


def points(source: str) -> Config:
    """Vectors of continuous values, scored as a density."""
    return Config(
        data=DataConfig(source),
        process=GaussianProcess(Cosine()),
        network=MLPConfig(),
        head=GaussianHead("velocity", "learned"),
        objective=Bound(),
        training=TrainingConfig(minutes=8.0, batch=512, learning_rate=1e-3),
    )


def rates(source: str) -> Config:
    """Vectors of continuous values in 40 steps, as in 2015; all rates except the first are learned."""
    return replace(
        points(source),
        process=GaussianProcess(Learned.from_schedule(Cosine(), 40, first=1e-3)),
        objective=Whole(40),
    )


def signals(source: str) -> Config:
    """Series (channels, length) or volumes of continuous values, half of them partly shown: forecasts are conditional
    samples.
    """
    config = points(source)
    network = UNetConfig(
        channels=64, multipliers=(1, 1, 2), blocks=1, attention=(2,), head_width=64, dropout=0.0, slim=True
    )
    training = replace(config.training, batch=64, optimizer="muon", learning_rate=2e-3, shown=0.5)
    return replace(config, network=network, training=training)


def heartbeat(source: str = "heartbeat") -> Config:
    """Vectors of bits: the 2015 paper's binomial diffusion, with a perceptron trained on the bound."""
    return Config(
        data=DataConfig(source, held_out=0.05),  # a small held-out set keeps the phases of both splits alike
        process=BernoulliProcess(Reciprocal(), 0.2),
        network=MLPConfig(width=128, depth=2),
        head=BernoulliHead(),
        objective=Bound(),
        training=TrainingConfig(minutes=2.6, batch=256, learning_rate=3e-3),
    )


def bits(source: str) -> Config:
    """Images of bits: binomial diffusion with a U-Net, trained on the bound."""
    config = mnist(source)
    return replace(
        config,
        data=DataConfig(source),
        network=PATCHED,
        process=BernoulliProcess(Reciprocal(), 0.5),
        head=BernoulliHead(),
        objective=Bound(),
        training=replace(config.training, optimizer="adamw"),
    )


def text(source: str) -> Config:
    """Characters or any sequence of states: masks that lift one after another, with a causal transformer."""
    return Config(
        data=DataConfig(source),
        process=CategoricalProcess.absorbing(Staggered(Reciprocal(), (256,), "left", 0.0), 28),
        network=CausalConfig(depth=4, dropout=0.1, context=5),
        head=CategoricalHead(27),
        objective=OneByOne(),
        training=TrainingConfig(minutes=28.0, batch=8, optimizer="muon", learning_rate=2e-3, held_out_every=120.0),
    )


def states(source: str) -> Config:
    """Images of unordered states: masked diffusion with a U-Net."""
    config = mnist(source)
    return replace(
        config,
        data=DataConfig(source),
        network=PATCHED,
        process=CategoricalProcess.absorbing(Reciprocal(), 28),
        head=CategoricalHead(27),
        objective=Bound(),
        training=replace(config.training, optimizer="adamw"),
    )


def table(source: str) -> Config:
    """Tables: masks on cells, and a network that gives a histogram of each cell from any others.

    This configuration is for one column of two bins; `fitted` replaces it by one for the columns and rows of the data.
    """
    return Config(
        data=DataConfig(source),
        process=MaskedProcess(Reciprocal(), (2,)),
        network=CellsConfig(ranges=(0,), between=((),)),
        head=CellsHead(),
        objective=Bound(),
        training=TrainingConfig(minutes=8.0, batch=512, learning_rate=2e-3, ema=0.999),
    )


RECIPES: dict[str, Callable[[str], Config]] = {
    "digits": digits,
    "demo": demo,
    "mnist": mnist,
    "images": images,
    "points": points,
    "rates": rates,
    "signals": signals,
    "heartbeat": heartbeat,
    "bits": bits,
    "text": text,
    "states": states,
    "table": table,
}
