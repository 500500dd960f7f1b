"""Draws new examples from a model, in raw units."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic import sampling
from quasistatic.model.bundle import Bundle
from quasistatic.runtime.fields import option
from quasistatic.streams import Streams
from quasistatic.types import State, Step, Times, Watch, batches


@dataclass(frozen=True)
class SampleOptions:
    """How examples are drawn; each field's metadata has its help text, which the command shows."""

    n: int = option(64, "Number of examples.")
    steps: int = option(250, "Steps of the chain.")
    sampler: str = option("ancestral", "ancestral; for few steps: ddim, heun, dpm++, dpm++sde, unipc.")
    grid: str | None = option(None, "time, log-snr, karras or planned; default: suits the sampler.")
    variance: str = option("own", "Variance of each reverse step: own (the head's), small, large or analytic.")
    seed: int = option(0, "Random seed.")
    label: int | str | None = option(None, "Class to condition on, by name or number.")
    scale: float = option(1.0, "Classifier-free guidance scale: 0 ignores the label, 1 is exact, others heuristic.")
    first: int = option(0, "Number of the first sample, to draw more of the same set later.")


def sample(bundle: Bundle, options: SampleOptions, watch: Watch | None = None) -> Shaped[Tensor, " n *shape"]:
    """Draw examples; see `Model.sample`."""
    o = options
    make, times, done, rows = sampling.sampler(o.sampler), bundle.times(o.steps, o.sampler, o.grid), 0, []
    for count in batches(o.n, bundle.batch_size()):
        streams = Streams(o.seed, o.first + done, count)
        x_1 = bundle.prior(count, streams)
        denoise = bundle.denoise(bundle.labels(o.label, count), o.variance, times, o.scale)
        step = make(bundle.config.process, denoise, streams)
        rows.append(_walk(step, x_1, times, watch, done * o.steps, o.n * o.steps))
        done += count
    return bundle.specification.codec.decode(torch.cat(rows))


@torch.inference_mode()
def trajectory(bundle: Bundle, options: SampleOptions, frames: int = 25) -> Shaped[Tensor, "frames n *shape"]:
    """Return states on the way from noise to data, about ``frames`` of them evenly in time, in state units."""
    o = options
    streams = Streams(o.seed, 0, o.n)
    x_1 = bundle.prior(o.n, streams)
    step = sampling.sampler(o.sampler)(bundle.config.process, bundle.denoise(), streams)
    states = [x_1, *sampling.sample(step, x_1, bundle.times(o.steps, o.sampler, o.grid))]
    chosen = sorted({round(i * o.steps / max(frames - 1, 1)) for i in range(frames)})
    return torch.stack([states[i].cpu() for i in chosen])


@torch.inference_mode()
def _walk(step: Step, x_1: State, times: Times, watch: Watch | None, done: int, total: int) -> State:
    state = x_1
    for x_s in sampling.sample(step, x_1, times):
        state, done = x_s, done + len(x_s)
        if watch:
            watch(done, total)
    return state.cpu()
