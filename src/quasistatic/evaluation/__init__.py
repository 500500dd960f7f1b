"""Evaluation: how likely are data under a model. Everything says its unit and its standard error.

bound        a lower bound on log p(x)                                      any process
importance   between the bound and log p(x), nearer with more paths         any process
exact        log p(x), by enumeration                                       few states in all
"""

from quasistatic.evaluation.bound import BoundTerms, bound, chances_by_cost, null
from quasistatic.evaluation.edge import fixed_last_step
from quasistatic.evaluation.exact import exact
from quasistatic.evaluation.importance import Works, importance
from quasistatic.evaluation.score import Score, mean_and_error

METHODS = ("bound", "importance", "exact")
"""The names that users type."""


def check_method(name: str) -> None:
    """Raise ValueError unless ``name`` is a method of evaluation."""
    if name not in METHODS:
        raise ValueError(f"the method of evaluation is {', '.join(METHODS[:-1])} or {METHODS[-1]}, got {name!r}")


__all__ = [
    "METHODS",
    "BoundTerms",
    "Score",
    "Works",
    "bound",
    "chances_by_cost",
    "check_method",
    "exact",
    "fixed_last_step",
    "importance",
    "mean_and_error",
    "null",
]
