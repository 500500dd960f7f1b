"""A million rows scored by two Ray workers, beside the same pieces in two plain processes; one worker is killed midway.

    python benchmarks/ray_rows.py FOLDER --rows 1000000 --json docs/measured/ray_rows.json

Writes a table of --rows rows into FOLDER and trains a small model of it, unless they are there. Plain: two processes on
one thread each share the pieces. Ray: `batch.engine.on_ray` with two workers; the start of the cluster is timed apart.
In a third run a worker kills itself in the middle. Each must hold every row once, with the same scores.
"""

import argparse
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from pyarrow import parquet

import quasistatic as qs
from machine import keep
from quasistatic.batch import Scorer
from quasistatic.batch.engine import Piece, begin, do, on_ray, pieces_of
from quasistatic.config import override
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.recipes import recipe
from quasistatic.training.checkpoint import train

OPTIONS = EvaluateOptions(steps=20, draws=1)


class DyingOnce:
    """Scores rows, and kills its process when it first comes to a row."""

    def __init__(self, scorer: Scorer, row: int, note: Path) -> None:
        self.scorer, self.row, self.note = scorer, row, note

    def __call__(self, batch: Mapping[str, Any]) -> Any:
        if self.row in batch["row"] and not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.scorer(batch)


def write(path: Path, rows: int) -> None:
    """Write a table of two kinds of numbers and a category that go together."""
    chance = np.random.default_rng(0)
    kind = chance.choice(4, rows)
    size = chance.normal(kind, 1)
    columns = {"kind": np.array(list("abcd"))[kind], "size": size, "count": chance.poisson(3 + 2 * kind)}
    parquet.write_table(pyarrow.table(columns | {"half": size / 2 + chance.normal(0, 0.1, rows)}), path)


def model_of(path: Path, run: Path) -> None:
    """Train a small model on the first rows."""
    few = path.with_name("few.parquet")
    parquet.write_table(parquet.ParquetFile(path).read_row_group(0).slice(0, 5000), few)
    data = qs.load(few)
    config = override(recipe(None, data, str(few)), ["training.steps=200", "training.minutes=1"])
    for _ in train(config, data, run):
        pass


def table_and_run(folder: Path, rows: int) -> tuple[Path, Path]:
    """Return a table and a run of a small model of it in ``folder``; make them unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    table, run = folder / f"{rows}.parquet", folder / "run"
    if not table.exists():
        write(table, rows)
    if not run.exists():
        model_of(table, run)
    return table, run


def plain(scorer: Scorer, pieces: Sequence[Piece], out: Path) -> None:
    """Do some pieces in this process."""
    torch.set_num_threads(1)
    for piece in pieces:
        do(scorer, piece, out)


def timed(work: Any) -> float:
    """Return the seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def on_two_processes(scorer: Scorer, pieces: Sequence[Piece], out: Path) -> None:
    """Share the pieces between two plain processes."""
    both = [get_context("spawn").Process(target=plain, args=(scorer, pieces[own::2], out)) for own in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    table, run = table_and_run(given.folder, given.rows)
    scorer, pieces, found = Scorer(run, options=OPTIONS), pieces_of([table]), dict[str, Any]()
    outs = {name: given.folder / name for name in ("plain", "ray", "killed")}
    for out in outs.values():
        shutil.rmtree(out, ignore_errors=True)
        begin(out, {}, pieces)
    found["plain seconds"] = timed(lambda: on_two_processes(scorer, pieces, outs["plain"]))
    print(found, flush=True)
    import ray

    found["start of Ray, seconds"] = timed(
        lambda: ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    )
    found["Ray seconds"] = timed(lambda: on_ray(scorer, pieces, outs["ray"], "local"))
    found["overhead"] = found["Ray seconds"] / found["plain seconds"] - 1
    found["overhead with the start"] = found["overhead"] + found["start of Ray, seconds"] / found["plain seconds"]
    print(found, flush=True)
    dying = DyingOnce(scorer, given.rows // 2, given.folder / "died")
    dying.note.unlink(missing_ok=True)
    found["seconds with a kill"] = timed(lambda: on_ray(dying, pieces, outs["killed"], "local"))
    ray.shutdown()
    scores = {name: parquet.read_table(out, columns=["row", "log_likelihood"]) for name, out in outs.items()}
    for name, own in scores.items():
        found[f"rows once, {name}"] = bool((own["row"].to_numpy() == np.arange(given.rows)).all())
        found[f"same scores, {name}"] = own["log_likelihood"].equals(scores["plain"]["log_likelihood"])
    found |= {"rows": given.rows, "pieces": len(pieces), "a worker was killed": dying.note.exists()}
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
