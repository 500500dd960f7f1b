"""How many times as fast two processes of one thread train as one process of one thread: the 35.7 M network of DDPM.

    python benchmarks/two_processes.py FOLDER --json docs/measured/two_processes.json

Random images of 32×32 are written into FOLDER. Runs of one and of two processes (torchrun, gloo) take turns; both take
the same steps of the same batch. The speed of a run is that of the steps between its first and its last report. Beside
them: two runs at once that know nothing of each other, each of half the batch, which is what the machine can give.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from machine import keep

CHANGES = ("channels=128", "multipliers=1,2,2,2", "blocks=2", "attention=1", "head_width=none", "patch=1", "slim=false",
           "dropout=0.1")  # fmt: skip
DDPM = ["--recipe", "images", *(word for change in CHANGES for word in ("--set", f"network.{change}"))]
FEW = ["--set", "training.held_out_every=1e9", "--set", "training.checkpoint_every=1e9", "--set",
       "training.samples_every=1e9", "--set", "data.held_out=8", "--set", "training.precision=no"]  # fmt: skip


def speed(data: Path, out: Path, processes: int, batch: int, steps: int) -> float:
    """Return images per second of a run."""
    shutil.rmtree(out, ignore_errors=True)
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    words = [sys.executable, *launch, "-m", "quasistatic", "train", str(data), "--out", str(out), "--steps", str(steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [*words, "--batch-size", str(batch), *DDPM, *FEW],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if told.returncode:
        raise SystemExit(told.stderr[-2000:])
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    return (last["step"] - first["step"]) * batch / (last["seconds"] - first["seconds"])


def apart(data: Path, folder: Path, batch: int, steps: int) -> float:
    """Return the images per second of two separate runs at once, of half the batch each."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(speed, data, folder / f"run-apart-{n}", 1, batch // 2, steps) for n in range(2)]
        return sum(run.result() for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    data = given.folder / "images.npy"
    np.save(data, np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8))
    rounds = []
    for turn in range(given.rounds):
        order = (1, 2) if turn % 2 == 0 else (2, 1)
        rounds.append({n: speed(data, given.folder / f"run-{n}", n, given.batch, given.steps) for n in order})
        rounds[-1][0] = apart(data, given.folder, given.batch, given.steps)
        print(rounds[-1], flush=True)
    config = json.loads((given.folder / "run-1" / "config.json").read_text())["config"]
    ratios, limits = [one[2] / one[1] for one in rounds], [one[0] / one[1] for one in rounds]

    def spread(values: list[float]) -> dict[str, float]:
        return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}

    found = {
        "network": config["network"],
        "batch": given.batch,
        "images per second": {n: statistics.median(one[n] for one in rounds) for n in (1, 2)},
        "two separate runs over one": {
            "median": statistics.median(limits),
            "least": min(limits),
            "greatest": max(limits),
        },
        "ratio": {"median": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios)},
    }
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
