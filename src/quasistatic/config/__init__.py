"""A run as one frozen tree of plain numbers: printed, compared, stored as JSON, changed by `--set field=value`.

Config, Specification, …    the tree                                 tree.py
FAMILIES, register, …       the names of what it is made of          registry.py
to_json, from_json          the tree as JSON values                  json.py
override                    ``field=value`` on the tree             override.py
resumed                     what a resumed run may change            resume.py
"""

from quasistatic.config.json import from_json, read_object, to_json
from quasistatic.config.override import override
from quasistatic.config.registry import FAMILIES, HEADS, NETWORKS, PROCESSES, SCHEDULES, SPELLINGS, register
from quasistatic.config.resume import resumed
from quasistatic.config.tree import Config, DataConfig, Specification, TrainingConfig

__all__ = [
    "FAMILIES",
    "HEADS",
    "NETWORKS",
    "PROCESSES",
    "SCHEDULES",
    "SPELLINGS",
    "Config",
    "DataConfig",
    "Specification",
    "TrainingConfig",
    "from_json",
    "override",
    "read_object",
    "register",
    "resumed",
    "to_json",
]
