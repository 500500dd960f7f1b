"""How a data set is scored, and its examples as a model sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from quasistatic import evaluation
from quasistatic.data import Dataset
from quasistatic.data.dataset import spread
from quasistatic.data.labels import relabelled
from quasistatic.data.labels.covariates import told_alike
from quasistatic.data.table.align import aligned
from quasistatic.denoiser import Denoise
from quasistatic.model.bundle import Bundle
from quasistatic.runtime.fields import Checked, Range, Seed, check_fields, option
from quasistatic.types import Nats, State, Watch, batches, per_example

MANY = Range(at_most=10**6)
"""Of what is held in memory for each example."""


@dataclass(frozen=True)
class EvaluateOptions(Checked):
    """How a data set is scored; each field's metadata has its help text, which the command shows.

    The bound always scores its last step, besides the steps drawn. If ``draws`` is None, all steps are scored. A target
    error chooses ``draws`` and ``limit``.

    Raises:
        ValueError: if a number is of another type or out of its range, or ``dequantise`` or ``last_step`` is unknown.
    """

    steps: Annotated[int, MANY] = option(1000, "Steps of the time grid; a planned grid is preferred.")
    draws: Annotated[int, MANY] | None = option(4, "Monte Carlo samples per example (time steps, paths or probes).")
    limit: int | None = option(None, "Maximum number of examples to score, evenly spread.")
    seed: Seed = option(0, "Random seed.")
    grid: str | None = option(None, "time, log-snr, karras or planned; default: planned if available, else time.")
    variance: str = option("own", "Variance of each reverse step: own (the head's), small, large or analytic.")
    target_error: float | None = option(None, "Target standard error of the bound, bits/dim; chooses draws and limit.")
    dequantise: str = option("noise", "Dequantisation for the flow: noise (the process's) or uniform.")
    last_step: str = option("own", "Last step of the bound: own (the model's) or fixed (2015).")
    order: str = option("left", "Order of `ordered`: left, right, confidence or random:SEED.")
    given: str | None = option(None, "Known part: columns NAME,NAME or a mask file; scores the rest.")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_error is not None and not self.target_error > 0:
            raise ValueError(f"a target error is above 0 bits/dim, got {self.target_error}")
        if self.dequantise not in ("noise", "uniform"):
            raise ValueError(f"levels are made continuous by noise or uniform, got {self.dequantise!r}")
        if self.last_step not in ("own", "fixed"):
            raise ValueError(f"the last step is own (the model's) or fixed (as in 2015), got {self.last_step!r}")
        evaluation.check_ordering(self.order)
        if self.given is not None and self.target_error is not None:
            raise ValueError("a target error is for whole examples, got a known part as well; leave one out")


DEFAULT = EvaluateOptions()


def fitting_data(model: Bundle, dataset: Dataset) -> Dataset:
    """Return ``dataset`` in the columns and classes of ``model``, matched by name.

    Raises:
        ValueError: if the data are of another shape, lack one of the model's columns, or have a class that it does not
            know.
    """
    dataset = aligned(dataset, model.specification.codec)
    model.specification.check_shape(dataset.shape, dataset.name)
    dataset = told_alike(dataset, model.specification.covariates)
    return relabelled(dataset, model.specification.classes) if model.config.data.conditional else dataset


def examples(
    model: Bundle, dataset: Dataset, options: EvaluateOptions = DEFAULT, watch: Watch | None = None
) -> Iterator[tuple[State, Denoise, Nats]]:
    """Yield states in batches, with the denoiser of their labels and the log-Jacobian of their raw units.

    Raises:
        ValueError: see `fitting_data`.
        TypeError: if the last step is to be fixed and the process is not in detailed balance.
    """
    dataset = fitting_data(model, dataset)
    rows, codec, done = spread(len(dataset), options.limit), model.specification.codec, 0
    times = model.times(options.steps, grid=options.grid)
    for count in batches(len(rows), model.batch_size()):
        chosen = rows[done : done + count]
        x = codec.encode(dataset.batch(chosen)).to(model.device)
        denoise = model.denoise(model.told(dataset, chosen), options.variance, times)
        if options.last_step == "fixed":
            denoise = evaluation.fixed_last_step(model.config.process, denoise, times[-2].item())
        yield x, denoise, per_example(codec.log_jacobian(x)).double()
        done += count
        if watch:
            watch(done, len(rows))
