"""Compares samples with real examples, by any features; every number has a standard error.

frechet, kernel                         distances, 0 for the same law                        `distance`
precision, recall, density, coverage    realism and variety, by nearest neighbours           `neighbours`
auc, accuracy                           how well a classifier separates the sets             `classifier`

None of these is a likelihood. Both sets are cut to equal size. As a reference, two parts of the real set are compared
in the same way, which is what a perfect model would score.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity import classifier as judging
from quasistatic.evaluation.fidelity.distance import frechet, gaussian_distance, kernel
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped
from quasistatic.evaluation.fidelity.features import Function, component_count, extracted, numbers
from quasistatic.evaluation.fidelity.neighbours import neighbours as among_neighbours
from quasistatic.runtime.fields import Range, check
from quasistatic.types import State, Watch

Examples: TypeAlias = Dataset | Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."]
"""A data set, or a tensor of states (n, *shape); the two sets may differ in size."""

STAGES = 4


@dataclass(frozen=True)
class Fidelity:
    """Measures of how close samples are to real examples.

    Attributes:
        frechet: squared Fréchet distance of the features, corrected for its bias in 1/n.
        frechet_plain: the same without the correction, as commonly reported.
        kernel: squared maximum mean discrepancy of the cubic kernel, unbiased.
        precision: fraction of samples within the real examples' neighbourhoods.
        recall: fraction of real examples within the samples' neighbourhoods.
        density: mean number of real neighbourhoods that contain a sample, over k.
        coverage: fraction of real neighbourhoods that contain a sample.
        auc: area under the ROC curve of a classifier of real examples and samples.
        accuracy: accuracy of that classifier.
        examples: number of examples from each set.
        dimensions: number of features.
        features: name of the features.
        neighbours: k, the number of neighbours that a neighbourhood reaches to.
        reference: the same measures for two parts of the real set, or None if it is too small.
    """

    frechet: Estimate
    frechet_plain: Estimate
    kernel: Estimate
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    auc: Estimate
    accuracy: Estimate
    examples: int
    dimensions: int
    features: str
    neighbours: int
    reference: "Fidelity | None" = None

    @property
    def measures(self) -> dict[str, Estimate]:
        """The estimates by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Estimate)}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON; an estimate is ``{"value", "standard_error"}``."""
        return asdict(self)


def compare(
    real: Examples,
    samples: Examples,
    features: str | Function = "raw",
    *,
    seed: int = 0,
    limit: int | None = None,
    neighbours: int = 5,
    classifier: Any | None = None,
    watch: Watch | None = None,
) -> Fidelity:
    """Compare ``samples`` with ``real`` examples; the larger set is subsampled at random to equal size.

    Args:
        real: a data set, or states (n, …).
        samples: a data set or states; a data set is read with the codec of ``real``.
        features: ``raw``, ``pca:N``, or a function of states (batch, …) → (batch, d); modules must be in eval mode.
        seed: of the choice of examples, the groups of the jackknife and the folds.
        limit: maximum number of examples from each set.
        neighbours: k of the neighbourhoods.
        classifier: of scikit-learn, with ``predict_proba``; None is gradient-boosted trees.
        watch: called with (done, all) stages.

    Returns:
        Each measure with its standard error, and the same of two disjoint parts of the real set.

    Raises:
        ValueError: if the sets differ in shape, have fewer examples than `needed`, hold NaN, or ``features`` or what it
            returns is not as above.
        TypeError: if one is a data set and the other is not.
    """
    _check(features, seed, neighbours, limit)
    _check_pair(real, samples)
    count = min(len(real), len(samples), limit or len(real))
    _enough(count, needed(1, neighbours), "comparing")
    draws = np.random.default_rng(seed)
    states = _states(real, real, draws.permutation(len(real))[: 2 * count])
    drawn = _states(samples, real, draws.permutation(len(samples))[:count])
    x, y = extracted(features, states, drawn, seed)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of both sets have one width, got {x.shape[1]} and {y.shape[1]}; fix the function")
    enough = needed(x.shape[1], neighbours)
    _enough(count, enough, f"the Fréchet distance in {x.shape[1]} features", fitting_components(count, neighbours))
    half = len(x) // 2
    stages = STAGES * (1 + (half >= enough))
    done = iter(range(1, stages + 1))
    step = (lambda: watch(next(done), stages)) if watch else (lambda: None)
    name = features if isinstance(features, str) else getattr(features, "__name__", type(features).__name__)
    step_through = (name, neighbours, classifier, seed, step)
    found = _measured(x[:count], y, draws, *step_through)
    if half < enough:
        return found
    return replace(found, reference=_measured(x[:half], x[half : 2 * half], draws, *step_through))


def needed(dimensions: int, neighbours: int) -> int:
    """Return the minimum number of examples per set.

    When the jackknife leaves out a group, more examples than features must remain, for a covariance of full rank, and
    more than ``neighbours``. Each group holds at least two.
    """
    left = max(dimensions + 2, neighbours + 1)
    return max(2 * GROUPS, math.ceil(left * GROUPS / (GROUPS - 1)) + 1)


def fitting_components(count: int, neighbours: int) -> int:
    """Return the maximum number of features for ``count`` examples per set; 0 if there are too few for any."""
    return max((n for n in range(1, count) if needed(n, neighbours) <= count), default=0)


def _check(features: str | Function, seed: int, neighbours: int, limit: int | None) -> None:
    if isinstance(features, str):
        component_count(features)
    check("seed", Annotated[int, Range(at_least=0, at_most=2**32 - 1)], seed)
    if neighbours < 1 or (limit is not None and limit < 1):
        raise ValueError(f"neighbours and limit are at least 1, got {neighbours} and {limit}")


def _check_pair(real: Examples, samples: Examples) -> None:
    if isinstance(real, Dataset) != isinstance(samples, Dataset):
        kinds = f"{type(real).__name__} and {type(samples).__name__}"
        raise TypeError(f"two data sets are compared, or two tensors of states, got {kinds}; `load` reads files")
    shapes = [tuple(one.shape if isinstance(one, Dataset) else one.shape[1:]) for one in (real, samples)]
    if shapes[0] != shapes[1]:
        sizes = ["×".join(map(str, shape)) for shape in shapes]
        raise ValueError(
            f"samples should have the shape of the real examples, {sizes[0]}, got {sizes[1]}; resize or reread one"
        )


def _enough(count: int, least: int, what: str, components: int = 0) -> None:
    if count < least:
        fewer = f", or compare fewer features with --features pca:{components}" if components else ""
        raise ValueError(f"{what} needs at least {least} examples of each set, got {count}; give more{fewer}")


def _measured(
    real: np.ndarray,
    samples: np.ndarray,
    draws: np.random.Generator,
    name: str,
    k: int,
    classifier: Any | None,
    seed: int,
    step: Callable[[], None],
) -> Fidelity:
    sets = (real, samples, grouped(len(real), draws), grouped(len(samples), draws))
    corrected, plain = frechet(*sets)
    step()
    discrepancy = kernel(*sets)
    step()
    nearness = among_neighbours(*sets, k)
    step()
    separated = judging.two_sample(real, samples, classifier, seed)
    step()
    estimates: dict[str, Any] = {
        "frechet": corrected,
        "frechet_plain": plain,
        "kernel": discrepancy,
        **nearness,
        **separated,
    }
    return Fidelity(**estimates, examples=len(real), dimensions=real.shape[1], features=name, neighbours=k)


def _states(examples: Examples, real: Examples, rows: Int[np.ndarray, " n"]) -> State:
    chosen = torch.from_numpy(rows)
    if isinstance(examples, Dataset) and isinstance(real, Dataset):
        try:
            return numbers(examples.batch(chosen), real.codec)
        except ValueError as error:
            raise ValueError(f"{examples.name}, read as {real.name}: {error}") from None
    return torch.as_tensor(examples)[chosen]


__all__ = ["Estimate", "Fidelity", "compare", "frechet", "gaussian_distance", "kernel", "needed"]
