"""The options of a comparison of tables."""

from dataclasses import dataclass
from typing import Annotated

from quasistatic.data import Dataset
from quasistatic.runtime.fields import Range, check


@dataclass(frozen=True, eq=False)
class TableOptions:
    """How tables are compared.

    Attributes:
        training: the model's training data; the real rows are then held-out rows.
        target: a column to predict from the others, or ``COLUMN=VALUE`` for one of its classes; None for no task.
        seed: of the choice of rows, the groups that are left out, the folds and the trees.
        limit: maximum number of real rows and of samples, chosen at random.

    Raises:
        ValueError: if a number is out of its range.
    """

    training: Dataset | None = None
    target: str | None = None
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        check("seed", Annotated[int, Range(at_least=0, at_most=2**32 - 1)], self.seed)
        if self.limit is not None:
            check("limit", Annotated[int, Range(at_least=1)], self.limit)
