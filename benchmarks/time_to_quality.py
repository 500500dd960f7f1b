"""How good a model of MNIST is after so many minutes of training, by likelihood and by its samples: ours and peers'.

    python benchmarks/time_to_quality.py --data-dir DIR --minutes 5 15 30 --json FILE
    python benchmarks/time_to_quality.py --data-dir DIR --minutes 5 15 30 --json FILE --only diffusers    one of them

quasistatic                        the recipe `mnist`, as the command trains it; a run of its own for each time, as its
                                   rate falls to the end
diffusers                          the unconditional training example: its network, optimizer, schedule, batch of 16
diffusers-tuned                    the same loop, a network of our recipe's size, batches of 64, ten times the rate
denoising_diffusion_pytorch        its Trainer's settings for `Unet(64)`, without flips, which spoil digits
denoising_diffusion_pytorch-tuned  `Unet(32, dim_mults=(1, 2))`, rate 1e-3, averages of 0.995, bfloat16, batches of 64

Theirs get one channel and images padded by two pixels of 0 to 32 × 32, which their networks need; each is taken as it
stands after each number of minutes of wall-clock time, in which only training counts. Run nothing else beside it.

Likelihood: `Model.evaluate` on the same held-out images: bits in all over 28 × 28, the padding's included. Theirs fix
no width for the guess, so they get whichever of the large and the analytic variance (measured on images they were
trained on) scores better. Samples: 50 steps each, ours `ancestral`, theirs DDIM, judged by `compare`: a classifier that
learned from the training images, and held-out images as the real ones. A row of FILE that is measured again is
replaced, the others stay.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import MagicMock

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F

from machine import keep
from quasistatic import Model, train
from quasistatic.config import Specification, override
from quasistatic.data import Dataset, load
from quasistatic.data.dataset import from_tensor
from quasistatic.denoiser.head import GaussianHead
from quasistatic.evaluation.fidelity import compare
from quasistatic.model.plan import plan_paths
from quasistatic.network import Network
from quasistatic.process import GaussianProcess
from quasistatic.recipes import mnist, recipe
from quasistatic.runtime.memory import reusing_memory
from quasistatic.schedule import Linear, Schedule, Table
from quasistatic.types import batches as batch_sizes
from throughput import PEER_STAND_INS

MARGIN = 2
CONSOLE = Console(stderr=True)
STEPS = 50
"""Steps of each sampler."""

Draw: TypeAlias = Callable[[int], Tensor]
"""Draws images in [0, 1], padded as in training."""

Stand: TypeAlias = tuple[Network, Schedule, str, Draw]
"""A peer after a step: its network, its schedule, what is predicted, its sampler."""


class Theirs(Network):
    """Another project's network as one of ours: it takes (x_t, i), i = 1000 t − 1, to one map per channel."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x_t: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        output = self.module(x_t, (1000 * t - 1).float().to(x_t.device))
        return (output if isinstance(output, Tensor) else output.sample)[:, None]


