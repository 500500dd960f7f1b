"""Names of the members of each family: schedules, processes, networks, heads; data's codecs, columns and scales.

`register` adds a class of the user's own.
"""

import dataclasses
import inspect
import re

from quasistatic import schedule
from quasistatic.data import ASIDES, CODECS, COLUMNS, Aside, Codec, Column
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    CellsHead,
    GaussianHead,
    Head,
    LevelsHead,
    MixtureHead,
    ProductHead,
    StepHead,
)
from quasistatic.network import (
    CausalConfig,
    CellsConfig,
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
    GaussianProcess,
    MaskedProcess,
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
    "staggered": schedule.Staggered,
}
PROCESSES: dict[str, type] = {
    "gaussian": GaussianProcess,
    "bernoulli": BernoulliProcess,
    "categorical": CategoricalProcess,
    "ordinal": OrdinalProcess,
    "nearest-neighbour": NearestNeighbourProcess,
    "rates": RateProcess,
    "masked": MaskedProcess,
    "product": ProductProcess,
}
NETWORKS: dict[str, type] = {
    "unet": UNetConfig,
    "mlp": MLPConfig,
    "transformer": TransformerConfig,
    "causal": CausalConfig,
    "cells": CellsConfig,
    "columns": ColumnsConfig,
    "rbf": RBFConfig,
    "sigmoid-mlp": SigmoidMLPConfig,
    "multi-scale": MultiScaleConfig,
}
HEADS: dict[str, type] = {
    "gaussian": GaussianHead,
    "step": StepHead,
    "levels": LevelsHead,
    "mixture": MixtureHead,
    "bernoulli": BernoulliHead,
    "categorical": CategoricalHead,
    "cells": CellsHead,
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
    Aside: ASIDES,
}
"""For each abstract type, the names that a file or `--set` may use."""

SPELLINGS = {"squaredcos_cap_v2": "cosine", "jsd": "reciprocal"}
"""The field's other names."""

OPEN: dict[str, type] = {
    "process": Process,
    "schedule": schedule.Schedule,
    "network": NetworkConfig,
    "head": Head,
    "objective": Objective,
    "codec": Codec,
}
"""Families that `register` adds to, by the name of the field that holds a member."""

OWN: set[type] = set()
"""Classes that `register` added."""


def register(family: str, name: str, cls: type) -> None:
    """Name a class of your own, so that configurations, ``--set`` and saved models know it.

    A saved configuration holds the name and where the class was defined. Reading it imports nothing: register the class
    again before reading, or let `own.import_parts` import it where the file is trusted.

    Args:
        family: ``process``, ``schedule``, ``network``, ``head``, ``objective`` or ``codec``.
        name: what a configuration calls it: letters, digits, ``-`` and ``_``.
        cls: a frozen dataclass, a subclass of the family's abstract class.

    Raises:
        ValueError: if there is no such family, or the name is taken or has other characters.
        TypeError: if the class is no frozen dataclass of the family, or has a name already.
    """
    if family not in OPEN:
        raise ValueError(f"a family is one of {', '.join(OPEN)}, got {family!r}")
    base, known = OPEN[family], FAMILIES[OPEN[family]]
    if not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise ValueError(f"a name has letters, digits, - and _, and begins with a letter, got {name!r}")
    if name in known or name in SPELLINGS:
        raise ValueError(f"the {family} {name} exists already; choose a name other than {', '.join(known)}")
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise TypeError(f"a {family} is a subclass of {base.__name__}, got {cls!r}")
    frozen = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    if inspect.isabstract(cls) or not frozen:
        raise TypeError(
            f"a {family} is a frozen dataclass that has all methods of {base.__name__}, got {cls.__name__}; "
            "decorate it with @dataclass(frozen=True)"
        )
    named = next((other for other, member in known.items() if member is cls), None)
    if named is not None:
        raise TypeError(f"{cls.__name__} is registered already, as {named}")
    known[name] = cls
    OWN.add(cls)
