"""Dataclasses of a run's configuration: one frozen tree of plain values.

Config
├─ data        what to load and what to hold out          (DataConfig)
├─ process     the forward process and its schedule       (PROCESSES, SCHEDULES)
├─ network     the network's own configuration            (NETWORKS)
├─ head        how its output is read                     (HEADS)
├─ objective   the training loss                          (OBJECTIVES)
├─ training    steps, batch, rates, checkpoints           (TrainingConfig)
└─ seed
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from quasistatic.data import Codec, DataOptions, Dataset
from quasistatic.data.labels.covariates import Covariates
from quasistatic.denoiser.head import Head
from quasistatic.network import NetworkConfig
from quasistatic.objective import Objective
from quasistatic.process import Process
from quasistatic.runtime.fields import Checked, Fraction, NotNegative, Positive, Range, Seed, Share, Width


@dataclass(frozen=True)
class DataConfig(Checked):
    """The data set to load, how to read it, and the held-out split.

    Attributes:
        source: a name, a folder, a file or ``hf:owner/name``.
        size: resize images to this side in pixels, or (height, width); None keeps their size.
        channels: 1, 3 or 4; None detects it.
        held_out: number (an int) or fraction (a float) of examples in the held-out set.
        conditional: train a class-conditional model.
        flip: mirror half of each training batch left-right; for images. The network learns which ones are mirrored, so
            samples and scores are of the images as they are. Off by default, because mirrored letters and digits are
            others or none.
        states: read integers as categories: their number, or ``found`` to detect it; None reads them as usual.
        threshold: read numbers as bits: 1 if at least this value.
        length: length of the pieces that a text is cut into, or of its longest record.
        columns: kinds of a table's columns, in place of those detected: NAME=KIND.
        missing: texts and numbers that stand for an empty cell of a table, besides the usual ones.
        group: the column that is the same in rows of a table that belong together; they make one example.
        time: the column that orders them; without ``group``, all rows are one group.
        rows: rows of a table in one example, at most; None fits them to the data.
        links: in a folder of images, follow links to folders and links that lead out of it.
        condition: file with a row of covariates for each example: the model learns the law of examples given these.
        axes: axes of an array's examples besides channels: 1 for signals, 3 for volumes; None for vectors and images.
        tokens: elements of a text: a number of word-pieces that are learned on what is not held out, or ``bytes``.
        records: each line of a text is an example, of at most ``length`` characters.
    """

    source: str
    size: Width | tuple[Width, ...] | None = None
    channels: Annotated[int, Range(at_least=1, at_most=4)] | None = None
    held_out: Annotated[int, Range(at_least=1)] | Annotated[float, Range(above=0, below=1)] = 0.1
    conditional: bool = False
    flip: bool = False
    states: Annotated[int, Range(at_least=2, at_most=2**20)] | str | None = None
    threshold: int | float | None = None
    length: Annotated[int, Range(at_least=1, at_most=10**7)] = 256
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    rows: Annotated[int, Range(at_least=2, at_most=1000)] | None = None
    links: bool = False
    condition: str | None = None
    axes: int | None = None
    tokens: int | str | None = None
    records: bool = False

    def reading(self, **more: Any) -> DataOptions:
        """Return the options that read data as these say, and ``more`` of them.

        The file of a condition is not among them, because a model from elsewhere may name any file. Data for a model
        are read by its codec: ``like``.
        """
        own = {field.name for field in fields(DataOptions)} - {"condition"}
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name in own}
        return DataOptions(**told, **more)


@dataclass(frozen=True)
class Specification(Checked):
    """Properties of the training data that a model needs in order to be used.

    Attributes:
        name: name of the data set.
        shape: shape of one example: (channels, height, width) or (columns,).
        codec: converts raw units to states and back.
        classes: names of the labels, if there are any.
        examples: number of examples, including the held-out set.
        fingerprint: hash of the whole set.
        covariates: columns of what is told of each example, or None.
    """

    name: str
    shape: tuple[Annotated[int, Range(at_least=1, at_most=2**31)], ...]
    codec: Codec
    classes: tuple[str, ...] = ()
    examples: Annotated[int, Range(at_least=0, at_most=2**63 - 1)] = 0
    fingerprint: str = ""
    covariates: Covariates | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> "Specification":
        """Return the specification of ``dataset``."""
        told = None if dataset.covariates is None else Covariates.of(dataset.covariates)
        found = (dataset.shape, dataset.codec, dataset.classes, len(dataset), dataset.fingerprint)
        return cls(dataset.name, *found, told)

    @property
    def dimensions(self) -> int:
        """Number of values per example."""
        return math.prod(self.shape)

    def check_shape(self, shape: Sequence[int], what: str) -> None:
        """Raise ValueError unless ``shape`` is the shape of an example."""
        if tuple(shape) != self.shape:
            made, came = ("×".join(map(str, sides)) for sides in (self.shape, shape))
            raise ValueError(
                f"the model was made for examples of {made} ({self.name}), got {what} of {came}; "
                "bring them to that shape or train another model"
            )


TRACKERS = "jsonl", "tensorboard", "wandb", "mlflow"
"""Values of ``training.track``."""


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """Settings of the training loop.

    Attributes:
        steps: optimizer steps; None trains for ``minutes``, and plans the number of steps as the run goes.
        minutes: time of the whole run, if ``steps`` is None: start, steps, held-out scores, checkpoints and samples.
        epochs: passes over the training set after which a run of ``minutes`` ends in any case; none for no limit.
        batch: examples per optimizer step, over all devices.
        accumulate: number of micro-batches per batch (gradient accumulation).
        optimizer: adamw or muon.
        learning_rate: peak learning rate; decays along a cosine to ``final_rate`` times that.
        final_rate: learning rate at the end, as a fraction of the peak.
        warmup: steps of linear warm-up; a fifth of the run, if that is shorter.
        weight_decay: AdamW's weight decay, on weight matrices.
        clip: maximum gradient norm.
        ema: decay of the EMA of the weights; warm-up: decay = min(ema, (1 + n)/(10 + n)).
        label_dropout: fraction of labels dropped, so that the network also works without labels.
        shown: fraction of examples trained conditionally: a random part is shown, the rest is learned.
        missing: maximum fraction of an example's elements that are dropped, neither revealed nor learned; for tables.
        precision: auto (bf16 on supporting hardware), no (float32) or bf16.
        compile: compile the network with torch first, which takes a minute or more.
        gradient_checkpointing: compute activations again in the backward pass: less memory, more time.
        shard: keep a share of the weights in each process (FSDP2): for networks that do not fit into one.
        held_out_every: seconds between evaluations on the held-out set.
        checkpoint_every: seconds between checkpoints.
        samples_every: seconds between grids of samples, drawn with a checkpoint, for images; none for no grids. A grid
            is skipped if grids would take more than a fiftieth of the time.
        keep: number of checkpoints to keep.
        track: trackers that get the run's progress besides ``metrics.jsonl``: tensorboard, wandb, mlflow; jsonl is that
            file alone.
    """

    steps: Annotated[int, Range(at_least=1, at_most=10**12)] | None = None
    minutes: Annotated[float, Range(above=0, at_most=10**7)] = 10.0
    epochs: Annotated[float, Range(above=0, at_most=10**9)] | None = None
    batch: Annotated[int, Range(above=0, at_most=10**7)] = 128
    accumulate: Annotated[int, Range(above=0)] = 1
    optimizer: str = "adamw"
    learning_rate: Positive = 1e-3
    warmup: Annotated[int, Range(at_least=0, at_most=10**12)] = 100
    final_rate: Share = 0.02
    weight_decay: NotNegative = 0.01
    clip: Positive = 1.0
    ema: Fraction = 0.9995
    label_dropout: Share = 0.1
    shown: Share = 0.0
    missing: Fraction = 0.0
    precision: str = "auto"
    compile: bool = False
    gradient_checkpointing: bool = False
    shard: bool = False
    held_out_every: NotNegative = 30.0
    checkpoint_every: NotNegative = 120.0
    samples_every: NotNegative | None = 0.0
    keep: Annotated[int, Range(above=0, at_most=10**6)] = 2
    track: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.accumulate:
            raise ValueError(f"training.accumulate must divide the batch of {self.batch}, got {self.accumulate}")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"training.optimizer is adamw or muon, got {self.optimizer!r}")
        if self.shard and self.compile:
            raise ValueError("training.shard and training.compile do not go together, got both; leave one out")
        for name in self.track:
            if name not in TRACKERS:
                raise ValueError(f"training.track is one or more of {', '.join(TRACKERS)}, got {name!r}")
        if self.precision not in ("auto", "no", "bf16"):
            raise ValueError(f"training.precision is auto, no or bf16, got {self.precision!r}")


@dataclass(frozen=True)
class Config(Checked):
    """The complete configuration of a run."""

    data: DataConfig
    process: Process
    network: NetworkConfig
    head: Head
    objective: Objective
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: Seed = 0
