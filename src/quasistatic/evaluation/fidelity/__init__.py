"""Compares samples with real examples, by any features; every number has a standard error.

frechet, kernel                         distances, 0 for the same law                        `distance`
precision, recall, density, coverage    realism and variety, by nearest neighbours           `neighbours`
auc, accuracy                           how well a classifier separates the sets             `classifier`
judge                                   what a classifier of labels says of the samples      `judge`, `verdict`
copies                                  copies of the model's training data                  `copies`

None of these is a likelihood. Both sets are cut to equal size. As a reference, two parts of the real set are compared
in the same way, which is what a perfect model would score.
"""

import math
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int

from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity import classifier as judging
from quasistatic.evaluation.fidelity import copies as copying
from quasistatic.evaluation.fidelity import judge as labelling
from quasistatic.evaluation.fidelity.copies import Copies
from quasistatic.evaluation.fidelity.distance import frechet, gaussian_distance, kernel
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped
from quasistatic.evaluation.fidelity.features import Function, component_count, encoded, extracted
from quasistatic.evaluation.fidelity.neighbours import neighbours as among_neighbours
from quasistatic.evaluation.fidelity.options import CompareOptions, Examples, Tick, ticks
from quasistatic.evaluation.fidelity.verdict import Verdict, verdict
from quasistatic.types import Watch

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
        judge: what the classifier says of samples and of held-out real examples; None for other features.
        copies: whether samples copy the training data; None if these are not given.
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
    judge: Verdict | None = None
    copies: Copies | None = None

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
    options: CompareOptions = CompareOptions(),
    *,
    watch: Watch | None = None,
    **changes: Any,
) -> Fidelity:
    """Compare ``samples`` with ``real`` examples; the larger set is subsampled at random to equal size.

    With the features ``classifier``, a classifier is trained on labels: those of the training data if these are given
    with labels, or else those of two thirds of ``real``. Samples are compared with the real examples that it did not
    learn from.

    Args:
        real: a data set, or states (n, …); a data set with labels for ``classifier``.
        samples: a data set or states; a data set is read with the codec of ``real``.
        features: ``raw``, ``pca:N``, ``classifier`` (64 features), ``classifier:N``, or a function of states
            (batch, …) → (batch, d); modules must be in eval mode.
        options: the model's training data (to look for copies), seed, limit, neighbours, classifier of the two-sample
            test.
        watch: called with (done, all) stages.
        changes: fields of `CompareOptions` to replace, as in ``compare(real, samples, seed=1)``.

    Returns:
        Each measure with its standard error, and the same of two disjoint parts of the real set.

    Raises:
        ValueError: if the sets differ in shape, have fewer examples than `needed`, hold NaN, ``features`` or what it
            returns is not as above, labels are missing or too few, or real examples are in the training data.
        TypeError: if some are data sets and others are not, or `CompareOptions` has no such field.
        ArithmeticError: if the classifier learned nothing.
    """
    options = options.changed(changes)
    _check_sets(real, samples, options.training)
    if isinstance(features, str) and features.partition(":")[0] == labelling.NAME:
        return _by_classifier(real, samples, features, options, watch)
    if isinstance(features, str):
        component_count(features)
    sets = _Sets.chosen(real, samples, options)
    x, y = extracted(features, encoded(real, real, sets.rows), encoded(samples, real, sets.drawn), options.seed)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of both sets have one width, got {x.shape[1]} and {y.shape[1]}; fix the function")
    sets.check_width(x.shape[1], "pca")
    name = features if isinstance(features, str) else getattr(features, "__name__", type(features).__name__)
    tick = ticks(watch, sets.stages(x.shape[1]))
    return replace(sets.compared(x, y, name, tick), copies=_copies(real, sets, tick))


def _by_classifier(
    real: Examples, samples: Examples, features: str, options: CompareOptions, watch: Watch | None
) -> Fidelity:
    """Compare in the features of a classifier that learns from labels first."""
    width = labelling.width_of(features)
    parts = labelling.parts(real, options.training, options.seed)
    assert isinstance(samples, Dataset)
    labelled, held_out = labelling.with_labels(samples, parts.learned.classes), parts.held_out
    sets = _Sets.chosen(held_out, labelled, options, parts.note)
    sets.check_width(width, "classifier")
    tick = ticks(watch, labelling.STAGES + sets.stages(width))
    copied = _copies(real, sets, tick)
    judge = labelling.trained(parts.learned, held_out, width, options.seed, tick)
    here = labelling.judged(judge, held_out, held_out, sets.rows)
    there = labelling.judged(judge, labelled, held_out, sets.drawn)
    found = sets.compared(here.features, there.features, features, tick)
    said = verdict(here, there, judge, sets.draws)
    return replace(found, judge=said, copies=copied)


