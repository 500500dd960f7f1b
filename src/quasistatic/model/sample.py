"""Draws new examples from a model, in raw units."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from quasistatic import sampling
from quasistatic.data import Codec, TableCodec
from quasistatic.data.table.conditions.where import Where, where
from quasistatic.denoiser import Denoise
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.limits import Limit
from quasistatic.model import inputs
from quasistatic.model.bundle import Bundle
from quasistatic.runtime.device import check_room
from quasistatic.runtime.fields import option
from quasistatic.sampling.limits import ATTEMPTS, limited
from quasistatic.streams import Streams
from quasistatic.types import State, Watch, batches

RAREST = 1e-6
"""Least probability of conditions under which rows are drawn."""

SOUGHT = 20_000
"""Rows drawn without one in which the checks of two columns hold, before drawing stops."""

LOOKED = 256
"""Rows drawn to find the probability of conditions."""


@dataclass(frozen=True)
class SampleOptions:
    """How examples are drawn; each field's metadata has its help text, which the command shows."""

    n: int | None = option(None, "Number of examples; default: 64.")
    steps: int = option(250, "Steps of the chain; texts drawn in order need none.")
    sampler: str = option("ancestral", "ancestral; for few steps: ddim, heun, dpm++, dpm++sde, unipc.")
    grid: str | None = option(None, "time, log-snr, karras or planned; default: suits the sampler.")
    variance: str = option("own", "Variance of each reverse step: own (the head's), small, large or analytic.")
    seed: int = option(0, "Random seed.")
    label: Any = option(None, "Class to condition on, by name or number.")
    scale: float = option(1.0, "Classifier-free guidance scale: 0 ignores the label, 1 is exact, others heuristic.")
    first: int = option(0, "Number of the first sample, to draw more of the same set later.")
    condition: Any = option(None, "Condition: a file, or NAME=VALUE with commas between.")
    where: tuple[str, ...] = option((), "Condition on a table's rows: age>=60, kind=cat, low<=high; repeatable.")


