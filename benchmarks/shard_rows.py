"""A million rows scored by `evaluate --shard 1/2` and `2/2` at once, and merged; one of them is killed midway.

    python benchmarks/shard_rows.py FOLDER --rows 1000000 --json docs/measured/shard_rows.json

Uses the table and the model of `ray_rows.py`, and makes them unless they are in FOLDER. Plain: as there, two processes
that share the pieces of the table. In a third run a part is killed midway and started again at once. All processes have
one thread. Every row must be there once, with the same score in both sharded runs.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from machine import keep
from quasistatic.batch import Scorer
from quasistatic.batch.engine import begin, pieces_of
from ray_rows import OPTIONS, on_two_processes, table_and_run, timed

COMMAND = [sys.executable, "-m", "quasistatic"]
EFFORT = ["--steps", "20", "--draws", "1"]


def start(*words: str | Path) -> subprocess.Popen[bytes]:
    """Start a command on one thread."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(*processes: subprocess.Popen[bytes]) -> None:
    """Wait until all have ended well."""
    if any(process.wait() for process in processes):
        raise SystemExit("a command failed")


def shards(run: Path, table: Path, scores: Path, kill_after: float | None = None) -> None:
    """Score the table in two parts and join them; kill one after so many seconds, and start it again."""
    part = [[*("evaluate", run, table, "--scores", scores, *EFFORT), "--shard", f"{own}/2"] for own in (1, 2)]
    first, second = (start(*words) for words in part)
    if kill_after is not None:
        time.sleep(kill_after)
        second.kill()
        second.wait()
        second = start(*part[1])
    finish(first, second)
    finish(start("merge", run, scores))


def rows(scores: Path) -> list[list[str]]:
    """Return the rows of a file of scores, without its header."""
    with scores.open(newline="") as file:
        return list(csv.reader(file))[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = given.folder
    table, run = table_and_run(folder, given.rows)
    once, killed = folder / "shards.csv", folder / "killed.csv"
    for scores in (once, killed):
        for file in [scores, *Path(f"{scores}.parts").glob("*")]:
            file.unlink(missing_ok=True)
    plain, pieces = folder / "plain-pieces", pieces_of([table])
    shutil.rmtree(plain, ignore_errors=True)
    begin(plain, {}, pieces)
    found = {"plain seconds": timed(lambda: on_two_processes(Scorer(run, options=OPTIONS), pieces, plain))}
    print(found, flush=True)
    found["shards and merge, seconds"] = timed(lambda: shards(run, table, once))
    found["overhead"] = found["shards and merge, seconds"] / found["plain seconds"] - 1
    print(found, flush=True)
    found["seconds with a kill"] = timed(lambda: shards(run, table, killed, found["plain seconds"] / 2))
    own, other = rows(once), rows(killed)
    found |= {"rows": given.rows, "rows once": [int(row[0]) for row in own] == list(range(given.rows))}
    found["same scores after a kill"] = own == other
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
