"""Images per second of our U-Net and of two public ones: same configuration, batch, threads, in one run.

    python benchmarks/throughput.py                      the 35.7 M CIFAR-10 network
    python benchmarks/throughput.py --quick              a small network, under a minute
    python benchmarks/throughput.py --modes fp32 compiled --json throughput.json

Peers: `diffusers.UNet2DModel`, and `denoising_diffusion_pytorch.Unet`, which differs a little (28.5 M parameters) and
asks for torchvision without using it here; stand-ins take its place. To install the latter into the environment:

    pip install --no-deps denoising_diffusion_pytorch einops ema_pytorch

Modes are fp32 as each network comes (ours holds its kernels channels_last), fp32 with all kernels and maps
channels_last, and bf16 where the CPU has units for it; `compiled` is on demand. A peer that is missing is left out.
Every round times each network once, in turn, so that a machine which slows down slows all of them: read the ratios,
ours over theirs within a round, with their least and greatest value. Where others use the same cores, wall time says
little: `--clock cpu --threads 1` counts this process's own seconds.
"""

import argparse
import contextlib
import dataclasses
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from machine import bfloat16_units, keep
from quasistatic.network import UNetConfig
from quasistatic.runtime.memory import reusing_memory
from quasistatic.training.optimizer import adamw

Call = Callable[[Tensor, Tensor], Tensor]
Clock = Callable[[], float]
Key = tuple[str, str]  # mode, network
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
WORKS = ("forward", "train")
CONSOLE = Console(width=120)
PEER_STAND_INS = ("torchvision", "torchvision.transforms", "torchvision.utils", "torchvision.datasets", "pytorch_fid")


@dataclasses.dataclass(frozen=True)
class Mode:
    """How a network is run."""

    bfloat16: bool = False
    channels_last: bool = False
    compiled: bool = False


def modes() -> dict[str, Mode]:
    """The modes by name; `compiled` is on top of the best precision for this CPU."""
    fast = bfloat16_units()
    return {
        "fp32": Mode(),
        "fp32-channels-last": Mode(channels_last=True),
        "bf16": Mode(bfloat16=True, channels_last=True),
        "compiled": Mode(bfloat16=fast, channels_last=True, compiled=True),
    }


def fused_adamw(module: nn.Module) -> torch.optim.Optimizer:
    """Make the optimizer of the peers, torch's in its fastest form."""
    return torch.optim.AdamW(module.parameters(), fused=True)


OPTIMIZERS = {"quasistatic": lambda module: adamw(module, (), 0.01)}
"""Ours, which is that of a run; the others take `fused_adamw`."""


