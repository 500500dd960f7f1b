"""What each of our forms of torch's operations saves (`network.operations`, `StraightAdamW`): there and back, in turn.

    python benchmarks/operations.py --json FILE

Sizes are those of the 35.7 M U-Net at batch 8 and of the recipes. Each round runs both once, after a write to more
memory than a cache holds; ratios are torch's time over ours within a round. bfloat16 where the CPU has units for it.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from machine import bfloat16_units, keep
from quasistatic.network.blocks import Upsample
from quasistatic.network.operations import Dropout, GroupNorm, attend
from quasistatic.runtime.memory import reusing_memory
from quasistatic.training.optimizer import StraightAdamW
from throughput import seconds, summary

CONSOLE = Console(stderr=True)
Work = Callable[[], object]
Pair = tuple[Work, Work]
"""Ours and torch's."""
MORE_THAN_A_CACHE = 16 * 2**20
"""Numbers of 4 bytes."""


def maps(*shape: int, dtype: torch.dtype) -> Tensor:
    """Random maps, held channels_last, that want a gradient."""
    return torch.randn(shape).to(dtype, memory_format=torch.channels_last).requires_grad_()


def there_and_back(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Call a function and take the gradients of its inputs."""
    output = function(*inputs)
    torch.autograd.grad(output, inputs, torch.ones_like(output))


def attention(batch: int, heads: int, places: int, width: int, dtype: torch.dtype) -> Pair:
    """Softmax attention."""
    parts = [torch.randn(batch, heads, places, width, dtype=dtype, requires_grad=True) for _ in range(3)]
    return partial(there_and_back, attend, *parts), partial(there_and_back, F.scaled_dot_product_attention, *parts)


def norm(channels: int, side: int, dtype: torch.dtype) -> Pair:
    """A GroupNorm of 32 groups."""
    ours, theirs = (kind(32, channels).to(dtype) for kind in (GroupNorm, nn.GroupNorm))
    h = maps(8, channels, side, side, dtype=dtype)
    return partial(there_and_back, ours, h), partial(there_and_back, theirs, h)


def dropout(dtype: torch.dtype) -> Pair:
    """Dropout of a tenth."""
    h = maps(8, 128, 32, 32, dtype=dtype)
    return partial(there_and_back, Dropout(0.1), h), partial(there_and_back, nn.Dropout(0.1), h)


def upsampling(dtype: torch.dtype) -> Pair:
    """Each place repeated 2×2, then a 3×3 convolution."""
    layer = Upsample(256, 256).to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    h = maps(8, 256, 16, 16, dtype=dtype)
    plain = lambda h: layer.conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))  # noqa: E731
    return partial(there_and_back, layer, h), partial(there_and_back, plain, h)


def adamw(dtype: torch.dtype) -> Pair:
    """AdamW's fused step over twenty kernels held channels_last."""

    def stepper(kind: type[torch.optim.AdamW]) -> Work:
        kernels = [nn.Parameter(maps(256, 256, 3, 3, dtype=dtype).detach()) for _ in range(20)]
        for kernel in kernels:
            kernel.grad = torch.ones_like(kernel)
        return kind(kernels, fused=True).step

    return stepper(StraightAdamW), stepper(torch.optim.AdamW)


MASTER = "AdamW, twenty kernels 256×256×3×3"
"""Of weights, which are float32 in every run."""
CASES: dict[str, Callable[[torch.dtype], Pair]] = {
    "attention, 256 places, 1 head of 256": lambda dtype: attention(8, 1, 256, 256, dtype),
    "attention, 49 places, 2 heads of 48": lambda dtype: attention(32, 2, 49, 48, dtype),
    "attention, 64 places, 8 heads of 16": lambda dtype: attention(64, 8, 64, 16, dtype),
    "GroupNorm, 128 maps of 32×32": lambda dtype: norm(128, 32, dtype),
    "GroupNorm, 256 maps of 32×32": lambda dtype: norm(256, 32, dtype),
    "GroupNorm, 256 maps of 16×16": lambda dtype: norm(256, 16, dtype),
    "dropout, 128 maps of 32×32": dropout,
    "up from 256 maps of 16×16": upsampling,
    MASTER: adamw,
}


@reusing_memory()
def measure(pair: Pair, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Time both in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    flushed = torch.empty(MORE_THAN_A_CACHE)
    for turn in range(rounds + 2):
        for work, times in zip(pair, found, strict=True):
            flushed.fill_(1)
            once = seconds(work, clock)
            if turn > 1:
                times.append(once)
    row = summary(*found, batch=1)
    return {"ours": sorted(found[0])[rounds // 2], "torch": 1 / row.pop("images_per_second"), **row}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    precisions = {"fp32": torch.float32, **({"bf16": torch.bfloat16} if bfloat16_units() else {})}
    cases = [
        (name, what, dtype)
        for what in CASES
        for name, dtype in precisions.items()
        if what != MASTER or dtype == torch.float32
    ]
    report: dict[str, Any] = {"threads": options.threads, "clock": options.clock, "rows": {}}
    for name, what, dtype in track(cases, "operations", console=CONSOLE, transient=True):
        report["rows"].setdefault(what, {})[name] = measure(CASES[what](dtype), options.rounds, clock)
    table = Table("there and back", *(f"{name}, {who}" for name in precisions for who in ("ms", "times as fast")))
    for what, row in report["rows"].items():
        cells = []
        for part in row.values():
            ratio = f"{part['ratio']:.2f} ({part['ratio_least']:.2f}–{part['ratio_greatest']:.2f})"
            cells += [f"{1e3 * part['ours']:.2f}", ratio]
        table.add_row(what, *cells)
    CONSOLE.print(table)
    keep(report, options.json)


if __name__ == "__main__":
    main()
