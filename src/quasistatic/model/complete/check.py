"""Checks methods of inference on examples that are known: observes them, draws them, compares the draws with the truth.

of_known    some elements are observed, others are hidden     check_methods   a `MethodCheck` of each method
of_means    means over blocks of pixels are observed          check_samples   of samples given a condition
of_noise    every element is observed with noise              hidden_at_random, usual_methods
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d

from quasistatic.data import BitsCodec, Codec, Dataset, LevelsCodec, StatesCodec, TableCodec, TextCodec
from quasistatic.evaluation.calibration import Calibration, calibration
from quasistatic.inference import Known
from quasistatic.model import complete
from quasistatic.model.bench import DrawOptions
from quasistatic.model.bundle import Bundle
from quasistatic.model.methods import METHODS
from quasistatic.model.sample import SampleOptions, sample
from quasistatic.process import GaussianProcess
from quasistatic.streams import derived_seed
from quasistatic.types import Watch


@dataclass(frozen=True)
class MethodCheck:
    """A method's calibration, what it says of its exactness, and its network evaluations for each draw."""

    exactness: str
    evaluations: float
    calibration: Calibration


@dataclass(frozen=True, eq=False)
class Trial:
    """Examples that are known, and what is observed of them.

    Attributes:
        truth: raw values.
        given: what is observed.
        hidden: the elements that are compared.
    """

    truth: Shaped[Tensor, " examples *shape"]
    given: complete.Given
    hidden: Bool[Tensor, " examples *shape"]


def of_known(
    model: Bundle, truth: Shaped[Tensor, " examples *shape"], known: Bool[Tensor, " examples *shape"]
) -> Trial:
    """Observe the elements that are ``known``. Empty cells of a table are hidden, not compared.

    Raises:
        ValueError: if shapes do not fit, or everything or nothing is known.
    """
    there = ~truth.isnan() if truth.is_floating_point() else torch.ones_like(known)
    return Trial(truth, complete.known(model, truth, known & there), ~known & there)


def of_means(model: Bundle, truth: Shaped[Tensor, " examples *shape"], factor: int) -> Trial:
    """Observe means over blocks of ``factor`` × ``factor`` pixels of images of levels, rounded to levels.

    Raises:
        ValueError: if the blocks do not make up the images.
        TypeError: if the values are no levels.
    """
    codec = model.specification.codec
    complete.check_factor(factor, model.specification.shape)
    if not isinstance(codec, LevelsCodec):
        raise TypeError("means are checked of images of whole levels, got other values; hide elements instead")
    means = (avg_pool2d(truth.double(), factor) / codec.step).round() * codec.step
    given = complete.low_resolution(model, means, factor, codec.step / 2)
    return Trial(truth, given, torch.ones_like(truth, dtype=torch.bool))


def of_noise(model: Bundle, truth: Shaped[Tensor, " examples *shape"], std: float, seed: int) -> Trial:
    """Observe every element with noise N(0, std²), in raw units.

    Raises:
        TypeError: if the values are no numbers.
        ValueError: if ``std`` is not above 0.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, "noise of what is observed"))
    noise = torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    given = complete.noisy(model, truth + std * noise, std)
    return Trial(truth, given, torch.ones_like(truth, dtype=torch.bool))


def hidden_at_random(
    truth: Shaped[Tensor, " examples *shape"], share: float, seed: int
) -> Bool[Tensor, " examples *shape"]:
    """Return the mask of known elements, after a ``share`` of them has been hidden.

    Raises:
        ValueError: if the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of the elements between 0 and 1 is hidden, got {share:g}")
    generator = torch.Generator().manual_seed(derived_seed(seed, "what is hidden"))
    return torch.rand(truth.shape, generator=generator) >= share


def usual_methods(model: Bundle, given: complete.Given) -> list[str]:
    """Return the methods for what is observed that cost about a sample, the most exact first."""
    best = complete.method_for(model, given)
    others = ["hold"] if isinstance(given.observation, Known) and best != "reveal" else []
    if isinstance(model.config.process, GaussianProcess):
        others.append("guide")
    return list(dict.fromkeys([best, *others]))


def check_methods(
    model: Bundle, trial: Trial, methods: Sequence[str], options: DrawOptions, watch: Watch | None = None
) -> dict[str, MethodCheck]:
    """Check methods on a trial.

    Numbers of a table are compared in units of their deviation over the examples, other values in raw units.

    Raises:
        ValueError: if there are fewer than two draws.
        TypeError: if a method does not apply to the model or the observation.
    """
    truth, found = trial.truth, {}
    categories, scale = _kinds(model.specification.codec, truth)
    for place, name in enumerate(methods):
        # a bar over all methods: each takes as long, roughly
        own = None if watch is None else lambda at, of, place=place: watch(place * of + at, len(methods) * of)
        drawn = complete.complete(model, trial.given, name, options, own)
        measured = calibration(
            drawn.draws.flatten(2) / scale,
            truth.flatten(1) / scale,
            trial.hidden.flatten(1),
            categories,
            torch.Generator().manual_seed(derived_seed(options.seed, "ties")),
        )
        spent = drawn.network_evaluations / (len(truth) * options.draws)
        found[name] = MethodCheck(METHODS[name].exactness, spent, measured)
    return found


def check_samples(
    model: Bundle, dataset: Dataset, options: DrawOptions, watch: Watch | None = None
) -> dict[str, MethodCheck]:
    """Check samples given the covariates of each example: all of it is hidden. For a simulator's parameters given its
    output, this is simulation-based calibration (Talts et al. 2018).

    Raises:
        ValueError: if the model or the data have no covariates.
    """
    covariates = model.specification.covariates
    if covariates is None or dataset.covariates is None:
        raise ValueError("samples are checked given a condition, got none; name its file by --condition")
    rows = torch.arange(len(dataset))
    truth, told = dataset.batch(rows), covariates.aligned(dataset.covariates).batch(rows)
    asked = SampleOptions(options.draws, options.steps, options.sampler, seed=options.seed, condition=told)
    drawn = sample(model, replace(asked, scale=options.scale), watch).unflatten(0, (len(truth), options.draws))
    categories, scale = _kinds(model.specification.codec, truth)
    measured = calibration(
        drawn.flatten(2) / scale,
        truth.flatten(1) / scale,
        torch.ones_like(truth.flatten(1), dtype=torch.bool),
        categories,
        torch.Generator().manual_seed(derived_seed(options.seed, "ties")),
    )
    return {"sample": MethodCheck("exact given the model's guesses", float(options.steps), measured)}


def _kinds(codec: Codec, truth: Shaped[Tensor, " examples *shape"]) -> tuple[Bool[Tensor, " elements"], Tensor]:
    """Return which elements are categories, and the unit of each element."""
    count = truth[0].numel()
    if isinstance(codec, TableCodec):
        categories = torch.tensor([not column.ranges for column in codec.columns])
        middle = truth.nanmean(0)
        deviation = (truth - middle).square().nanmean(0).sqrt().nan_to_num(0.0)
        return categories, torch.where(categories | (deviation == 0), 1.0, deviation)
    discrete = isinstance(codec, BitsCodec | StatesCodec | TextCodec)
    return torch.full((count,), discrete), torch.ones(count)
