"""Configuration of a run: a frozen tree of plain values, stored as JSON and changed by `--set field=value`.

Config, Specification, …    the tree's dataclasses                   tree.py
FAMILIES, register, …       names of processes, networks, heads, …   registry.py
to_json, from_json          conversion to and from JSON values       json.py
import_parts                imports classes of the user's own        own.py
override                    applies ``field=value`` changes          override.py
resumed                     what a resumed run may change            resume.py
"""

from quasistatic.config.json import from_json, name_of, read_object, to_json
from quasistatic.config.override import field_called, override
from quasistatic.config.own import import_parts
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
    "field_called",
    "from_json",
    "import_parts",
    "name_of",
    "override",
    "read_object",
    "register",
    "resumed",
    "to_json",
]
