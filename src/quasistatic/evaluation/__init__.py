"""Estimates log-likelihoods of data under a model. Every result states its unit and its standard error.

bound        a lower bound on log p(x)                                      any process
importance   between the bound and log p(x), tighter with more paths        any process
flow         log p(x) by the probability flow's ODE                         Gaussian processes
exact        log p(x) by enumeration                                        small state spaces
ordered      log p(x) of an order in which elements are shown               processes that end in a mask

fixed_last_step    the 2015 paper's last step instead of the learned one, for any method above
likelihood/  these methods
steps/       entropy and cost of each reverse step, few-step grids, variances of the guess
baselines/   simple models to compare with                        fidelity/    samples against real examples
tabular/     samples of a table against real rows
ranking/     which example has the higher bound, and how sure that is; scores for unusual examples
"""

from quasistatic.evaluation.baselines.marginal import marginal_null
from quasistatic.evaluation.likelihood.bound import Band, BoundTerms, bound, bound_with_map, chances_by_cost, null
from quasistatic.evaluation.likelihood.edge import fixed_last_step
from quasistatic.evaluation.likelihood.exact import exact
from quasistatic.evaluation.likelihood.flow import (
    EXACT_UP_TO,
    Flowed,
    Tolerance,
    dequantised,
    from_latent,
    latent,
    log_likelihood,
    noised,
)
from quasistatic.evaluation.likelihood.importance import Works, importance
from quasistatic.evaluation.likelihood.ordered import ORDERS, Ordered, check_ordering, ordered
from quasistatic.evaluation.likelihood.windows import GuessWindows, bound_in_windows
from quasistatic.evaluation.score import Score, mean_and_error
from quasistatic.evaluation.steps.entropy import EntropyBounds, entropy_bounds
from quasistatic.evaluation.steps.plan import StepCosts, step_costs
from quasistatic.evaluation.steps.variance import VARIANCES, SquaredErrors, squared_errors, with_variance

METHODS = ("bound", "importance", "flow", "exact", "ordered")
"""Method names, as users type them."""


def check_method(name: str) -> None:
    """Raise ValueError unless ``name`` is a method of evaluation."""
    if name not in METHODS:
        raise ValueError(f"the method of evaluation is {', '.join(METHODS[:-1])} or {METHODS[-1]}, got {name!r}")


__all__ = [
    "EXACT_UP_TO",
    "METHODS",
    "ORDERS",
    "VARIANCES",
    "Band",
    "BoundTerms",
    "EntropyBounds",
    "Flowed",
    "GuessWindows",
    "Ordered",
    "Score",
    "SquaredErrors",
    "StepCosts",
    "Tolerance",
    "Works",
    "bound",
    "bound_in_windows",
    "bound_with_map",
    "chances_by_cost",
    "check_method",
    "check_ordering",
    "dequantised",
    "entropy_bounds",
    "exact",
    "fixed_last_step",
    "from_latent",
    "importance",
    "latent",
    "log_likelihood",
    "marginal_null",
    "mean_and_error",
    "noised",
    "null",
    "ordered",
    "squared_errors",
    "step_costs",
    "with_variance",
]
