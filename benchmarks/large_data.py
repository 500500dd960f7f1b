"""How much memory a run takes on data that do not fit, and whether it goes on exactly.

    python benchmarks/large_data.py FOLDER --gigabytes 5 --json docs/measured/large_data.json

Writes images of random bytes, 28×28, into a .npy file in FOLDER, trains a small network on it by the command, and on a
file of a fiftieth of the size, and reads the largest resident set of each. A run that is stopped and resumed is
compared with a whole one to the bit.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from machine import keep

SIDE, BLOCK = 28, 2**17
SMALL = ["--recipe", "images", "--set", "network.channels=16", "--set", "network.head_width=none", "--set",
         "training.batch=16", "--set", "data.held_out=64", "--set", "training.samples_every=1e9"]  # fmt: skip


def write(path: Path, count: int) -> None:
    """Write ``count`` images of random bytes, block by block."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    generator = np.random.default_rng(0)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        images[start:stop] = generator.integers(0, 256, (stop - start, SIDE, SIDE), np.uint8)
        images.flush()


def command(path: Path, out: Path, steps: int, *more: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    words = [sys.executable, "-m", "quasistatic", "train", str(path), "--out", str(out), "--steps", str(steps)]
    return subprocess.Popen([*words, *SMALL, *more], stderr=subprocess.DEVNULL)


def train(path: Path, out: Path, steps: int, *more: str) -> dict[str, float]:
    """Train, and return seconds and the largest resident set in MiB."""
    began, child = time.monotonic(), command(path, out, steps, *more)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the command ended with {os.waitstatus_to_exitcode(status)}")
    return {"seconds": round(time.monotonic() - began, 1), "peak MiB": round(used.ru_maxrss / 2**10)}


def stop_midway(path: Path, out: Path, steps: int) -> int:
    """Stop a run between its steps; return after how many."""
    child, metrics = command(path, out, steps), out / "metrics.jsonl"
    while child.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 1):
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    child.wait()
    step = json.loads(metrics.read_text().splitlines()[-1])["step"]
    if step >= steps:
        raise SystemExit("the run ended before it could be stopped; ask for more --steps")
    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, object] = {}
    for name, share in (("a fiftieth", 0.02), ("whole", 1.0)):
        path = given.folder / f"{name.split()[-1]}.npy"
        # apart, since a child's largest resident set begins with that of the process that started it
        writing = get_context("spawn").Process(target=write, args=(path, int(share * given.gigabytes * 1e9) // SIDE**2))
        writing.start()
        writing.join()
        found[name] = {"gigabytes": path.stat().st_size / 1e9} | train(
            path, given.folder / f"run-{path.stem}", given.steps
        )
        print(name, found[name], flush=True)
    parts = given.folder / "run-parts"
    found["stopped after step"] = stop_midway(path, parts, given.steps)
    train(path, parts, given.steps, "--resume")
    one, other = (load_file(run / "model.safetensors") for run in (parts, given.folder / "run-whole"))
    found["resumed run is the same"] = all(torch.equal(one[key], other[key]) for key in one)
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
