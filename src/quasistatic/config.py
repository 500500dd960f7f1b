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

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from quasistatic import schedule
from quasistatic.data import CODECS, COLUMNS, SCALES, Codec, Column, Dataset, Scale
from quasistatic.head import BernoulliHead, CategoricalHead, GaussianHead, Head, LevelsHead, ProductHead, StepHead
from quasistatic.network import (
    ColumnsConfig,
    MLPConfig,
    MultiScaleConfig,
    NetworkConfig,
    RBFConfig,
    SigmoidMLPConfig,
    TransformerConfig,
    UNetConfig,
)
from quasistatic.objective import OBJECTIVES, Objective
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    Gaussian,
    NearestNeighbourProcess,
    OrdinalProcess,
    Process,
    ProductProcess,
    RateProcess,
)

SCHEDULES: dict[str, type] = {
    "linear": schedule.Linear,
    "cosine": schedule.Cosine,
    "reciprocal": schedule.Reciprocal,
    "table": schedule.Table,
    "learned": schedule.Learned,
}
PROCESSES: dict[str, type] = {
    "gaussian": Gaussian,
    "bernoulli": BernoulliProcess,
    "categorical": CategoricalProcess,
    "ordinal": OrdinalProcess,
    "nearest-neighbour": NearestNeighbourProcess,
    "rates": RateProcess,
    "product": ProductProcess,
}
NETWORKS: dict[str, type] = {
    "unet": UNetConfig,
    "mlp": MLPConfig,
    "transformer": TransformerConfig,
    "columns": ColumnsConfig,
    "rbf": RBFConfig,
    "sigmoid-mlp": SigmoidMLPConfig,
    "multi-scale": MultiScaleConfig,
}
HEADS: dict[str, type] = {
    "gaussian": GaussianHead,
    "step": StepHead,
    "levels": LevelsHead,
    "bernoulli": BernoulliHead,
    "categorical": CategoricalHead,
    "product": ProductHead,
}

FAMILIES: dict[type, dict[str, type]] = {
    schedule.Schedule: SCHEDULES,
    Process: PROCESSES,
    NetworkConfig: NETWORKS,
    Head: HEADS,
    Objective: {**OBJECTIVES},
    Codec: CODECS,
    Column: COLUMNS,
    Scale: SCALES,
}
"""Which names a field of an abstract type may be given, in a file and by `--set`."""

SPELLINGS = {"squaredcos_cap_v2": "cosine", "jsd": "reciprocal"}
"""The field's other names."""


@dataclass(frozen=True)
class DataConfig:
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
    """

    source: str
    size: tuple[int, ...] | None = None
    channels: int | None = None
    held_out: int | float = 0.1
    conditional: bool = False
    states: int | str | None = None
    threshold: int | float | None = None
    length: int = 256
    scale: str = "power"


@dataclass(frozen=True)
class Specification:
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
    shape: tuple[int, ...]
    codec: Codec
    classes: tuple[str, ...] = ()
    examples: int = 0
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
class TrainingConfig:
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

    steps: int | None = None
    minutes: float = 10.0
    batch: int = 128
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup: int = 100
    final_rate: float = 0.02
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.9995
    label_dropout: float = 0.1
    shown: float = 0.0
    missing: float = 0.0
    precision: str = "auto"
    compile: bool = False
    held_out_every: float = 30.0
    checkpoint_every: float = 120.0
    keep: int = 2

    def __post_init__(self) -> None:
        positive = {"minutes": self.minutes, "batch": self.batch, "accumulate": self.accumulate, "keep": self.keep}
        for name, value in positive.items() | {"learning_rate": self.learning_rate}.items():
            if value <= 0:
                raise ValueError(f"training.{name} must be above 0, got {value}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"training.steps must be at least 1, got {self.steps}")
        if self.batch % self.accumulate:
            raise ValueError(f"training.accumulate must divide the batch of {self.batch}, got {self.accumulate}")
        if not 0 <= self.shown <= 1 or not 0 <= self.missing < 1:
            raise ValueError(
                f"training.shown is a share from 0 to 1 and training.missing one below 1, got {self.shown} and "
                f"{self.missing}"
            )
        if self.precision not in ("auto", "no", "bf16"):
            raise ValueError(f"training.precision is auto, no or bf16, got {self.precision!r}")


@dataclass(frozen=True)
class Config:
    """Everything that decides a run."""

    data: DataConfig
    process: Process
    network: NetworkConfig
    head: Head
    objective: Objective
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0


def to_json(value: Any) -> Any:
    """Return a tree of dataclasses as JSON values; a member of a family carries its name under ``type``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        name = _name_of(type(value))
        return {"type": name, **fields} if name else fields
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def from_json(kind: Any, value: Any, where: str = "config") -> Any:
    """Return the tree of ``kind`` that `to_json` made ``value`` of.

    Raises:
        ValueError: if a field is missing or unknown, or a value is not of the field's type; the sentence names it.
    """
    family = FAMILIES.get(kind)
    if family is not None:
        given = str(value.get("type") if isinstance(value, dict) else value)
        name = SPELLINGS.get(given, given)
        if name not in family:
            raise ValueError(f"{where} is one of {', '.join(family)}, got {given!r}")
        member = family[name]
        fields = {k: v for k, v in value.items() if k != "type"} if isinstance(value, dict) else {}
        return from_json(member, fields, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where} holds fields, got {value!r}")
        hints = typing.get_type_hints(kind)
        known = [f.name for f in dataclasses.fields(kind)]
        _refuse_unknown(set(value) - set(known), known, where)
        missing = [f.name for f in dataclasses.fields(kind) if f.name not in value and not _has_default(f)]
        if missing:
            raise ValueError(f"{where} is incomplete: it needs {', '.join(missing)}")
        return cast(Any, kind)(
            **{name: from_json(hints[name], item, f"{where}.{name}") for name, item in value.items()}
        )
    item = _item_of(kind)
    if item is not None:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is a list, got {value!r}")
        return tuple(from_json(item, part, f"{where}.{place}") for place, part in enumerate(value))
    return _plain(kind, value, where)


