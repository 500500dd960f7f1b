"""Recipes: one function per kind of data that returns a complete configuration, sized for two CPU cores or more.

digits    8×8, 17 grey levels, eight minutes        demo      digits in two minutes
mnist     28×28, 256 grey levels, half an hour
images    any images, by their size: a U-Net on patches; uses labels if there are any, and mirrors photographs
points    vectors of continuous values              rates     points in 40 steps with learned rates
heartbeat vectors of bits, three minutes            bits      images of bits
text      characters or any sequence of states, half an hour         states    images of unordered states
table     columns of numbers, whole numbers, categories and booleans, with missing cells
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from quasistatic.config import Config, DataConfig, TrainingConfig
from quasistatic.data import BitsCodec, Codec, Dataset, LevelsCodec, StatesCodec, SymbolsCodec, TableCodec
from quasistatic.data.dataset import asymmetry, spread
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    CellsHead,
    GaussianHead,
    Head,
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

ADAPTED = ("images",)
"""Recipes that train with labels if the data have any, and with flips if they are like photographs."""

MIRRORED = 0.01
"""Largest `asymmetry` of photographs. Measured: CIFAR-10 0.000, crops of photographs 0.006 at most; MNIST 0.2, digits
0.4, letters in colour 0.04 (0.02 without their labels)."""

MANY = 128
"""Levels from which a `MixtureHead` is used. With fewer, the least noise of 1,000 steps of the cosine schedule is
below half a gap between levels; there a mixture, which knows no levels before the last step, loses bits."""

MAPS = 20
"""Maximum side of a U-Net's largest map, in patches: larger maps cost too much on a CPU."""


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


@dataclass(frozen=True)
class Size:
    """What suits tables of some number of rows: small ones are soon learned by heart."""

    width: int
    dropout: float
    learning_rate: float
    batch: int
    epochs: int


SIZES = {
    20000: Size(256, 0.0, 3e-3, 512, 200),
    10000: Size(384, 0.05, 2e-3, 512, 200),
    5000: Size(256, 0.05, 2e-3, 512, 100),
    1000: Size(128, 0.2, 1e-3, 256, 100),
    0: Size(64, 0.3, 5e-4, 128, 100),
}
"""Sizes by the least number of rows, the largest first (docs/log.md, 2026-11-27)."""

STEP, STEP_OF_BIN = 0.025, 2.5e-5
"""Seconds of a step of 512 rows on two cores, and of each bin in it; longer runs have the minutes instead."""


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
    "heartbeat": heartbeat,
    "bits": bits,
    "text": text,
    "states": states,
    "table": table,
}


def recipe(name: str | None, dataset: Dataset, source: str) -> Config:
    """Return the recipe called ``name``, or the one that fits the data.

    Raises:
        ValueError: if there is no such recipe.
    """
    name = name or fitting(dataset, source)
    if name not in RECIPES:
        raise ValueError(f"the recipe is one of {', '.join(RECIPES)}, got {name!r}")
    config = fitted(RECIPES[name](source), dataset)
    if name not in ADAPTED:
        return config
    told = dataset.covariates is not None
    labelled, mirrored = len(dataset.classes) > 1 and not told, like_photographs(dataset) and not told
    return replace(config, data=replace(config.data, conditional=labelled, flip=mirrored))


def like_photographs(dataset: Dataset) -> bool:
    """Return whether the data are colour images, and the mean image of each class is nearly its own mirror image.

    Photographs are, glyphs are not. Grey images count as glyphs: they may be scans, letters or X-rays.
    """
    return len(dataset.shape) == 3 and dataset.shape[0] == 3 and asymmetry(dataset) < MIRRORED


def fitting(dataset: Dataset, source: str) -> str:
    """Return the name of the recipe for this kind of data."""
    row = len(dataset.shape) == 1
    match dataset.codec:
        case BitsCodec():
            return "heartbeat" if row else "bits"
        case TableCodec():
            return "table"
        case StatesCodec() | SymbolsCodec():
            return "text" if row else "states"
    return "points" if row else source if source in ("digits", "mnist") else "images"