def _copies(real: Examples, sets: "_Sets", tick: Tick) -> Copies | None:
    """Look for copies of the training data, if these are given; all of ``real`` is held out from them."""
    training = sets.options.training
    if training is None:
        return None
    samples, held_out, learned = ((partial(encoded, one, real), len(one)) for one in (sets.samples, real, training))
    return copying.copies(samples, held_out, learned, sets.draws, tick)


@dataclass(frozen=True, eq=False)
class _Sets:
    """The examples to compare: ``rows`` of the real ones, for the reference too, and the ``drawn`` samples."""

    real: Examples
    samples: Examples
    rows: Int[np.ndarray, " twice"]
    drawn: Int[np.ndarray, " count"]
    options: CompareOptions
    draws: np.random.Generator
    note: str

    @classmethod
    def chosen(cls, real: Examples, samples: Examples, options: CompareOptions, note: str = "") -> "_Sets":
        """Choose examples at random; ``note`` says in an error where real examples went, if they are too few."""
        count = min(len(real), len(samples), options.limit or len(real))
        note = note if count == len(real) else ""
        _enough(count, needed(1, options.neighbours), "comparing", note)
        draws = np.random.default_rng(options.seed)
        rows, drawn = draws.permutation(len(real))[: 2 * count], draws.permutation(len(samples))[:count]
        return cls(real, samples, rows, drawn, options, draws, note)

    def check_width(self, width: int, kind: str) -> None:
        """Raise ValueError if there are too few examples for ``width`` features."""
        count, k = len(self.drawn), self.options.neighbours
        fewer = fitting_components(count, k)
        instead = f", or compare fewer features with --features {kind}:{fewer}" if fewer else ""
        _enough(count, needed(width, k), f"the Fréchet distance in {width} features", self.note, instead)

    def has_reference(self, width: int) -> bool:
        """Return whether half of the real examples are enough to compare with the other half."""
        return len(self.rows) // 2 >= needed(width, self.options.neighbours)

    def stages(self, width: int) -> int:
        """Return the number of stages of the measures."""
        return STAGES * (1 + self.has_reference(width)) + (self.options.training is not None) * copying.STAGES

    def compared(self, x: np.ndarray, y: np.ndarray, name: str, tick: Tick) -> Fidelity:
        """Return the measures of the features ``x`` of the real rows and ``y`` of the samples, with the reference."""
        found = _measured(x[: len(y)], y, self.draws, name, self.options, tick)
        if not self.has_reference(x.shape[1]):
            return found
        half = len(x) // 2
        return replace(found, reference=_measured(x[:half], x[half : 2 * half], self.draws, name, self.options, tick))


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


def _check_sets(real: Examples, samples: Examples, training: Examples | None) -> None:
    given = [one for one in (real, samples, training) if one is not None]
    if len({isinstance(one, Dataset) for one in given}) > 1:
        kinds = " and ".join(type(one).__name__ for one in given)
        raise TypeError(f"two data sets are compared, or two tensors of states, got {kinds}; `load` reads files")
    shapes = [tuple(one.shape if isinstance(one, Dataset) else one.shape[1:]) for one in given]
    for name, shape in zip(("samples", "training data"), shapes[1:], strict=False):
        if shape != shapes[0]:
            sizes = ["×".join(map(str, one)) for one in (shapes[0], shape)]
            raise ValueError(
                f"{name} should have the shape of the real examples, {sizes[0]}, got {sizes[1]}; resize or reread one"
            )


def _enough(count: int, least: int, what: str, note: str = "", instead: str = "") -> None:
    if count < least:
        raise ValueError(f"{what} needs at least {least} examples of each set, got {count}{note}; give more{instead}")


def _measured(
    real: np.ndarray, samples: np.ndarray, draws: np.random.Generator, name: str, options: CompareOptions, tick: Tick
) -> Fidelity:
    sets = (real, samples, grouped(len(real), draws), grouped(len(samples), draws))
    corrected, plain = frechet(*sets)
    tick()
    discrepancy = kernel(*sets)
    tick()
    nearness = among_neighbours(*sets, options.neighbours)
    tick()
    separated = judging.two_sample(real, samples, options.classifier, options.seed)
    tick()
    estimates: dict[str, Any] = {
        "frechet": corrected,
        "frechet_plain": plain,
        "kernel": discrepancy,
        **nearness,
        **separated,
    }
    size = {"examples": len(real), "dimensions": real.shape[1]}
    return Fidelity(**estimates, **size, features=name, neighbours=options.neighbours)


__all__ = [
    "CompareOptions",
    "Copies",
    "Estimate",
    "Fidelity",
    "Verdict",
    "compare",
    "frechet",
    "gaussian_distance",
    "kernel",
    "needed",
]