class Contender:
    """One network in one mode: a forward pass and a training step of the same batch."""

    def __init__(
        self,
        module: nn.Module,
        call: Callable[[nn.Module], Call],
        mode: Mode,
        batch: int,
        size: int,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer] = fused_adamw,
    ) -> None:
        self.parameters = sum(parameter.numel() for parameter in module.parameters())
        module = module.to(memory_format=torch.channels_last) if mode.channels_last else module  # type: ignore[call-overload]
        self.optimizer = optimizer(module)
        self.module: nn.Module = torch.compile(module) if mode.compiled else module  # type: ignore[assignment]
        self.call = call(self.module)
        self.mode = mode
        x_t = torch.randn(batch, 3, size, size)
        self.x_t = x_t.contiguous(memory_format=torch.channels_last) if mode.channels_last else x_t
        self.t = torch.rand(batch, dtype=torch.float64)
        self.noise = torch.randn(batch, 3, size, size)

    def forward(self) -> None:
        """Pass the batch through the network, without gradients."""
        self.module.eval()
        with torch.inference_mode(), self._precision():
            self.call(self.x_t, self.t)

    def train(self) -> None:
        """Take one step: forward, backward, AdamW."""
        self.module.train()
        with self._precision():
            output = self.call(self.x_t, self.t)
        (output.float() - self.noise).square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def flops(self) -> int:
        """Count the operations of a forward pass, a multiplication and an addition being two."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.call(self.x_t[:1], self.t[:1])
        return counter.get_total_flops()

    def _precision(self) -> contextlib.AbstractContextManager[None]:
        return torch.autocast("cpu", torch.bfloat16) if self.mode.bfloat16 else contextlib.nullcontext()


def networks(
    config: UNetConfig, size: int
) -> Iterator[tuple[str, Callable[[], nn.Module], Callable[[nn.Module], Call]]]:
    """Yield (name, make the module, turn the module into a call) for ours and for each peer that is installed."""
    yield "quasistatic", lambda: config.build((3, size, size)), lambda net: lambda x_t, t: net(x_t, t)[:, 0]
    try:
        diffusers = importlib.import_module("diffusers")
    except ImportError:
        CONSOLE.print("diffusers is not installed: left out")
    else:
        yield "diffusers", lambda: their_unet(diffusers, config), lambda net: lambda x_t, t: net(x_t, 1000 * t).sample
    for name in PEER_STAND_INS:
        sys.modules.setdefault(name, MagicMock())
    try:
        peer = importlib.import_module("denoising_diffusion_pytorch")
    except ImportError:
        CONSOLE.print("denoising_diffusion_pytorch is not installed: left out")
        return
    attention = tuple(level in config.attention for level in range(len(config.multipliers)))
    settings = {"dim_mults": config.multipliers, "full_attn": attention, "flash_attn": True, "dropout": config.dropout}
    yield (
        "denoising_diffusion_pytorch",
        lambda: peer.Unet(config.channels, **settings),
        lambda net: lambda x_t, t: net(x_t, 1000 * t.float()),
    )


def their_unet(diffusers: object, config: UNetConfig) -> nn.Module:
    """Make UNet2DModel as google/ddpm-cifar10-32 has it, in the size of ``config``."""
    levels = range(len(config.multipliers))
    return diffusers.UNet2DModel(  # type: ignore[attr-defined]
        in_channels=3,
        out_channels=3,
        layers_per_block=config.blocks,
        block_out_channels=tuple(config.channels * m for m in config.multipliers),
        down_block_types=tuple("AttnDownBlock2D" if n in config.attention else "DownBlock2D" for n in levels),
        up_block_types=tuple("AttnUpBlock2D" if n in config.attention else "UpBlock2D" for n in reversed(levels)),
        attention_head_dim=config.head_width,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        norm_num_groups=config.norm(config.channels).num_groups,
        dropout=config.dropout,
    )


def ceilings(bfloat16: bool, clock: Clock) -> dict[str, float]:
    """Measure what the machine can do: GFLOP/s of a large product and of a 256-channel 3×3 convolution."""
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    matrix = torch.randn(2048, 2048, dtype=dtype)
    image = torch.randn(8, 256, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    product = min(seconds(lambda: matrix @ matrix, clock) for _ in range(5))
    convolution = min(seconds(lambda: nn.functional.conv2d(image, weight, padding=1), clock) for _ in range(5))
    return {
        "product": 2 * 2048**3 / product / 1e9,
        "convolution": 2 * 8 * 32**2 * 256**2 * 9 / convolution / 1e9,
    }


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Time one call."""
    start = clock()
    work()
    return clock() - start


@reusing_memory()
def measure(contenders: dict[Key, Contender], rounds: int, clock: Clock) -> dict[Key, dict[str, list[float]]]:
    """Time a forward pass and a training step of every contender, in turn, ``rounds`` times after one to warm up."""
    times: dict[Key, dict[str, list[float]]] = {key: {work: [] for work in WORKS} for key in contenders}
    for turn in track(range(rounds + 1), description="rounds", console=Console(stderr=True), transient=True):
        for work in WORKS:
            order = list(contenders)
            shift = turn % len(order)
            for key in order[shift:] + order[:shift]:
                once = seconds(getattr(contenders[key], work), clock)
                if turn:
                    times[key][work].append(once)
    return times


def summary(ours: list[float], theirs: list[float], batch: int) -> dict[str, float]:
    """Images per second of ``theirs``, and how many times as fast ``ours`` is: median, least and greatest by round."""
    ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
    return {
        "images_per_second": batch / statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_least": min(ratios),
        "ratio_greatest": max(ratios),
    }


