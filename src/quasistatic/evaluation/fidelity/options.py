"""The options of a comparison, and the progress of its stages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeAlias

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data import Dataset
from quasistatic.runtime.fields import Range, check
from quasistatic.types import Watch

Examples: TypeAlias = Dataset | Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."]
"""A data set, or a tensor of states (n, *shape); the two sets may differ in size."""

Tick: TypeAlias = Callable[[], None]
"""Called after each stage of the work."""


@dataclass(frozen=True, eq=False)
class CompareOptions:
    """How sets are compared; `compare` takes one, or its fields as keywords.

    Attributes:
        training: the model's training data, to look for copies; the real examples are then held-out data.
        seed: of the choice of examples, the groups of the jackknife, the folds and the trained classifier.
        limit: maximum number of examples from each set.
        neighbours: k of the neighbourhoods.
        classifier: of the two-sample test, from scikit-learn, with ``predict_proba``; None is gradient-boosted trees.

    Raises:
        ValueError: if a number is out of its range.
    """

    training: Examples | None = None
    seed: int = 0
    limit: int | None = None
    neighbours: int = 5
    classifier: Any | None = None

    def __post_init__(self) -> None:
        check("seed", Annotated[int, Range(at_least=0, at_most=2**32 - 1)], self.seed)
        if self.neighbours < 1 or (self.limit is not None and self.limit < 1):
            raise ValueError(f"neighbours and limit are at least 1, got {self.neighbours} and {self.limit}")

    def changed(self, changes: Mapping[str, Any]) -> "CompareOptions":
        """Return the options with some fields replaced.

        Raises:
            TypeError: if there is no such field.
        """
        known = [field.name for field in fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise TypeError(f"sets are compared with {', '.join(known)}, got {unknown[0]}")
        return replace(self, **changes)


def ticks(watch: Watch | None, stages: int) -> Tick:
    """Return a function that reports one more of ``stages`` to ``watch``."""
    if watch is None:
        return lambda: None
    done = iter(range(1, stages + 1))
    return lambda: watch(next(done), stages)
