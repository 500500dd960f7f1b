"""Finds few-step paths and variances for a model, on its own training data."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch

from quasistatic.data import Dataset
from quasistatic.evaluation.steps.plan import StepCosts, step_costs
from quasistatic.evaluation.steps.variance import Widen, keep, squared_errors, widening
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import fitting_data
from quasistatic.model.measured import Measured
from quasistatic.process import GaussianProcess
from quasistatic.runtime.fields import Range, Seed, check
from quasistatic.schedule import Schedule, log_snr_times
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import Times, Watch

MOST_CANDIDATES = 5000
"""Times that a plan chooses among; the cost of every pair is held in memory."""


@torch.inference_mode()
def plan_paths(
    model: Bundle,
    dataset: Dataset,
    steps: list[int],
    *,
    variance: str = "own",
    candidates: int = 100,
    examples: int = 256,
    seed: int = 0,
    watch: Watch | None = None,
) -> tuple[Measured, StepCosts]:
    """Measure step costs and variances on data that the model was trained on, and plan the best paths.

    Args:
        model: the model.
        dataset: data of its shape; the part held out from training is not used. Labels are used by a conditional model.
        steps: the numbers of steps to plan for; with none, only errors are measured.
        variance: the width of the guesses that the path is best for, one of `evaluation.VARIANCES`.
        candidates: times to choose from, even in log-SNR.
        examples: how many to measure on.
        seed: of the noise.
        watch: called with (candidates done, candidates in all).

    Raises:
        ValueError: if the data are of another shape, or a number of steps is not between 1 and ``candidates``.
        ArithmeticError: if no planned path has a finite score.
    """
    process, codec = model.config.process, model.specification.codec
    dataset = fitting_data(model, dataset)
    check("candidates", Annotated[int, Range(at_least=4, at_most=MOST_CANDIDATES)], candidates)
    check("examples", Annotated[int, Range(at_least=1)], examples)
    check("seed", Seed, seed)
    if not all(1 <= count <= candidates for count in steps):
        raise ValueError(f"a plan over {candidates} candidate times has 1 to {candidates} steps, got {steps}")
    own = model.trained_on(dataset)
    rows = torch.randperm(len(own), generator=torch.Generator().manual_seed(seed))[:examples]
    x = codec.encode(own.batch(rows)).to(model.device)
    times = candidate_times(process.schedules, candidates)
    denoise, errors = model.denoise(model.told(own, rows)), None
    widen: Widen = keep
    if isinstance(process, GaussianProcess):
        errors = squared_errors(process, denoise, x, times, Streams(seed, 0, len(x)))
        widen = widening(process, variance, errors)
    elif variance != "own":
        raise TypeError(f"a variance is chosen for a Gaussian process, got {process!r}; leave it own")
    streams = Streams(derived_seed(seed, "step costs"), 0, len(x))
    costs = step_costs(process, denoise, codec.decoder, x, times, streams, widen, watch)
    found = {count: costs.best(count) for count in steps}
    scale = 1 / (model.specification.dimensions * math.log(2))
    jacobian = codec.log_jacobian(x).flatten(1).sum(1).double().mean().item()
    bits = {count: (cost - jacobian) * scale for count, (_, cost) in found.items()}
    if bits and not any(map(math.isfinite, bits.values())):
        asked = " or ".join(map(str, sorted(bits)))
        raise ArithmeticError(
            f"a plan needs a path with a finite score, and every path of {asked} steps gives some training data "
            "probability 0; plan for more steps, or train longer"
        )
    return Measured({count: grid for count, (grid, _) in found.items()}, bits, errors), costs


def candidate_times(schedules: Sequence[Schedule], count: int) -> Times:
    """Return ``count`` times falling from 1 to 0.001, half of them even in log-SNR and half in time.

    For a product of several schedules, the times that are even in the log-SNR of each are merged, and every n-th of the
    merged times is taken, n being the number of schedules.

    Raises:
        ValueError: if there are fewer than four.
    """
    if not 4 <= count <= MOST_CANDIDATES:
        raise ValueError(f"a plan chooses among 4 to {MOST_CANDIDATES:,} candidate times, got {count}")
    even = torch.linspace(1, 1e-3, count - count // 2, dtype=torch.float64)
    # Its own ends are left out: the even times have them, and two times that all but meet make no step.
    spread = [log_snr_times(schedule, count // 2 + 1, first=1e-3)[1:-2] for schedule in schedules]
    # Each schedule's times differ, so at most n merged times coincide, and every n-th differs from the one before.
    taken = torch.cat(spread).sort().values[len(spread) // 2 :: len(spread)]
    return torch.cat([even, taken, taken.new_tensor([0.9995])]).sort(descending=True).values
