"""Chooses the recipe for a data set, and fits it to the data: levels, states, sizes, number of rows."""

from dataclasses import dataclass, replace

from quasistatic.config import Config
from quasistatic.data import (
    BitsCodec,
    Codec,
    Dataset,
    LevelsCodec,
    RecordsCodec,
    StatesCodec,
    TableCodec,
    TextCodec,
    TokensCodec,
)
from quasistatic.data.dataset import asymmetry, spread
from quasistatic.denoiser.head import (
    CategoricalHead,
    GaussianHead,
    Head,
    LevelsHead,
    MixtureHead,
)
from quasistatic.network import CausalConfig, CellsConfig, UNetConfig
from quasistatic.process import BernoulliProcess, CategoricalProcess, MaskedProcess
from quasistatic.recipes.kinds import RECIPES, fine
from quasistatic.schedule import Reciprocal, Staggered

ADAPTED = "images", "text"
"""Recipes that train with labels if the data have any, and with flips if they are like photographs."""

MIRRORED = 0.01
"""Largest `asymmetry` of photographs. Measured: CIFAR-10 0.000, crops of photographs 0.006 at most; MNIST 0.2, digits
0.4, letters in colour 0.04 (0.02 without their labels)."""

EPOCHS = 6.0
"""Passes over a text of word-pieces; its pieces are few and long. Measured: `docs/log.md`, 2026-11-28."""

MANY = 128
"""Levels from which a `MixtureHead` is used. With fewer, the least noise of 1,000 steps of the cosine schedule is
below half a gap between levels; there a mixture, which knows no levels before the last step, loses bits."""

COUNTS = 2**22
"""Maximum number of counts of what follows contexts, of 4 bytes each."""

CONTEXTS = {64: 5, 512: 3, 4096: 2}
"""Elements of the longest counted context, by the largest number of states."""

ELEMENTS = 2**11
"""Elements in a batch of short sequences."""

MAPS = 20
"""Maximum side of a U-Net's largest map, in patches: larger maps cost too much on a CPU."""


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


def recipe(name: str | None, dataset: Dataset, source: str) -> Config:
    """Return the recipe called ``name``, or the one that fits the data.

    What follows a ? in an address is not kept, as it may be a key.

    Raises:
        ValueError: if there is no such recipe.
    """
    source = source.partition("?")[0] if "://" in source else source
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
        case StatesCodec() | TextCodec():
            return "text" if row else "states"
    if len(dataset.shape) in (2, 4):
        return "signals"
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
    if isinstance(process, CategoricalProcess) and isinstance(codec, StatesCodec | TextCodec):
        return _of_states(config, process, codec, dataset.shape)
    return config


def _of_states(
    config: Config, process: CategoricalProcess, codec: StatesCodec | TextCodec, shape: tuple[int, ...]
) -> Config:
    """Return ``config`` for so many states, with contexts whose counts fit, and about as many elements in a batch."""
    clock, network, training = process.schedule, config.network, config.training
    if isinstance(clock, Staggered):
        clock = replace(clock, shape=shape)
    if isinstance(network, CausalConfig):
        rows = min(network.contexts, COUNTS // codec.states)
        longest = next((longest for most, longest in CONTEXTS.items() if codec.states <= most), 1)
        network = replace(network, context=longest, contexts=rows, ends=isinstance(codec, RecordsCodec))
        epochs = EPOCHS if isinstance(codec, TokensCodec) else training.epochs
        training = replace(training, batch=min(max(training.batch, ELEMENTS // shape[0]), 256), epochs=epochs)
    masked = CategoricalProcess.absorbing(clock, codec.states + 1)
    return replace(config, process=masked, network=network, head=CategoricalHead(codec.states), training=training)


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
