"""What it saves to keep freed memory while a model works (`memory.reusing_memory`): the same work with and without.

    python benchmarks/allocation.py --json FILE

The recipes `mnist` (on random images) and `digits`, a training step and a guess (network and mean) of as many examples.
Rounds alternate; in each, two calls warm up and three are timed. Pages are those that the system brought in.
"""

import argparse
import contextlib
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from machine import keep
from quasistatic.config import Specification
from quasistatic.data import load
from quasistatic.data.dataset import from_tensor
from quasistatic.recipes import recipe
from quasistatic.runtime.memory import reusing_memory
from quasistatic.training.duration import with_steps
from quasistatic.training.loop import Training

CONSOLE = Console(stderr=True)


def works(name: str) -> dict[str, Callable[[], object]]:
    """A training step and a guess of the recipe ``name``."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (512, 1, 28, 28), dtype=torch.uint8, generator=generator)
    data = load("digits") if name == "digits" else from_tensor(name, images)
    config = with_steps(recipe(name, data, name), 10_000)
    training = Training(config, Specification.of(data))
    model, batch = training.model, config.training.batch
    x_t, t = torch.randn(batch, *data.shape), torch.rand(batch, dtype=torch.float64)

    @torch.inference_mode()
    def guess() -> object:
        return model.denoiser(x_t, t).mean

    return {"training step": lambda: training.take_step(data), "guess": guess}


def measure(work: Callable[[], object], rounds: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Time a call with memory handed back and kept; ratios are within a round."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    pages: dict[bool, list[int]] = {False: [], True: []}
    for _ in range(rounds):
        for kept in (False, True):
            with reusing_memory() if kept else contextlib.nullcontext():
                for _ in range(2):
                    work()
                faults, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, clock()
                for _ in range(3):
                    work()
                seconds[kept].append((clock() - started) / 3)
                pages[kept].append((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) // 3)
    ratios = [a / b for a, b in zip(seconds[False], seconds[True], strict=True)]
    return {
        "handed_back": statistics.median(seconds[False]),
        "kept": statistics.median(seconds[True]),
        "pages_handed_back": statistics.median(pages[False]),
        "pages_kept": statistics.median(pages[True]),
        "ratio": statistics.median(ratios),
        "ratio_least": min(ratios),
        "ratio_greatest": max(ratios),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="cpu")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    report: dict[str, Any] = {"threads": options.threads, "clock": options.clock, "rows": {}}
    cases = [(name, what, work) for name in ("mnist", "digits") for what, work in works(name).items()]
    for name, what, work in track(cases, "cases", console=CONSOLE, transient=True):
        report["rows"][f"{name}, {what}"] = measure(work, options.rounds, clock)
    table = Table("work", "handed back, ms", "kept, ms", "pages", "pages", "times as fast")
    for name, row in report["rows"].items():
        table.add_row(
            name,
            f"{1e3 * row['handed_back']:.0f}",
            f"{1e3 * row['kept']:.0f}",
            f"{row['pages_handed_back']:,.0f}",
            f"{row['pages_kept']:,.0f}",
            f"{row['ratio']:.2f} ({row['ratio_least']:.2f} to {row['ratio_greatest']:.2f})",
        )
    CONSOLE.print(table)
    keep(report, options.json)


if __name__ == "__main__":
    main()
