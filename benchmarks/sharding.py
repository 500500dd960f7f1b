"""Memory of each of two processes that train one network: all weights in each, or a share (`training.shard`).

    python benchmarks/sharding.py --json docs/measured/sharding.json

Processes run on CPUs (gloo), one thread each. Images are small, so that weights take most of the memory. Of the process
that has most: the bytes of all tensors that live between steps, and its most memory (resident set) while it takes
steps, less what it had before the network was made. Larger images (--side 32 --batch 32) show activation checkpointing.
"""

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from machine import keep

WAYS = {
    "whole": (),
    "whole, activations computed again": ("training.gradient_checkpointing=true",),
    "shared": ("training.shard=true",),
    "shared, activations computed again": ("training.shard=true", "training.gradient_checkpointing=true"),
}


def resident(peak: bool) -> int:
    """Return the bytes that this process has in memory now, or had at most since `forget_peak`."""
    name = "VmHWM" if peak else "VmRSS"
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def forget_peak() -> None:
    """Return free memory to the system, and begin to look for the peak anew."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def worker(channels: int, side: int, batch: int, steps: int, way: str, out: Path) -> None:
    """Train in this process, which torchrun started, and write what it held."""
    from quasistatic.config import Specification, override
    from quasistatic.data import load
    from quasistatic.recipes import recipe
    from quasistatic.runtime.shares import own_share
    from quasistatic.training.loop import Training

    torch.set_num_threads(1)
    images = torch.randint(0, 256, (64, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = load(images)
    changes = [f"network.channels={channels}", "network.multipliers=1,2,2,2", "network.attention=", "network.patch=1"]
    changes += ["network.head_width=none", "network.slim=false", "training.precision=no", f"training.batch={batch}"]
    changes += [f"training.steps={steps}", "training.optimizer=adamw", "data.held_out=8", *WAYS[way]]
    config = override(recipe("images", data, "images"), changes)
    before = resident(peak=False)
    training = Training(config, Specification.of(data))
    run = training.run(data, every=0.0)
    next(run)  # the weights are spread before the first step, and the moments made in it
    forget_peak()
    began = time.monotonic()
    count = sum(1 for _ in run)
    seconds = (time.monotonic() - began) / count
    lives = {id(value): value for value in training.state()[0].values()}
    lives |= {id(value): value for value in training.network.parameters()}
    held = sum(own_share(value).numel() * own_share(value).element_size() for value in lives.values())
    weights = sum(value.numel() for value in training.network.parameters())
    found = {"weights": weights, "held": held, "peak": resident(peak=True) - before, "seconds a step": seconds}
    (out / f"{os.environ['RANK']}.json").write_text(json.dumps(found))


def measured(words: list[str], way: str) -> dict[str, float]:
    """Return what the process that had most held, in two processes that train one of the `WAYS`."""
    with tempfile.TemporaryDirectory() as folder:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__, *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "QUASISTATIC_DEVICE": "cpu"}
        done = subprocess.run(
            [*launch, "--way", way, "--out", folder],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        rows = [json.loads(file.read_text()) for file in Path(folder).iterdir()]
    return {name: max(row[name] for row in rows) for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--way", choices=WAYS, help="the work of one process; for the launcher")
    parser.add_argument("--out", type=Path, help="folder for what a process found; for the launcher")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sizes = (given.channels, given.side, given.batch, given.steps)
    if given.way:
        worker(*sizes, given.way, given.out)
        return
    names = ("--channels", "--side", "--batch", "--steps")
    words = [word for name, size in zip(names, sizes, strict=True) for word in (name, str(size))]
    found = {way: measured(words, way) for way in WAYS}
    for way, row in found.items():
        print(f"{way}: {row['held'] / 2**20:,.0f} MiB held, {row['peak'] / 2**20:,.0f} MiB at most", flush=True)
    keep({"channels": given.channels, "side": given.side, "batch": given.batch, "ways": found}, given.json)


if __name__ == "__main__":
    main()