def sample(
    bundle: Bundle,
    options: SampleOptions,
    watch: Watch | None = None,
    numbers: Int[Tensor, " n"] | None = None,
) -> Shaped[Tensor, " n *shape"]:
    """Draw examples; see `Model.sample`. They may have any ``numbers``, in place of those from ``options.first`` on."""
    o = options
    told = bundle.conditions(o.condition)
    if told is not None and o.label is not None:
        raise ValueError("a sample has a label or a condition, got both; leave one out")
    n = inputs.count(o.n, o.label)
    total = n * (1 if told is None else len(told))
    labels = bundle.labels(o.label, n) if told is None else told[torch.arange(total, device=bundle.device) // n]
    dimensions = bundle.specification.dimensions
    check_room(f"{total} samples", total * dimensions * inputs.BYTES)
    in_order = bundle.follows and sampling.sampler(o.sampler) is sampling.ancestral and (o.scale, o.grid) == (1, None)
    make, times, done, rows = sampling.sampler(o.sampler), bundle.walk(o.steps, o.sampler, o.grid), 0, []
    for count in batches(total, bundle.batch_size()):
        own = None if numbers is None else numbers[done : done + count]
        streams = Streams(o.seed, o.first + done, count) if own is None else Streams.of(o.seed, own)
        x_1 = bundle.prior(count, streams)
        label = None if labels is None else labels[done : done + count]
        denoise = bundle.denoise(label, o.variance, times, o.scale)
        if in_order:
            moves, states = dimensions, partial(sampling.in_order, bundle.follow(label), generator=streams)
        else:
            moves, step = len(times) - 1, make(bundle.config.process, denoise, streams)
            states = partial(sampling.sample, step, times=times)
        walked = partial(_walk, states, watch=watch, done=done * moves, total=total * moves)
        rows.append(_fulfilled(bundle, o.where, denoise, x_1, walked, streams) if o.where else walked(x_1))
        done += count
    return bundle.specification.codec.decode(torch.cat(rows))


@torch.inference_mode()
def trajectory(bundle: Bundle, options: SampleOptions, frames: int = 25) -> Shaped[Tensor, "frames n *shape"]:
    """Return states on the way from noise to data, about ``frames`` of them evenly in time, in state units."""
    o = options
    n = inputs.count(o.n, o.label)
    streams = Streams(o.seed, 0, n)
    x_1 = bundle.prior(n, streams)
    denoise = bundle.denoise(bundle.labels(o.label, n), scale=o.scale)
    step = sampling.sampler(o.sampler)(bundle.config.process, denoise, streams)
    states = [x_1, *sampling.sample(step, x_1, bundle.walk(o.steps, o.sampler, o.grid))]
    chosen = sorted({round(i * (len(states) - 1) / max(frames - 1, 1)) for i in range(frames)})
    return torch.stack([states[i].cpu() for i in chosen])


@torch.inference_mode()
def _walk(states: Callable[[State], Iterable[State]], x_1: State, watch: Watch | None, done: int, total: int) -> State:
    state = x_1
    for x_s in states(x_1):
        state, done = x_s, done + len(x_s)
        if watch:
            watch(done, total)
    return state.cpu()


def _fulfilled(
    bundle: Bundle,
    texts: Sequence[str],
    denoise: Denoise,
    x_1: State,
    walk: Callable[[State], State],
    streams: Streams,
) -> State:
    """Walk from noise to rows that fulfil conditions.

    Values that are given are known from the start, limited cells are drawn first (`sampling.limits`), and rows in which
    a check fails are drawn anew. The rows have the model's law given the conditions, as exactly as its guesses are.

    Raises:
        ValueError: if the model is not of a table, or a condition cannot be read, contradicts another, or hardly holds.
    """
    codec = bundle.specification.codec
    conditions = _conditions(codec, texts)
    out, left = x_1.clone(), torch.ones(len(x_1), dtype=torch.bool)
    drawn = kept = 0
    for _ in range(ATTEMPTS):
        start, _ = limited(denoise, _known(conditions, x_1), _limits(conditions), streams)
        rows = walk(start)
        good = left & conditions.holds(codec.decode(rows)).cpu()
        drawn, kept = drawn + int(left.sum()), kept + int(good.sum())
        out = torch.where(good[:, None], rows, out.cpu())
        left &= ~good
        if not bool(left.any()):
            return out
        if drawn >= SOUGHT and not kept:
            break
    raise ValueError(
        f"the conditions ({', '.join(texts)}) hold in {kept} of {drawn} rows drawn: more than {drawn / (kept + 3):.2g} "
        f"draws a row; drop one"
    )


@torch.inference_mode()
def probability(bundle: Bundle, texts: Sequence[str], seed: int = 0) -> float:
    """Return the probability under the model that a row fulfils conditions on single columns.

    That of given values is exact given the guesses, and 1 for a number of a density; that of limits has the error of
    `LOOKED` rows; conditions on two columns are not counted.

    Raises:
        ValueError: if a condition cannot be read, contradicts another, or all hold with a probability below `RAREST`.
    """
    codec, streams = bundle.specification.codec, Streams(seed, 0, LOOKED)
    conditions = _conditions(codec, texts)
    x, denoise = bundle.prior(LOOKED, streams), bundle.denoise()
    log_p, t = 0.0, torch.full((1,), 0.5).double()
    for column, state in conditions.known.items():
        guess = denoise(x[:1], t)
        assert isinstance(guess, Histograms)
        assert isinstance(codec, TableCodec)
        if state >= codec.ranges[column]:
            log_p += guess.log_masses[0, column, int(state)].item()
        x[:, column] = state
    chance = math.exp(log_p) * limited(denoise, x, _limits(conditions), streams)[1]
    if chance < RAREST:
        raise ValueError(
            f"the conditions ({', '.join(texts)}) hold with probability {chance:.1g} under the model, one row of "
            f"{1 / max(chance, 1e-300):.1g}; drop or widen one"
        )
    return chance


def conditions(bundle: Bundle, texts: Sequence[str]) -> list[Where]:
    """Return each condition by itself.

    Raises:
        ValueError: if the model is not of a table, or a condition cannot be read.
    """
    return [_conditions(bundle.specification.codec, [text]) for text in texts]


def fulfilling(bundle: Bundle, read: Sequence[Where], raw: Shaped[Tensor, "n columns"]) -> list[float]:
    """Return the share of rows, in raw units, that fulfil each condition."""
    x = bundle.specification.codec.encode(raw)
    return [one.fulfilled(x, raw).double().mean().item() for one in read]


def _conditions(codec: Codec, texts: Sequence[str]) -> Where:
    if not isinstance(codec, TableCodec):
        raise ValueError(f"conditions are for the columns of a table, got a model of {codec}; leave --where out")
    return where(texts, codec)


def _limits(conditions: Where) -> dict[int, Limit]:
    return {column: Limit(parts[None]) for column, parts in conditions.limits.items()}


def _known(conditions: Where, x_1: State) -> State:
    x = x_1.clone()
    for column, state in conditions.known.items():
        x[:, column] = state
    return x
