"""What share of the machine's matrix ceiling a training step of the recipe `text` reaches, and where the rest goes.

    python benchmarks/text_step.py FILE --threads 1 --json docs/measured/text_step.json

A step and a product of two 1024 × 1024 matrices take turns, since a shared machine's ceiling moves. Operations are
counted by torch's counter of products; both directions and the masked examples are in it. The shares of a profile are
of the step's own time on the CPU.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import quasistatic as qs
from machine import keep
from quasistatic.config import Specification, override
from quasistatic.recipes import recipe
from quasistatic.runtime.memory import reusing_memory
from quasistatic.training.loop import Training

SIDE = 1024
GROUPS = {
    "products": ("mm", "addmm", "bmm", "linear"),
    "attention": ("attention", "flash"),
    "counts": ("searchsorted", "unique", "bincount", "index", "scatter", "gather"),
    "GELU and norms": ("gelu", "norm"),
    "copies": ("copy", "cat", "clone", "contiguous", "fill", "zero"),
    "optimizer and average": ("_foreach", "lerp", "adam"),
}


def summary(values: list[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def shares(training: Training, data: qs.Dataset) -> dict[str, float]:
    """Return the share of a step's time that each group of operations takes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(3):
            training.take_step(data)
    found, total = dict.fromkeys((*GROUPS, "others"), 0.0), 0.0
    for event in profiled.key_averages():
        own = event.self_cpu_time_total
        name = next((name for name, words in GROUPS.items() if any(word in event.key for word in words)), "others")
        found[name], total = found[name] + own, total + own
    return {name: round(value / total, 3) for name, value in found.items()}


@reusing_memory()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = qs.load(given.data)
    config = override(recipe(None, data, given.data), ["training.steps=1000"])
    training = Training(config, Specification.of(data))
    training.begin(data)
    training.take_step(data)
    with FlopCounterMode(display=False) as counter:
        training.take_step(data)
    operations, one, other = counter.get_total_flops(), *(torch.randn(SIDE, SIDE) for _ in range(2))
    steps, ceilings = [], []
    for _ in range(given.rounds):
        began = time.perf_counter()
        training.take_step(data)
        middle = time.perf_counter()
        for _ in range(8):
            one @ other
        steps.append(operations / (middle - began) / 1e9)
        ceilings.append(8 * 2 * SIDE**3 / (time.perf_counter() - middle) / 1e9)
    ratio = [step / ceiling for step, ceiling in zip(steps, ceilings, strict=True)]
    found = {
        "GFLOP a step": operations / 1e9,
        "batch": config.training.batch,
        "threads": given.threads,
        "GFLOP/s of a step": summary(steps),
        "GFLOP/s of a product": summary(ceilings),
        "share": summary(ratio),
        "where the time goes": shares(training, data),
    }
    print(json.dumps(found, indent=1))
    keep(found, given.json)


if __name__ == "__main__":
    main()
