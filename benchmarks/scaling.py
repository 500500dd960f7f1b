"""How a training step and a forward pass grow: with batch, image size and channels, and with a second process.

    python benchmarks/scaling.py                  one thread; two processes of one thread each at the end
    python benchmarks/scaling.py --json FILE

Each curve changes one number of a small U-Net and holds the others. Rounds alternate over all points; the exponent is
the slope of log seconds over log of that number, fitted to the upper half of the curve, with its standard error. Two
processes (`torchrun --nproc-per-node 2`) share a batch twice as large: 100 % would be twice the images a second.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from machine import keep
from quasistatic.network import UNetConfig

BASE = {"batch": 16, "size": 16, "channels": 32}
CURVES = {"batch": (1, 2, 4, 8, 16, 32, 64), "size": (8, 16, 32, 48), "channels": (16, 32, 64, 128)}
CONSOLE = Console(stderr=True)

WORKER = """
import os, sys, time, torch
torch.set_num_threads(1)
import quasistatic as qs
from quasistatic.config import Specification
from quasistatic.training.loop import Training
data = qs.load("digits")
config = qs.override(qs.recipe("digits", data, "digits"), ["training.steps=1000", f"training.batch={sys.argv[1]}"])
run = Training(config, Specification.of(data))
for _ in range(4):
    run.take_step(data)
start = time.perf_counter()
for _ in range(int(sys.argv[2])):
    run.take_step(data)
if os.environ.get("RANK", "0") == "0":
    print(int(sys.argv[1]) * int(sys.argv[2]) / (time.perf_counter() - start))
"""


class Point:
    """A network and a batch at one point of a curve."""

    def __init__(self, batch: int, size: int, channels: int) -> None:
        torch.manual_seed(0)
        config = UNetConfig(channels=channels, multipliers=(1, 2), blocks=1, attention=(1,), head_width=16, dropout=0.0)
        self.network = config.build((1, size, size)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-6, fused=True)
        self.x_t = torch.randn(batch, 1, size, size).contiguous(memory_format=torch.channels_last)
        self.t = torch.rand(batch, dtype=torch.float64)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.network(self.x_t, self.t)
        self.gflop = counter.get_total_flops() / 1e9

    def forward(self) -> None:
        """Pass the batch through, without gradients."""
        with torch.inference_mode():
            self.network(self.x_t, self.t)

    def train(self) -> None:
        """Take a step: forward, backward, AdamW."""
        self.network(self.x_t, self.t).square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def curves(rounds: int) -> dict[str, Any]:
    """Time all points of all curves in turn."""
    points = {(name, value): Point(**BASE | {name: value}) for name, values in CURVES.items() for value in values}
    seconds: dict[tuple[str, int, str], list[float]] = {}
    for turn in track(range(rounds + 1), "rounds", console=CONSOLE, transient=True):
        for (name, value), point in points.items():
            for work in ("forward", "train"):
                started = time.perf_counter()
                getattr(point, work)()
                if turn:
                    seconds.setdefault((name, value, work), []).append(time.perf_counter() - started)
    found: dict[str, Any] = {}
    for name, values in CURVES.items():
        rows = []
        for value in values:
            row = {work: statistics.median(seconds[name, value, work]) for work in ("forward", "train")}
            rows.append({name: value, "gflop": points[name, value].gflop, **row})
        found[name] = {"points": rows}
        for work in ("forward", "train"):
            slope, error = exponent([row[name] for row in rows], [row[work] for row in rows])
            found[name] |= {f"{work}_exponent": slope, f"{work}_exponent_error": error}
    return found


def exponent(sizes: list[float], seconds: list[float]) -> tuple[float, float]:
    """Return the slope of log seconds over log size in the upper half of the curve, and its standard error."""
    x, y = (np.log(np.array(part[len(part) // 2 - 1 :])) for part in (sizes, seconds))
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


def processes(rounds: int, batch: int = 32, steps: int = 20) -> dict[str, float]:
    """Images per second of one process and of two that share a batch twice as large, alternating."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    rates: dict[str, list[float]] = {"one": [], "two": []}
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "worker.py"
        script.write_text(WORKER)
        for _ in range(rounds):
            for name, how, size in (("one", [], batch), ("two", launch, 2 * batch)):
                words = [sys.executable, *how, str(script), str(size), str(steps)]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                rates[name].append(float(done.stdout.split()[-1]))
    ratios = [b / a for a, b in zip(rates["one"], rates["two"], strict=True)]
    return {
        "one": statistics.median(rates["one"]),
        "two": statistics.median(rates["two"]),
        "efficiency": statistics.median(ratios) / 2,
        "efficiency_least": min(ratios) / 2,
        "efficiency_greatest": max(ratios) / 2,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"base": BASE, "curves": curves(options.rounds)}
    report["processes"] = processes(min(3, options.rounds))
    for name, curve in report["curves"].items():
        table = Table(name, "GFLOP", "forward, ms", "training step, ms", title=f"by {name}", title_justify="left")
        for row in curve["points"]:
            table.add_row(
                str(row[name]), f"{row['gflop']:.3f}", f"{1e3 * row['forward']:.1f}", f"{1e3 * row['train']:.1f}"
            )
        CONSOLE.print(table)
        CONSOLE.print(
            f"exponents: forward {curve['forward_exponent']:.2f} ± {curve['forward_exponent_error']:.2f}, training "
            f"{curve['train_exponent']:.2f} ± {curve['train_exponent_error']:.2f}"
        )
    two = report["processes"]
    CONSOLE.print(
        f"two processes: {two['two']:.0f} images/s against {two['one']:.0f}: {two['efficiency']:.0%} of twice "
        f"({two['efficiency_least']:.0%} to {two['efficiency_greatest']:.0%})"
    )
    keep(report, options.json)


if __name__ == "__main__":
    main()
