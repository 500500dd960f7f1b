"""Builds a model's network, and checks that configuration and weights fit each other.

Sizes that a machine cannot hold, and weights that are another network's, are so refused before memory is taken.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from quasistatic.config import Config, Specification
from quasistatic.data import AffineCodec, BitsCodec, Codec, LevelsCodec, StatesCodec, TableCodec, TextCodec
from quasistatic.data.labels import class_count
from quasistatic.denoiser import input_states
from quasistatic.denoiser.head import (
    CategoricalHead,
    CellsHead,
    GaussianHead,
    Head,
    LevelsHead,
    MixtureHead,
    ProductHead,
    StepHead,
)
from quasistatic.network import CausalConfig, CellsConfig, ColumnsConfig, Foreign, Network, UNetConfig
from quasistatic.objective import Hybrid
from quasistatic.process import BernoulliProcess, FiniteProcess, GaussianProcess, MaskedProcess, Process, ProductProcess
from quasistatic.runtime.device import check_room
from quasistatic.runtime.fields import brief
from quasistatic.schedule import Learned, Staggered

Layout = dict[str, tuple[tuple[int, ...], torch.dtype]]
"""Shape and dtype of each tensor, by name."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Dtypes by the names that a safetensors header gives them."""


def build(config: Config, specification: Specification) -> Network:
    """Make the network with fresh weights, which depend on the configuration's seed only.

    Raises:
        ValueError: if network, head, process and data do not fit each other, or the weights do not fit into memory.
    """
    blank = outline(config, specification)
    tensors = [*blank.parameters(), *blank.buffers()]
    check_room("the network's weights", sum(t.numel() * t.element_size() for t in tensors))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        return _made(config, specification)


def outline(config: Config, specification: Specification) -> Network:
    """Build the network on the meta device: names, shapes and dtypes of its weights, without their memory.

    Raises:
        ValueError: if network, head, process and data do not fit each other, or a size is beyond 64 bits.
    """
    check_fit(config, specification)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return _made(config, specification)
    except (RuntimeError, OverflowError):  # torch counts bytes in 64 bits
        raise ValueError(f"{config.network} has weights beyond 64 bits; make it smaller") from None


def _made(config: Config, specification: Specification) -> Network:
    classes = class_count(specification.name, specification.classes) if config.data.conditional else 0
    shape, outputs = specification.shape, config.head.outputs
    made = config.network.build(shape, outputs, classes, input_states(config.process))
    network = made if isinstance(made, Network) else Foreign(made, shape, outputs, classes)
    process = config.process
    if isinstance(process, GaussianProcess) and not process.staggered:
        network.take_clock(process.schedule.alpha_bar)
    if config.data.flip:
        network.learn_mirrored()
    if config.training.shown and not isinstance(config.head, ProductHead):
        network.learn_known()
    if specification.covariates is not None:
        network.learn_covariates(specification.covariates.features)
    return network


def levels_of_means(config: Config, specification: Specification) -> int:
    """Return the levels of images whose block means the network is shown in training; 0 if it is shown none."""
    codec, images = specification.codec, len(specification.shape) == 3
    shown = config.training.shown > 0 and images and isinstance(config.process, GaussianProcess)
    return codec.levels if shown and isinstance(codec, LevelsCodec) else 0


def causal(config: Config) -> bool:
    """Return whether one pass of the network gives every element's guess from those before it."""
    return isinstance(config.network, CausalConfig)


def one_by_one(config: Config) -> bool:
    """Return whether the clocks run from left to right, one element after another: the bound is then exact, in one pass
    of a causal network.
    """
    clock = config.process.schedule if causal(config) else None
    return isinstance(clock, Staggered) and (clock.order, clock.overlap, clock.block) == ("left", 0.0, 1)


# ---- do the parts fit


def check_fit(config: Config, specification: Specification) -> None:
    """Raise ValueError if parts of the configuration do not fit each other.

    Raises:
        ValueError: if the process is not for the data's codec, the network not for the process, the objective not for
            the head, or data that are not images are to be mirrored.
    """
    codec, process = specification.codec, config.process
    entries = _entries(codec)
    if not specification.shape or entries not in (None, specification.shape[0]):
        raise ValueError(
            f"examples have a shape, of as many channels or columns as {codec} has, got {specification.shape}"
        )
    if not _moves(process, codec):
        raise ValueError(
            f"{type(process).__name__} does not move {codec}; choose a recipe for such data, or see data.states and "
            "data.threshold, which read them as states and bits"
        )
    if specification.covariates is not None and (config.data.conditional or config.data.flip):
        raise ValueError(
            "a model is told covariates alone, got data.condition with data.conditional or data.flip; set both to "
            "false, and add the class as a column of the condition"
        )
    if config.data.flip and len(specification.shape) != 3:
        raise ValueError(
            f"data.flip mirrors images left-right, got {specification.name} with rows of {specification.shape[0]} "
            "values; set data.flip=false"
        )
    _check_clocks(config, specification)
    settings, product = config.training, isinstance(config.head, ProductHead)
    if settings.missing and not product:
        raise ValueError("training.missing is for the columns of a product head; set it to 0")
    if settings.shown and isinstance(process, FiniteProcess | MaskedProcess):
        raise ValueError(f"{type(process).__name__} shows what is known without training for it; set training.shown=0")
    if isinstance(config.objective, Hybrid) and not isinstance(config.head, GaussianHead | StepHead):
        raise ValueError(
            f"the hybrid objective needs a Gaussian head, got {type(config.head).__name__}; choose bound or simple"
        )
    for family, name in (
        ((MaskedProcess, CellsHead, CellsConfig), "masked process, the head `cells` and the network `cells`"),
        ((ProductProcess, ProductHead, ColumnsConfig), "product process, a product head and the network `columns`"),
    ):
        own = zip((process, config.head, config.network), family, strict=True)
        if len({isinstance(part, kind) for part, kind in own}) > 1 and len(specification.shape) == 1:
            raise ValueError(
                f"a {name} go together, got {type(process).__name__}, {type(config.head).__name__} and "
                f"{type(config.network).__name__}"
            )


