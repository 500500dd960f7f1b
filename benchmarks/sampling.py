"""Images a second at equal quality: our samplers against diffusers' pipelines, with the same weights.

    python benchmarks/sampling.py --train RUN DATA --minutes 5
    python benchmarks/sampling.py RUN digits --json FILE

RUN is a model that `Model.save_diffusers` can write; `--train` makes one. Diffusers' DDPM takes 1,000 steps, its DDIM
50, its DPM-Solver++ 20. Every contender draws as many images on as many threads, in turn; its Fréchet distance to real
examples is of all of them, on the same features. Theirs clip nothing, as ours. A sampler of ours counts as equal to
theirs from the fewest steps on whose distance is not above theirs by more than two standard errors.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from machine import keep
from quasistatic import Model
from quasistatic.config import Config, DataConfig, TrainingConfig
from quasistatic.data import load
from quasistatic.data.dataset import spread
from quasistatic.denoiser.head import GaussianHead
from quasistatic.evaluation import fidelity
from quasistatic.network import UNetConfig
from quasistatic.objective import Simple
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Linear
from quasistatic.training import checkpoint

THEIRS = {
    "diffusers DDPM, 1000": ("DDPMScheduler", 1000, {}),
    "diffusers DDIM, 50": ("DDIMScheduler", 50, {"timestep_spacing": "trailing"}),
    "diffusers DPM-Solver++, 20": ("DPMSolverMultistepScheduler", 20, {"final_sigmas_type": "zero"}),
}
OURS = [(name, steps) for name in ("unipc", "dpm++") for steps in (5, 8, 10, 12, 15, 20)]
CONSOLE = Console(stderr=True)
Draw = Callable[[int], Tensor]
"""Number of images → their states, in [−1, 1]."""


def train(options: argparse.Namespace) -> None:
    """Train a plain U-Net that predicts the noise, of a size for the images, into RUN."""
    data = load(options.data, data_dir=options.data_dir)
    config = Config(
        data=DataConfig(options.data),
        process=GaussianProcess(Linear()),
        network=UNetConfig(channels=48, multipliers=(1, 2), blocks=1, groups=8, head_width=16, dropout=0.0, narrow=1),
        head=GaussianHead("noise", "large"),
        objective=Simple(),
        training=TrainingConfig(minutes=options.minutes, batch=64, learning_rate=1e-3, ema=0.999),
    )
    for progress in checkpoint.train(config, data, Path(options.run)):
        if progress.held_out is not None:
            CONSOLE.print(f"step {progress.step} of {progress.steps}, loss {progress.loss:.4f}")


def their_samplers(folder: Path, batch: int) -> dict[str, Draw]:
    """Return a function for each of diffusers' pipelines, on the network in ``folder``."""
    import diffusers

    pipeline = diffusers.DDPMPipeline.from_pretrained(folder)
    unet, base = pipeline.unet.eval(), pipeline.scheduler.config

    def sampler(kind: str, steps: int, more: dict[str, Any]) -> Draw:
        scheduler = getattr(diffusers, kind).from_config(base, clip_sample=False, **more)
        size = unet.config.sample_size
        shape = (size, size) if isinstance(size, int) else tuple(size)

        def draw(count: int) -> Tensor:
            parts, done = [], 0
            while done < count:
                generator = torch.Generator().manual_seed(done)
                x = torch.randn(min(batch, count - done), unet.config.in_channels, *shape, generator=generator)
                scheduler.set_timesteps(steps)
                for t in scheduler.timesteps:
                    with torch.inference_mode():
                        output = unet(x, t).sample
                    x = scheduler.step(output, t, x, generator=generator).prev_sample
                parts.append(x)
                done += len(x)
            return torch.cat(parts).clamp(-1, 1)

        return draw

    return {name: sampler(*how) for name, how in THEIRS.items()}


def our_samplers(model: Model) -> dict[str, Draw]:
    """Return a function for each of our samplers and numbers of steps."""

    def sampler(name: str, steps: int) -> Draw:
        return lambda count: model.specification.codec.encode(model.sample(count, sampler=name, steps=steps))

    return {f"{name}, {steps}": sampler(name, steps) for name, steps in OURS}


def measure(samplers: dict[str, Draw], real: Tensor, count: int, features: str) -> dict[str, dict[str, float]]:
    """Draw with every sampler in turn; return seconds, images a second and the distance of each."""
    rows = {}
    for name, draw in samplers.items():
        started = time.perf_counter()
        drawn = draw(count)
        seconds = time.perf_counter() - started
        found = fidelity.compare(real, drawn, features).frechet
        rows[name] = {
            "seconds": seconds,
            "images_per_second": count / seconds,
            "frechet": found.value,
            "frechet_error": found.standard_error,
        }
        CONSOLE.print(f"{name}: {count / seconds:.1f} images/s, Fréchet {found.value:.3f} ± {found.standard_error:.3f}")
    return rows


def equals(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return, for each of theirs, the fastest of ours that is as near to real examples."""
    found = {}
    for name in THEIRS:
        goal = rows[name]
        good = {
            key: row
            for key, row in rows.items()
            if key not in THEIRS
            and row["frechet"] <= goal["frechet"] + 2 * math.hypot(row["frechet_error"], goal["frechet_error"])
        }
        if good:
            best = max(good, key=lambda key: good[key]["images_per_second"])
            found[name] = {"ours": best, "ratio": good[best]["images_per_second"] / goal["images_per_second"]}
    return found


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("-n", type=int, default=500, help="images of each")
    parser.add_argument("--batch", type=int, default=256, help="of diffusers' pipelines; ours choose their own")
    parser.add_argument("--features", default="raw")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--train", action="store_true", help="make RUN first")
    parser.add_argument("--minutes", type=float, default=5.0, help="of that training")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.train:
        train(options)
    model = Model.from_pretrained(options.run, "cpu")
    data = load(options.data, data_dir=options.data_dir)
    real = model.specification.codec.encode(data.batch(spread(len(data), 2 * options.n)))
    with tempfile.TemporaryDirectory() as place:
        model.save_diffusers(place)
        rows = measure(
            our_samplers(model) | their_samplers(Path(place), options.batch), real, options.n, options.features
        )
    table = Table("sampler", "images/s", "Fréchet distance")
    for name, row in rows.items():
        table.add_row(name, f"{row['images_per_second']:.2f}", f"{row['frechet']:.3f} ± {row['frechet_error']:.3f}")
    CONSOLE.print(table)
    found = equals(rows)
    for name, best in found.items():
        CONSOLE.print(f"as near as {name}: {best['ours']}, {best['ratio']:.1f} times as many images a second")
    report = {"rows": rows, "equal": found, "images": options.n, "threads": options.threads}
    keep(report | {"features": options.features}, options.json)


if __name__ == "__main__":
    main()
