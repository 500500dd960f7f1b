"""A run as one frozen tree of plain numbers: printed, compared, stored as JSON, changed by `--set field=value`.

Config
├─ data        what to load and what to hold out          (DataConfig)
├─ process     the forward process and its schedule       (PROCESSES, SCHEDULES)
├─ network     the network's own configuration            (NETWORKS)
├─ head        how its output is read                     (HEADS)
├─ objective   what training lowers                       (OBJECTIVES)
├─ training    how long, how fast, how safely             (TrainingConfig)
└─ seed
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from quasistatic.data import Codec, Dataset
from quasistatic.denoiser.head import Head
from quasistatic.network import NetworkConfig
from quasistatic.objective import Objective
from quasistatic.process import Process
from quasistatic.runtime.fields import Checked, Fraction, NotNegative, Positive, Range, Seed, Share, Width


@dataclass(frozen=True)
class DataConfig(Checked):
    """What to load, and what to keep from training.

    Attributes:
        source: a name, a folder, a file or ``hf:owner/name``.
        size: side in pixels, or (height, width), that images are brought to; None leaves them.
        channels: 1, 3 or 4; None finds it.
        held_out: examples (an int) or share (a float) kept for validation.
        conditional: learn a class label with the data.
        states: read integers as categories: how many there are, or ``found``; None leaves them what they are.
        threshold: read numbers as bits: 1 from this value on.
        length: of the pieces that a text is cut into.
        scale: of a table's numbers: ``power`` (Yeo–Johnson: about normal), ``quantile`` or ``standard``.
        links: in a folder of images, follow links to folders and links that lead out of it.
    """

    source: str
    size: Width | tuple[Width, ...] | None = None
    channels: Annotated[int, Range(at_least=1, at_most=4)] | None = None
    held_out: Annotated[int, Range(at_least=1)] | Annotated[float, Range(above=0, below=1)] = 0.1
    conditional: bool = False
    states: Annotated[int, Range(at_least=2, at_most=2**20)] | str | None = None
    threshold: int | float | None = None
    length: Annotated[int, Range(at_least=1, at_most=10**7)] = 256
    scale: str = "power"
    links: bool = False


@dataclass(frozen=True)
class Specification(Checked):
    """What was found in the data, and is needed to use a model of them.

    Attributes:
        name: what the set is called.
        shape: of one example: (channels, height, width) or (columns,).
        codec: raw units ↔ states.
        classes: names of the labels, if there are any.
        examples: how many there were, the held-out ones included.
        fingerprint: of the whole set; equal data have the same.
    """

    name: str
    shape: tuple[Annotated[int, Range(at_least=1, at_most=2**31)], ...]
    codec: Codec
    classes: tuple[str, ...] = ()
    examples: Annotated[int, Range(at_least=0, at_most=2**63 - 1)] = 0
    fingerprint: str = ""

    @classmethod
    def of(cls, dataset: Dataset) -> "Specification":
        """Return what is worth remembering of ``dataset``."""
        return cls(dataset.name, dataset.shape, dataset.codec, dataset.classes, len(dataset), dataset.fingerprint)

    @property
    def dimensions(self) -> int:
        """How many values an example has."""
        return math.prod(self.shape)

    def check_shape(self, shape: Sequence[int], what: str) -> None:
        """Raise ValueError unless ``shape`` is that of an example."""
        if tuple(shape) != self.shape:
            made, came = ("×".join(map(str, sides)) for sides in (self.shape, shape))
            raise ValueError(
                f"the model was made for examples of {made} ({self.name}), got {what} of {came}; "
                "bring them to that shape or train another model"
            )


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """How a run is trained.

    Attributes:
        steps: optimizer steps; None makes as many as fit into ``minutes``, planned from the measured rate.
        minutes: the time to fill where ``steps`` is None.
        batch: examples per step, over all devices.
        accumulate: parts a batch is worked through in.
        learning_rate: its peak, after ``warmup`` steps; it falls along a cosine to ``final_rate`` of that.
        weight_decay: of AdamW, on weight matrices.
        clip: the largest norm of a gradient.
        ema: decay of the average of the weights; early on the average is younger, (1 + n)/(10 + n).
        label_dropout: share of labels hidden in training, so that one network also learns without.
        shown: share of examples of which a random part is shown as it is and the rest is learned given that part; for
            tables.
        missing: the largest share of an example's elements that is left out, neither shown nor learned; for tables.
        precision: auto (what the device does fast), no (float32) or bf16.
        compile: whether torch compiles the network first, which takes a minute or more.
        held_out_every: seconds between looks at the held-out bound.
        checkpoint_every: seconds between checkpoints.
        keep: checkpoints kept.
    """

    steps: Annotated[int, Range(at_least=1, at_most=10**12)] | None = None
    minutes: Annotated[float, Range(above=0, at_most=10**7)] = 10.0
    batch: Annotated[int, Range(above=0, at_most=10**7)] = 128
    accumulate: Annotated[int, Range(above=0)] = 1
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
    held_out_every: NotNegative = 30.0
    checkpoint_every: NotNegative = 120.0
    keep: Annotated[int, Range(above=0, at_most=10**6)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.accumulate:
            raise ValueError(f"training.accumulate must divide the batch of {self.batch}, got {self.accumulate}")
        if self.precision not in ("auto", "no", "bf16"):
            raise ValueError(f"training.precision is auto, no or bf16, got {self.precision!r}")


@dataclass(frozen=True)
class Config(Checked):
    """Everything that decides a run."""

    data: DataConfig
    process: Process
    network: NetworkConfig
    head: Head
    objective: Objective
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: Seed = 0
