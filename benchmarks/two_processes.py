"""How many times as fast two processes of one thread train as one process of one thread: the 35.7 M network of DDPM.

    python benchmarks/two_processes.py FOLDER --json docs/measured/two_processes.json

Random images of 32×32 are written into FOLDER. Runs of the same batch are started: on one process, on two (torchrun,
gloo), on two that share the weights, so that each moves half of them (`training.shard`), and, to see what the machine
can give, two runs of half the batch that know nothing of each other.
Then they take turns, as the speed of a shared machine changes within minutes: one goes on while the others are stopped
(SIGSTOP). A run's clock stands still while it is stopped. The speeds are those of whole steps on this clock.
The errors come from rounds, each against the round's own speed of one process.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from machine import keep

CHANGES = ("channels=128", "multipliers=1,2,2,2", "blocks=2", "attention=1", "head_width=none", "patch=1", "slim=false",
           "dropout=0.1")  # fmt: skip
DDPM = ["--recipe", "images", *(word for change in CHANGES for word in ("--set", f"network.{change}"))]
FEW = ["--set", "training.held_out_every=1e9", "--set", "training.checkpoint_every=1e9", "--set",
       "training.samples_every=1e9", "--set", "data.held_out=8", "--set", "training.precision=no"]  # fmt: skip
NAMES = {"two": "two processes", "shared": "two that share the weights", "apart": "two separate runs"}
WARM = 2
"""Steps of a run before the turns."""


class Run:
    """A run in a session of its own, which can be stopped and goes on; its clock stands still meanwhile."""

    def __init__(self, data: Path, out: Path, processes: int, batch: int, *changes: str) -> None:
        shutil.rmtree(out, ignore_errors=True)
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        words = [sys.executable, *(launch if processes > 1 else []), "-m", "quasistatic", "train", str(data)]
        words += ["--out", str(out), "--steps", "1000000", "--batch-size", str(batch), *DDPM, *FEW, *changes]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.log, self.metrics, self.batch = out.with_suffix(".log"), out / "metrics.jsonl", batch
        with self.log.open("w") as file:
            self.process = subprocess.Popen(words, env=environment, stdout=file, stderr=file, start_new_session=True)
        self.clock, self.at = 0.0, list[float]()
        """Seconds that it went on, and those at which each step was seen to be done."""

    def processes(self) -> list[int]:
        """Return its processes: torchrun, or the only one, and those that torchrun started; none once it has ended."""
        if self.process.poll() is not None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *sorted(map(int, children))]

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes: torchrun starts each in a session of its own."""
        for process in self.processes():
            os.kill(process, number)

    def pin(self, core: int) -> None:
        """Keep each process that trains on a core of its own, from ``core`` on."""
        first, *children = self.processes()
        for number, process in enumerate(children if len(children) > 1 else [first]):
            for thread in Path(f"/proc/{process}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core + number})

    def steps(self) -> int:
        """Return the steps done."""
        lines = self.metrics.read_text().splitlines() if self.metrics.exists() else []
        return json.loads(lines[-1])["step"] if lines else 0

    def look(self, since: float) -> None:
        """Note the steps that were done, ``since`` seconds into the turn."""
        if self.process.poll() is not None:
            raise SystemExit(self.log.read_text()[-2000:])
        self.at += [self.clock + since] * (self.steps() - WARM - len(self.at))

    def images(self, first: float, last: float) -> float:
        """Return the images per second between two readings of its clock, parts of steps counted evenly."""
        done = np.interp([first, last], [0.0, *self.at], np.arange(len(self.at) + 1.0))
        return self.batch * float(done[1] - done[0]) / (last - first)


def turn(runs: Sequence[Run], seconds: float) -> None:
    """Let some runs go on together."""
    for run in runs:
        run.signal(signal.SIGCONT)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(0.05)
        for run in runs:
            run.look(time.monotonic() - began)
    for run in runs:
        run.signal(signal.SIGSTOP)
        run.clock += time.monotonic() - began


def warmed(runs: Sequence[Run]) -> None:
    """Wait for the first steps, and stop the runs."""
    while any(run.steps() < WARM for run in runs):
        for run in runs:
            run.look(0.0)
        time.sleep(0.2)
    for run in runs:
        run.signal(signal.SIGSTOP)
    for run in runs:
        run.at = [0.0] * (run.steps() - WARM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turn", type=float, default=40.0, help="seconds")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a change of all runs")
    parser.add_argument("--pin", action="store_true", help="keep each process on a core of its own")
    parser.add_argument("--only", nargs="+", choices=["two", "shared", "apart"], default=["two", "shared", "apart"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    data = given.folder / "images.npy"
    np.save(data, np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8))
    changes = [word for change in given.set for word in ("--set", change)]
    shared = ("--set", "training.shard=true")
    kinds = {"one": [(1, given.batch)], "two": [(2, given.batch)], "shared": [(2, given.batch, *shared)]}
    kinds["apart"] = [(1, given.batch // 2)] * 2
    kinds = {name: kind for name, kind in kinds.items() if name in ("one", *given.only)}
    runs: dict[str, list[Run]] = {}
    try:
        for name, kind in kinds.items():
            runs[name] = [Run(data, given.folder / f"{name}-{n}", *one, *changes) for n, one in enumerate(kind)]
            warmed(runs[name])
            for number, run in enumerate(runs[name] if given.pin else []):
                run.pin(number)
        for number in range(given.rounds):
            for name in runs if number % 2 == 0 else reversed(runs):
                turn(runs[name], given.turn)
            print({name: [len(run.at) for run in own] for name, own in runs.items()}, flush=True)
    finally:
        for own in runs.values():
            for run in own:
                run.signal(signal.SIGKILL)
    config = json.loads((given.folder / "one-0" / "config.json").read_text())["config"]

    def speed(name: str, first: float, last: float) -> float:
        return sum(run.images(first, last) for run in runs[name])

    def ratio(name: str) -> dict[str, float]:
        end = min(run.at[-1] for own in runs.values() for run in own)
        edges = np.linspace(0.0, end, given.rounds + 1)
        each = [speed(name, *edge) / speed("one", *edge) for edge in itertools.pairwise(edges)]
        error = statistics.stdev(each) / len(each) ** 0.5
        return {
            "over one": speed(name, 0.0, end) / speed("one", 0.0, end),
            "error": error,
            "median": statistics.median(each),
        }

    found = {
        "network": config["network"],
        "batch": given.batch,
        "turns": [given.rounds, given.turn],
        "images per second": {name: speed(name, 0.0, min(run.at[-1] for run in runs[name])) for name in runs},
        "changes": given.set,
        "pinned": given.pin,
        **{NAMES[name]: ratio(name) for name in given.only},
    }
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