def _item_of(kind: Any) -> Any:
    """The type of the items of a tuple of objects; None for a tuple of plain values and all else."""
    if typing.get_origin(kind) is not tuple:
        return None
    item = typing.get_args(kind)[0]
    return item if item in FAMILIES or dataclasses.is_dataclass(item) else None


def override(config: Config, changes: list[str]) -> Config:
    """Return ``config`` with each ``field=value`` applied, the value read in the type of the field.

    A family is chosen by name (``process.schedule=linear``); a tuple has commas (``network.multipliers=1,2``).

    All changes are made before the parts are fitted together, so their order does not matter.

    Raises:
        ValueError: if a change is not ``field=value``, or a field is unknown (names the known ones) or of another type.
    """
    tree = to_json(config)
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"a change is written field=value, got {change!r}")
        _set(Config, tree, path.strip().split("."), text.strip(), "")
    return cast(Config, from_json(Config, tree))


def _set(kind: Any, node: Any, path: list[str], text: str, where: str) -> None:
    """Set a field of a JSON tree of ``kind``; whether the parts fit each other is seen when all are set.

    A place in a tuple of objects counts as a field: ``process.parts.0.columns``.
    """
    name, *rest = path
    item = _item_of(kind)
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    hints = hints if item is None else {str(place): item for place in range(len(node))}
    full = f"{where}.{name}" if where else name
    _refuse_unknown({name} - set(hints), list(hints), where or "the configuration")
    hint, key = hints[name], name if item is None else int(name)
    if rest:
        if item is None and name not in node:
            raise ValueError(f"{full} has no default; choose it first, as {full}=NAME")
        member = FAMILIES[hint][node[key]["type"]] if hint in FAMILIES else hint
        _set(member, node[key], rest, text, full)
    elif hint in FAMILIES:
        node[key] = _member(hint, text, full)
    elif dataclasses.is_dataclass(hint):
        raise ValueError(f"{full} holds fields; set one of {', '.join(typing.get_type_hints(hint))}")
    elif _item_of(hint) is not None:
        raise ValueError(f"{full} is a list; set a field of {', '.join(f'{full}.{i}' for i in range(len(node[key])))}")
    else:
        node[key] = to_json(_plain(hint, text, full))


def _member(kind: Any, text: str, where: str) -> dict[str, Any]:
    """Return the defaults of a family's member; what has none is missing until another change sets it."""
    given, family = SPELLINGS.get(text, text), FAMILIES[kind]
    if given not in family:
        raise ValueError(f"{where} is one of {', '.join(family)}, got {text!r}")
    kept = [f for f in dataclasses.fields(family[given]) if f.default is not dataclasses.MISSING]
    return {"type": given, **{f.name: to_json(f.default) for f in kept}}


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _plain(kind: Any, value: Any, where: str) -> Any:
    """Read a number, string, flag, tuple or None of the given type from JSON or from text."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    # None first: the word `none` is a text as well
    for option in sorted(options, key=lambda option: option is not types.NoneType):
        try:
            return _read(option, value)
        except (ValueError, TypeError):
            continue
    wanted = " or ".join("none" if option is types.NoneType else _spelt(option) for option in options)
    raise ValueError(f"{where} takes {wanted}, got {value!r}")


def _read(kind: Any, value: Any) -> Any:
    if kind is types.NoneType:
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        raise ValueError
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        parts = [part for part in value.replace("x", ",").split(",") if part] if isinstance(value, str) else value
        return tuple(_read(item, part) for part in parts)
    if kind is bool:
        return {"true": True, "false": False}[str(value).lower()] if str(value).lower() in ("true", "false") else _no()
    if kind is int and isinstance(value, bool | float):
        raise ValueError
    if kind is str and not isinstance(value, str):
        raise ValueError
    return kind(value)


def _no() -> Any:
    raise ValueError


def _spelt(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(kind) or f"{_spelt(typing.get_args(kind)[0]).removeprefix('a ')}s with commas between"


def _name_of(kind: type) -> str | None:
    return next((name for family in FAMILIES.values() for name, member in family.items() if member is kind), None)


def _refuse_unknown(unknown: set[str], known: list[str], where: str) -> None:
    if unknown:
        raise ValueError(f"{where} has no field {', '.join(sorted(unknown))}; it has {', '.join(known) or 'none'}")
