"""The verbs over many machines: callables for an engine, and parts of a job for none.

    Scorer, Sampler, Completer    a dict of arrays in and out, for `map_batches`, `datasets.map`, …    callables.py
    Shard, write_part, …          parts of a set, and their joining                                     parts.py
    on_ray, pieces_of, …          Parquet files by the workers of a Ray cluster                         engine.py

Each row has a number, which decides its random numbers. So a row's result does not depend on its batch, its shard or
the engine: to the bit between shards, which are whole batches, and to the network's rounding between batches of other
sizes.
"""

from quasistatic.batch.callables import Completer, Sampler, Scorer
from quasistatic.batch.parts import Portion, Shard, merged, part_file, parts_folder, write_part

__all__ = ["Completer", "Portion", "Sampler", "Scorer", "Shard", "merged", "part_file", "parts_folder", "write_part"]
