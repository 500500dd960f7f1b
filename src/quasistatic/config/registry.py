"""Names of the members of each family: schedules, processes, networks, heads; data's codecs, columns and scales."""

from quasistatic import schedule
from quasistatic.data import CODECS, COLUMNS, SCALES, Codec, Column, Scale
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    Head,
    LevelsHead,
    ProductHead,
    StepHead,
)
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
    GaussianProcess,
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
    "gaussian": GaussianProcess,
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
