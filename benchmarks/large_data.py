"""How much memory a run takes on data that do not fit, and whether it goes on exactly.

    python benchmarks/large_data.py FOLDER --gigabytes 5 --json docs/measured/large_data.json

Writes images of random bytes, 28×28, into a .npy file in FOLDER, trains a small network on it by the command, and on a
file of a fiftieth of the size, and reads the largest resident set of each. A run of twice half the steps, resumed, is
compared with a whole one to the bit.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from machine import keep

SIDE, BLOCK = 28, 2**17
SMALL = ["--recipe", "images", "--set", "network.channels=16", "--set", "network.head_width=none", "--set", "training.batch=16",
         "--set", "data.held_out=64", "--set", "training.samples_every=1e9"]  # fmt: skip


def write(path: Path, count: int) -> None:
    """Write ``count`` images of random bytes, block by block."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    generator = np.random.default_rng(0)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        images[start:stop] = generator.integers(0, 256, (stop - start, SIDE, SIDE), np.uint8)
        images.flush()


def train(path: Path, out: Path, steps: int, *more: str) -> dict[str, float]:
    """Train, and return seconds and the largest resident set in MiB."""
    words = [sys.executable, "-m", "quasistatic", "train", str(path), "--out", str(out), "--steps", str(steps)]
    began = time.monotonic()
    child = subprocess.Popen([*words, *SMALL, *more], stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the command ended with {os.waitstatus_to_exitcode(status)}")
    return {"seconds": round(time.monotonic() - began, 1), "peak MiB": round(used.ru_maxrss / 2**10)}


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
        write(path, int(share * given.gigabytes * 1e9) // SIDE**2)
        found[name] = {"gigabytes": path.stat().st_size / 1e9} | train(
            path, given.folder / f"run-{path.stem}", given.steps
        )
        print(name, found[name], flush=True)
    parts = given.folder / "run-parts"
    train(path, parts, given.steps // 2)
    train(path, parts, given.steps, "--resume")
    one, other = (load_file(run / "model.safetensors") for run in (parts, given.folder / "run-whole"))
    found["resumed run is the same"] = all(torch.equal(one[key], other[key]) for key in one)
    print(json.dumps(found))
    keep(found, given.json)


if __name__ == "__main__":
    main()
