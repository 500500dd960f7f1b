"""What a stream of random numbers per example costs in training, against torch's generator, which knows the batch only.

    python benchmarks/streams.py --json FILE

Steps of the recipes on one thread, as they are and with torch's generator in place of the streams, in turn. A ratio is
the seconds with streams over those without, within a round.
"""

import argparse
import statistics
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

import quasistatic as qs
from machine import keep
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset, from_tensor, load
from quasistatic.training import loop
from quasistatic.training.loop import Training

CONSOLE = Console(stderr=True)


def letters() -> Dataset:
    """A text of 26 letters, without any structure."""
    codes = torch.randint(97, 123, (200 * 256,), generator=torch.Generator().manual_seed(0))
    with TemporaryDirectory() as place:
        file = Path(place) / "letters.txt"
        file.write_text("".join(map(chr, codes.tolist())))
        return load(str(file))


def people() -> Dataset:
    """A table of numbers and names."""
    numbers = torch.randn(4000, 6, generator=torch.Generator().manual_seed(0))
    return load(pd.DataFrame(numbers.numpy(), columns=list("abcdef")).assign(g=list("uvwx") * 1000))


CASES: dict[str, tuple[str, Any, list[str]]] = {
    "digits": ("digits", lambda: load("digits"), []),
    "points": ("points", lambda: load("swiss-roll"), []),
    "heartbeat": ("heartbeat", lambda: load("heartbeat", limit=2000), []),
    "table": ("table", people, []),
    "text": ("text", letters, []),
    "images, 35.7 M": (
        "images",
        lambda: from_tensor("noise", torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8)),
        ["network=unet", "training.batch=8", "training.optimizer=adamw"],
    ),
}
"""Recipe, data and changes, by name."""


def run_of(recipe: str, data: Dataset, changes: list[str]) -> Training:
    """A run that has taken a few steps."""
    config: Config = qs.override(qs.recipe(recipe, data, recipe), ["training.steps=100000", *changes])
    run = Training(config, Specification.of(data))
    for _ in range(2):
        run.take_step(data)
    return run


def timed(run: Training, data: Dataset, plain: bool, steps: int) -> float:
    """Return the seconds of some steps; ``plain``: with torch's generator."""
    without = mock.patch.multiple(loop, streams_of=lambda *_: None, dropping=lambda *_: nullcontext())
    with without if plain else nullcontext():
        began = time.perf_counter()
        for _ in range(steps):
            run.take_step(data)
        return time.perf_counter() - began


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, at least")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report, table = {}, Table("recipe", "ms a step", "ratio", "least", "greatest")
    for name in options.cases:
        recipe, make, changes = CASES[name]
        data = make()
        run = run_of(recipe, data, changes)
        steps = max(1, round(options.seconds / timed(run, data, False, 1)))
        ratios, seconds = [], []
        for turn in track(range(options.rounds), name, console=CONSOLE, transient=True):
            pair = [timed(run, data, plain, steps) for plain in ((False, True) if turn % 2 else (True, False))]
            ours, theirs = pair if turn % 2 else reversed(pair)
            ratios.append(ours / theirs)
            seconds.append(ours / steps)
        found = statistics.median(ratios)
        report[name] = {"seconds": statistics.median(seconds), "ratio": found, "ratios": ratios}
        milliseconds = f"{1e3 * statistics.median(seconds):.1f}"
        table.add_row(name, milliseconds, f"{found:.3f}", f"{min(ratios):.3f}", f"{max(ratios):.3f}")
    CONSOLE.print(table)
    keep(report, options.json)


if __name__ == "__main__":
    main()