def run(
    config: UNetConfig, size: int, batch: int, rounds: int, chosen: dict[str, Mode], clock: Clock
) -> dict[str, dict]:
    """Measure all networks in the chosen modes, all in turn; a ratio is of ours over that network in the same mode."""
    torch.manual_seed(0)
    parts = list(networks(config, size))
    flops = {name: Contender(make(), call, Mode(), 1, size).flops() for name, make, call in parts}
    contenders = {
        (mode, name): Contender(make(), call, chosen[mode], batch, size, OPTIMIZERS.get(name, fused_adamw))
        for mode in chosen
        for name, make, call in parts
    }
    times = measure(contenders, rounds, clock)
    report: dict[str, dict] = {mode: {} for mode in chosen}
    for (mode, name), contender in contenders.items():
        ours, theirs = times[mode, "quasistatic"], times[mode, name]
        works = {work: summary(ours[work], theirs[work], batch) for work in WORKS}
        report[mode][name] = {"parameters": contender.parameters, "gflop_per_image": flops[name] / 1e9, **works}
    best = {
        name: {work: min((times[mode, name][work] for mode in chosen), key=statistics.median) for work in WORKS}
        for _, name in contenders
    }
    report["best"] = {
        name: {work: summary(best["quasistatic"][work], best[name][work], batch) for work in WORKS} for name in best
    }
    return report


def show(report: dict) -> None:
    """Print a table for each mode, then what the machine can do, then everyone's best."""

    def times(part: dict[str, float]) -> str:
        return f"{part['ratio']:.2f}× ({part['ratio_least']:.2f}–{part['ratio_greatest']:.2f})"

    for mode, ceiling in report["ceilings"].items():
        rows = report["modes"][mode]
        table = Table(
            title=f"{mode}: batch {report['batch']}, {report['threads']} threads, {report['clock']} time",
            title_justify="left",
        )
        table.add_column("network")
        for column in ("parameters", "GFLOP", "forward/s", "ours is", "training/s", "ours is"):
            table.add_column(column, justify="right")
        for name, row in rows.items():
            cells = [name, f"{row['parameters'] / 1e6:.1f} M", f"{row['gflop_per_image']:.2f}"]
            for work in WORKS:
                cells += [f"{row[work]['images_per_second']:.1f}", "" if name == "quasistatic" else times(row[work])]
            table.add_row(*cells)
        CONSOLE.print(table)
        ours = rows["quasistatic"]
        share = [ours[work]["images_per_second"] * ours["gflop_per_image"] / ceiling["convolution"] for work in WORKS]
        CONSOLE.print(
            f"ceilings: product {ceiling['product']:.0f} GFLOP/s, convolution {ceiling['convolution']:.0f}; of this "
            f"ours reaches {share[0]:.0%} forward and {3 * share[1]:.0%} in training (three forward passes' work)\n"
        )
    for name, row in report["modes"]["best"].items():
        if name != "quasistatic":
            CONSOLE.print(
                f"our best mode against {name}'s: forward {times(row['forward'])}, train {times(row['train'])}"
            )


def main() -> None:
    """Read the arguments, measure, print, write."""
    known = modes()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small network and few rounds")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--modes", nargs="+", choices=known, help="default: fp32 in both layouts; bf16 where it has units"
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: this process's own time, on a busy machine"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config, size = (UNetConfig(channels=32, multipliers=(1, 2, 2)), 16) if options.quick else (UNetConfig(), 32)
    names = options.modes or ["fp32", "fp32-channels-last", *(["bf16"] if bfloat16_units() else [])]
    clock = CLOCKS[options.clock]
    chosen = {name: known[name] for name in names}
    report: dict[str, Any] = {
        "batch": options.batch,
        "threads": options.threads,
        "clock": options.clock,
        "size": size,
        "torch": torch.__version__,
    }
    report["config"] = dataclasses.asdict(config)
    report["ceilings"] = {name: ceilings(mode.bfloat16, clock) for name, mode in chosen.items()}
    report["modes"] = run(config, size, options.batch, options.rounds, chosen, clock)
    show(report)
    keep(report, options.json)


if __name__ == "__main__":
    main()