class Stopwatch:
    """Minutes of wall-clock time."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    @property
    def minutes(self) -> float:
        """Since it was made, without what was left out."""
        return (time.monotonic() - self.since) / 60

    def leave_out(self, minutes: float) -> None:
        """Go back to ``minutes``."""
        self.since = time.monotonic() - minutes * 60


def batches(images: Tensor, size: int) -> Iterator[Tensor]:
    """Yield batches of images in [0, 1], padded, in a new order each time all have been seen."""
    while True:
        for rows in torch.randperm(len(images)).split(size)[: len(images) // size]:
            yield F.pad(images[rows].float() / 255, (MARGIN,) * 4)


def diffusers(images: Tensor) -> Iterator[Stand]:
    """Train as diffusers' unconditional example does, yielding after each step."""
    down = ["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"]
    up = ["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4
    sizes = {"block_out_channels": (128, 128, 256, 256, 512, 512), "layers_per_block": 2}
    return _example(images, {**sizes, "down_block_types": down, "up_block_types": up}, 16, 1e-4, 500)


def diffusers_tuned(images: Tensor) -> Iterator[Stand]:
    """Train in the same way a network of our recipe's width and depth, in batches and at a rate for it."""
    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    sizes = {"block_out_channels": (48, 96), "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 48}
    return _example(images, {**sizes, **blocks}, 64, 1e-3, 100)


def _example(images: Tensor, settings: dict[str, Any], size: int, rate: float, warmup: int) -> Iterator[Stand]:
    from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
    from diffusers.optimization import get_scheduler

    net = UNet2DModel(sample_size=28 + 2 * MARGIN, in_channels=1, out_channels=1, **settings)
    noising = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    total = 100 * len(images) // size

    @torch.no_grad()
    def draw(count: int) -> Tensor:
        sampler = DDIMScheduler(num_train_timesteps=1000, beta_schedule="linear")
        sampler.set_timesteps(STEPS)
        x = torch.randn(count, 1, 28 + 2 * MARGIN, 28 + 2 * MARGIN)
        for i in sampler.timesteps:
            x = sampler.step(net(x, i).sample, i, x).prev_sample
        return x / 2 + 0.5

    rates = get_scheduler("cosine", optimizer, num_warmup_steps=warmup, num_training_steps=total)
    for batch in batches(images, size):
        x, noise = 2 * batch - 1, torch.randn(batch.shape)
        i = torch.randint(1000, (size,))
        F.mse_loss(net(noising.add_noise(x, noise, i), i).sample, noise).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        yield Theirs(net), Linear(), "noise", draw


def denoising_diffusion_pytorch(images: Tensor) -> Iterator[Stand]:
    """Train as that package's Trainer does, yielding after each step the averaged weights."""
    return _trainer(images, {"dim": 64}, 16, 1e-4, torch.float32)


def denoising_diffusion_pytorch_tuned(images: Tensor) -> Iterator[Stand]:
    """Train a smaller network in larger batches, faster, in bfloat16."""
    return _trainer(images, {"dim": 32, "dim_mults": (1, 2)}, 64, 1e-3, torch.bfloat16)


def _trainer(images: Tensor, settings: dict[str, Any], size: int, rate: float, dtype: torch.dtype) -> Iterator[Stand]:
    for name in PEER_STAND_INS:  # what its Trainer loads and scores images with, which is not used here
        sys.modules.setdefault(name, MagicMock())
    peer = importlib.import_module("denoising_diffusion_pytorch")
    averaging = importlib.import_module("ema_pytorch")
    diffusion = peer.GaussianDiffusion(
        peer.Unet(channels=1, **settings), image_size=28 + 2 * MARGIN, sampling_timesteps=STEPS
    )
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=rate, betas=(0.9, 0.99))
    average = averaging.EMA(diffusion, beta=0.995, update_every=10)
    schedule = Table(tuple(diffusion.betas.double().tolist()))
    for batch in batches(images, size):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = diffusion(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        yield Theirs(average.ema_model.model), schedule, "velocity", lambda count: average.ema_model.sample(count)


PEERS = {
    "diffusers": diffusers,
    "diffusers-tuned": diffusers_tuned,
    "denoising_diffusion_pytorch": denoising_diffusion_pytorch,
    "denoising_diffusion_pytorch-tuned": denoising_diffusion_pytorch_tuned,
}
OURS = "quasistatic"


def of_ours(data: Dataset, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train the recipe for each number of minutes, and score it."""
    for minutes in options.minutes:
        run = override(recipe("mnist", data, "mnist"), [f"training.minutes={minutes}"])
        watch = Stopwatch()
        with tempfile.TemporaryDirectory() as place:
            folder = (options.keep or Path(place)) / f"{minutes:g}-minutes"
            with reusing_memory():  # as the command does
                for progress in train(run, data, folder, every=60.0):
                    CONSOLE.print(f"{OURS}: step {progress.step} of {progress.steps}, {watch.minutes:.1f} min")
            taken, model = watch.minutes, Model.from_pretrained(folder, device="auto")
        score = model.evaluate(model.held_out(data), draws=options.draws, limit=options.examples)
        drawn = torch.as_tensor(model.sample(options.samples, steps=STEPS))
        judged = judge(drawn, data, options)
        yield _row(minutes, taken, progress.step, score.value, score.standard_error, "own", judged)


def judge(drawn: Tensor, data: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a classifier says of samples and of held-out images: the share that it is sure of, and distances."""
    learned, unseen = data.split(mnist().data.held_out, mnist().seed)
    found = compare(unseen, from_tensor("samples", drawn), "classifier", training=learned, limit=options.samples)
    assert found.judge is not None
    measures = {
        "sure": (found.judge.sure.samples, found.judge.sure.real),
        "evenness": (found.judge.evenness.samples, found.judge.evenness.real),
        "frechet": (found.frechet, found.reference.frechet if found.reference else None),
        "frechet_plain": (found.frechet_plain, found.reference.frechet_plain if found.reference else None),
    }
    return {name: [None if one is None else asdict(one) for one in pair] for name, pair in measures.items()}


def of_theirs(name: str, data: Dataset, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train a peer, and score it as it stands after each number of minutes."""
    config = mnist()
    images, unseen = (part.batch(torch.arange(len(part))) for part in data.split(config.data.held_out, config.seed))
    padded = [from_tensor("padded", F.pad(part, (MARGIN,) * 4)) for part in (images, unseen)]
    torch.manual_seed(config.seed)
    goals, watch = sorted(options.minutes), Stopwatch()
    for step, (network, schedule, predicted, draw) in enumerate(PEERS[name](images), 1):
        if step % 20 == 0:
            CONSOLE.print(f"{name}: step {step}, {watch.minutes:.1f} min")
        if watch.minutes < goals[0]:
            continue
        before = watch.minutes
        value, error, variance = score_of_theirs(network, schedule, predicted, padded, options)
        drawn = torch.cat([draw(size) for size in batch_sizes(options.samples, 100)])
        drawn = (255 * drawn.clamp(0, 1)).round().to(torch.uint8)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        yield _row(goals.pop(0), before, step, value, error, variance, judge(drawn, data, options))
        if not goals:
            return
        network.train()
        watch.leave_out(before)


def score_of_theirs(
    network: Network, schedule: Schedule, predicted: str, padded: list[Dataset], options: argparse.Namespace
) -> tuple[float, float, str]:
    """Return bits per pixel of 28 × 28, the error, and which variance of the guess was the better."""
    config = replace(mnist(), process=GaussianProcess(schedule), head=GaussianHead(predicted, "large"))
    model = Model(config, Specification.of(padded[0]), network)
    model.measured, _ = plan_paths(model, padded[0], [], candidates=20, examples=8)
    scale, found = model.specification.dimensions / 28**2, []
    for variance in ("large", "analytic"):
        score = model.evaluate(padded[1], draws=options.draws, limit=options.examples, variance=variance)
        CONSOLE.print(f"{variance}: {score.value * scale:.4f} ± {score.standard_error * scale:.4f}")
        found.append((score.value * scale, score.standard_error * scale, variance))
    return min(found)


def _row(
    minutes: float, taken: float, steps: int, value: float, error: float, variance: str, judged: dict[str, Any]
) -> dict[str, Any]:
    sure, distance = judged["sure"][0]["value"], judged["frechet_plain"][0]["value"]
    CONSOLE.print(
        f"after {taken:.1f} min, {steps} steps: {value:.4f} ± {error:.4f} bits/dim, sure of {sure:.1%}, "
        f"Fréchet distance {distance:.1f}"
    )
    return {
        "minutes": minutes,
        "taken": taken,
        "steps": steps,
        "bits_per_dim": value,
        "standard_error": error,
        "variance": variance,
        **judged,
    }


def main() -> None:
    """Read the arguments, train, score, write after each score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where mnist is")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 15.0, 30.0])
    parser.add_argument("--only", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS])
    parser.add_argument("--examples", type=int, default=300, help="held-out images that are scored")
    parser.add_argument("--samples", type=int, default=1000, help="samples that are judged")
    parser.add_argument("--draws", type=int, default=4, help="looks at each")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where our runs are left")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load("mnist", data_dir=options.data_dir)
    for name in options.only:
        for row in of_ours(data, options) if name == OURS else of_theirs(name, data, options):
            if options.json:
                found = json.loads(options.json.read_text()) if options.json.exists() else {}
                found |= {"threads": options.threads, "examples": options.examples, "samples": options.samples}
                kept = [old for old in found.setdefault("rows", {}).get(name, []) if old["minutes"] != row["minutes"]]
                found["rows"][name] = sorted([*kept, row], key=lambda each: each["minutes"])
                keep(found, options.json)


if __name__ == "__main__":
    main()