def fitted(config: Config, dataset: Dataset) -> Config:
    """Return ``config`` with what depends on the data: levels, states, share of 1 bits, size of patches.

    The mask stays the last state of an absorbing process. For bits, π is their mean to three digits.

    Raises:
        ValueError: if a column of a table holds one value or none; the message names it.
    """
    codec, process = dataset.codec, config.process
    if isinstance(config.network, UNetConfig) and len(dataset.shape) == 3:
        config = replace(config, network=_sized(config.network, max(dataset.shape[1:])))
    if isinstance(config.network, CellsConfig) and isinstance(codec, TableCodec):
        return _of_columns(config, config.network, codec, len(dataset))
    if isinstance(config.head, LevelsHead) and isinstance(codec, LevelsCodec):
        return replace(config, head=replace(config.head, levels=codec.levels))
    if isinstance(config.head, MixtureHead):
        return _of_values(config, config.head, codec)
    if isinstance(process, BernoulliProcess) and isinstance(codec, BitsCodec):
        mean = dataset.batch(spread(len(dataset), 10_000)).double().mean().item()
        return replace(config, process=replace(process, bias=min(max(float(f"{mean:.3g}"), 0.001), 0.999)))
    if isinstance(process, CategoricalProcess) and isinstance(codec, StatesCodec | SymbolsCodec):
        clock = replace(clock, shape=dataset.shape) if isinstance(clock := process.schedule, Staggered) else clock
        masked = CategoricalProcess.absorbing(clock, codec.states + 1)
        return replace(config, process=masked, head=CategoricalHead(codec.states))
    return config


def _sized(network: UNetConfig, side: int) -> UNetConfig:
    """Return ``network`` with patches that leave at most `MAPS` positions on the longer side of its largest map."""
    patch = network.patch
    while side > patch * MAPS:
        patch *= 2
    return replace(network, patch=patch)


def _of_values(config: Config, mixture: MixtureHead, codec: Codec) -> Config:
    """Return ``config`` with the head and the features of a U-Net's input that fit the values."""
    head: Head
    features: tuple[int, ...]
    if not isinstance(codec, LevelsCodec):
        head, features = GaussianHead("velocity", "learned"), ()  # values without levels are scored as a density
    elif codec.levels < MANY:
        head, features = LevelsHead(codec.levels, gain=mixture.gain / 4), ()
    else:
        head, features = replace(mixture, levels=codec.levels), fine(codec.levels)
    network = config.network
    if isinstance(network, UNetConfig):
        network = replace(network, fourier=features)
    return replace(config, head=head, network=network)


def _of_columns(config: Config, network: CellsConfig, codec: TableCodec, rows: int) -> Config:
    """Return ``config`` with the bins of the table's columns, and with what the number of rows can teach."""
    constant = [column.name for column in codec.columns if column.constant]
    if constant:
        raise ValueError(
            f"every column needs two different values or more, got one or none in {', '.join(constant)}; "
            "drop what is constant"
        )
    size = next(size for least, size in SIZES.items() if rows >= least)
    steps = max(1, round(size.epochs * rows / size.batch))
    enough = steps * size.batch / 512 * (STEP + STEP_OF_BIN * sum(codec.bins)) <= 60 * config.training.minutes
    training = replace(
        config.training, batch=size.batch, learning_rate=size.learning_rate, steps=steps if enough else None
    )
    network = replace(network, width=size.width, dropout=size.dropout, ranges=codec.ranges, between=codec.between)
    data = replace(config.data, rows=codec.series.length if codec.series else None)
    process = MaskedProcess(Reciprocal(), codec.bins)
    return replace(config, data=data, process=process, network=network, training=training)