def _check_clocks(config: Config, specification: Specification) -> None:
    """Raise ValueError if clocks are of elements of another shape, or a causal network's process has no mask."""
    process = config.process
    for clock in process.schedules:
        if (
            isinstance(clock, Staggered)
            and not isinstance(process, ProductProcess)
            and clock.shape != specification.shape
        ):
            raise ValueError(
                f"clocks of elements have the shape of an example, {specification.shape}, got {clock.shape}; set "
                "process.schedule.shape"
            )
    fixed = isinstance(process, GaussianProcess) and not process.staggered and not isinstance(process.schedule, Learned)
    if isinstance(config.network, UNetConfig) and config.network.centers and not fixed:
        raise ValueError(
            f"network.centers guesses from Gaussian noise of one fixed clock, got {brief(process)}; set "
            "network.centers=0"
        )
    if process.staggered and config.training.shown:
        raise ValueError("training.shown needs one clock for all elements, got one for each; set training.shown=0")
    if process.staggered and isinstance(config.head, GaussianHead) and isinstance(specification.codec, LevelsCodec):
        raise ValueError(
            "elements that reach the data before others are drawn on their levels, and a Gaussian head's guess is not; "
            "set head=mixture"
        )
    if causal(config) and not (isinstance(process, FiniteProcess) and process.stationary[-1] == 1):
        raise ValueError(
            f"a causal network needs a process that ends in a mask, its last state, got {brief(process)}; set "
            "network=transformer"
        )


def _entries(codec: Codec) -> int | None:
    """Return the number of channels or columns that a codec requires; None if any number will do."""
    if isinstance(codec, AffineCodec):
        return len(codec.center)
    return len(codec.columns) if isinstance(codec, TableCodec) else None


def _moves(process: Process, codec: Codec) -> bool:
    """Return whether the states of ``codec`` are states of ``process``."""
    match codec:
        case TableCodec():
            return isinstance(process, MaskedProcess) and process.bins == codec.bins
        case BitsCodec():
            return isinstance(process, BernoulliProcess)
        case StatesCodec() | TextCodec():
            return isinstance(process, FiniteProcess) and process.states >= codec.states
        case AffineCodec():
            return isinstance(process, GaussianProcess | ProductProcess)
    return isinstance(process, GaussianProcess)


def check_head(config: Config, specification: Specification) -> None:
    """Raise ValueError if the head gives probability 0 to values of the data: the loss would be infinite.

    Raises:
        ValueError: if the levels or states of a head are others than the data's.
    """
    _check_head(config.head, config.process, specification.codec)


def _check_head(head: Head, process: Process, codec: Codec) -> None:
    match head, codec:
        case LevelsHead() | MixtureHead(), LevelsCodec():
            if head.levels != codec.levels:
                raise ValueError(
                    f"a head of levels needs the data's own, {codec}, got head.levels={head.levels}; set "
                    f"head.levels={codec.levels}"
                )
        case LevelsHead() | MixtureHead(), _:
            raise ValueError(f"a head of levels is for data of levels, got {codec}; use GaussianHead")
        case CategoricalHead(), StatesCodec() | TextCodec():
            if head.states != codec.states:
                raise ValueError(
                    f"a head of states needs as many as the data, {codec}, got head.states={head.states}; set "
                    f"head.states={codec.states}"
                )


# ---- do weights belong to it


def check_weights_file(path: Path, config: Config, specification: Specification) -> None:
    """Raise ValueError if a safetensors file is of another network; only its header is read.

    Raises:
        ValueError: if the file is damaged, or a name, shape or dtype is another; it is named.
    """
    try:
        with safe_open(path, "pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {name: (tuple(p.get_shape()), DTYPES[p.get_dtype()]) for name, p in parts.items()}
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path} is damaged: {str(error).splitlines()[0][:200]}") from None
    _compare(path, found, config, specification)


def check_tensors(path: Path, tensors: Mapping[str, Tensor], config: Config, specification: Specification) -> None:
    """Raise ValueError if the weights from ``path`` are of another network.

    Raises:
        ValueError: if a name, shape or dtype is another; it is named.
    """
    _compare(path, _layout(tensors), config, specification)


def _compare(path: Path, found: Layout, config: Config, specification: Specification) -> None:
    try:
        wanted = _layout(outline(config, specification).state_dict())
    except ValueError as error:
        raise ValueError(f"the configuration in {path.parent} makes no network: {error}") from None
    for name in [*wanted, *found]:
        came, needed = (_described(part.get(name)) for part in (found, wanted))
        if came != needed:
            raise ValueError(
                f"{path} is damaged or belongs to another config.json: {brief(name)} should be {needed}, got {came}"
            )


def _layout(tensors: Mapping[str, Tensor]) -> Layout:
    return {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}


def _described(entry: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    if entry is None:
        return "absent"
    shape, dtype = entry
    return f"{'×'.join(map(str, shape)) or 'one number'} in {str(dtype).removeprefix('torch.')}"
