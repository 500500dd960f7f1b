"""A score: one number with its unit, its standard error and what it cost."""

import math
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from quasistatic.evaluation.bound import BoundTerms
from quasistatic.types import Nats


@dataclass(frozen=True)
class Score:
    """Negative log-likelihood per dimension of a data set, lower is better, with the parts it is made of.

    Attributes:
        method: ``bound`` or ``importance`` (upper bounds on the true value), ``exact`` or ``flow``.
        value: mean over examples, in ``unit``.
        standard_error: of ``value``, over examples and the estimator's own draws.
        nats_per_example: mean log-likelihood per example, in nats (higher is better).
        examples: how many were scored.
        dimensions: values per example, each counted once (a 32×32 colour image has 3,072).
        steps: of the grid.
        network_evaluations: in all.
        terms: the bound's terms, in ``unit``.
        null: the same measure of the data under the process's prior.
        unit: bits/dim in raw units: a mass for discrete values, a density for continuous ones.
    """

    method: str
    value: float
    standard_error: float
    nats_per_example: float
    examples: int
    dimensions: int
    steps: int
    network_evaluations: int
    terms: dict[str, float] = field(default_factory=dict)
    null: dict[str, float] = field(default_factory=dict)
    unit: str = "bits/dim"


@dataclass(frozen=True, eq=False)
class Scores:
    """A score with what it is the mean of: each example's log-likelihood and its standard error, in nats."""

    score: Score
    values: Nats
    errors: Nats

    @classmethod
    def of(
        cls, method: str, values: Nats, errors: Nats, null: Nats, dimensions: int, steps: int, evaluations: int
    ) -> "Scores":
        """Summarise log-likelihoods of many examples, given in nats of their raw units.

        Args:
            method: how they were found.
            values: log-likelihood of each example.
            errors: their standard errors.
            null: log-probability of each example under the prior.
            dimensions: values per example.
            steps: of the grid.
            evaluations: of the network, in all.
        """
        scale = 1 / (dimensions * math.log(2))
        value, error = mean_and_error(-values * scale)
        score = Score(
            method=method,
            value=value,
            standard_error=error,
            nats_per_example=values.mean().item(),
            examples=len(values),
            dimensions=dimensions,
            steps=steps,
            network_evaluations=evaluations,
            null={"value": -null.mean().item() * scale},
        )
        return cls(score, values, errors)


def score_bound(terms: BoundTerms, null: Nats, dimensions: int, steps: int) -> Score:
    """Summarise the bound of many examples, given in nats of their raw units.

    Args:
        terms: the bound's terms of each example.
        null: log-probability of each example under the prior.
        dimensions: values per example.
        steps: of the grid.
    """
    scale = 1 / (dimensions * math.log(2))
    value, error = mean_and_error(-terms.value * scale)
    return Score(
        method="bound",
        value=value,
        standard_error=error,
        nats_per_example=terms.value.mean().item(),
        examples=len(terms.value),
        dimensions=dimensions,
        steps=steps,
        network_evaluations=terms.network_evaluations * len(terms.value),
        terms={name: getattr(terms, name).mean().item() * scale for name in ("prior", "diffusion", "reconstruction")},
        null={"value": -null.mean().item() * scale},
    )


def mean_and_error(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Return the mean and its standard error; the error of a single value is not known (NaN)."""
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error
