"""Peak memory of a training step of our U-Net and of public ones: same configuration, batch and mode.

    python benchmarks/memory.py                       the 35.7 M CIFAR-10 network, fp32
    python benchmarks/memory.py --json FILE --modes fp32 fp32-channels-last

Each case is a process of its own, so that none finds memory which another left. It takes three steps; given is
the peak of the resident set during them, less what was resident once the network was made (with its weights). Ours
keeps freed memory, as a run does.
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch
from rich.table import Table

from machine import bfloat16_units, keep
from quasistatic.network import UNetConfig
from quasistatic.runtime.memory import reusing_memory
from throughput import CONSOLE, OPTIMIZERS, Contender, fused_adamw, modes, networks

STEPS = 3


def resident() -> int:
    """Bytes resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def case(name: str, mode: str, batch: int) -> dict[str, int]:
    """Train a few steps; return bytes."""
    make, call = next((make, call) for known, make, call in networks(UNetConfig(), 32) if known == name)
    torch.manual_seed(0)
    contender = Contender(make(), call, modes()[mode], batch, 32, OPTIMIZERS.get(name, fused_adamw))
    before = resident()
    with reusing_memory() if name == "quasistatic" else contextlib.nullcontext():
        for _ in range(STEPS):
            contender.train()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": peak - before, "before": before, "parameters": contender.parameters}


def main() -> None:
    """Measure every case, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--modes", nargs="+", choices=modes(), help="default: fp32; bf16 where it has units")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--case", nargs=2, metavar=("NETWORK", "MODE"), help="measure this one alone, and print JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.case:
        print(json.dumps(case(*options.case, options.batch)))
        return
    report: dict = {"batch": options.batch, "modes": {}}
    for mode in options.modes or ["fp32", *(["bf16"] if bfloat16_units() else [])]:
        rows = {}
        for name, _, _ in networks(UNetConfig(), 32):
            words = [sys.executable, __file__, "--case", name, mode, "--batch", str(options.batch)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rows[name] = json.loads(done.stdout)
        report["modes"][mode] = rows
        table = Table("network", "peak, MiB", "ours is", title=f"{mode}, batch {options.batch}", title_justify="left")
        for name, row in rows.items():
            ratio = rows["quasistatic"]["peak"] / row["peak"]
            table.add_row(name, f"{row['peak'] / 2**20:.0f}", f"{ratio:.2f}×")
        CONSOLE.print(table)
    keep(report, options.json)


if __name__ == "__main__":
    main()
