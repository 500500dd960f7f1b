"""Summarises log-likelihoods as a score: a value with its unit, standard error and cost."""

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.evaluation.likelihood.bound import Band, BoundTerms
from quasistatic.types import Nats


@dataclass(frozen=True, eq=False)
class Score:
    """Negative log-likelihood per dimension of a data set (lower is better), and its components.

    Attributes:
        method: ``bound`` or ``importance`` (upper bounds on the true value), ``exact`` or ``flow``.
        value: mean over examples, in ``unit``.
        standard_error: standard error of ``value``, over examples and the estimator's own draws.
        nats_per_example: mean log-likelihood per example, in nats (higher is better).
        examples: number of scored examples.
        dimensions: values per example, each counted once (a 32×32 colour image has 3,072).
        steps: steps of the time grid.
        network_evaluations: total number of network evaluations.
        log_likelihoods: log-likelihood of each example, or its lower bound, in nats of raw units.
        errors: standard error of each log-likelihood over the estimator's own draws; NaN for a single draw.
        null_log_likelihoods: log-likelihood of each example under the process's prior, in the same unit.
        terms: the bound's terms, in ``unit``.
        null: the score of the same data under the process's prior.
        marginal_null: the score under the marginal null model (`marginal`), if the prior gives some data probability 0;
            otherwise empty.
        bands: the bound's cost in each band of log-SNR, in ``unit``; none if the columns differ in their schedules.
        unit: bits/dim in raw units: a mass for discrete values, a density for continuous ones.
        conditional: whether each example was scored given its class label.
        chain_gap: bits per example by which conditional laws are off one joint law (`model.evaluate.given`); or empty.
        ranking: how certain the order of the examples is, if draws were chosen for it; otherwise empty.
        units: number of values, characters or bytes of each example, where they differ: then ``value`` is the total
            over the total number. None: each example has ``dimensions``.
    """

    method: str
    value: float
    standard_error: float
    nats_per_example: float
    examples: int
    dimensions: int
    steps: int
    network_evaluations: int
    log_likelihoods: Nats
    errors: Nats
    null_log_likelihoods: Nats
    terms: dict[str, float] = field(default_factory=dict)
    null: dict[str, float] = field(default_factory=dict)
    marginal_null: dict[str, float] = field(default_factory=dict)
    bands: list[Band] = field(default_factory=list)
    unit: str = "bits/dim"
    conditional: bool = False
    chain_gap: dict[str, float] = field(default_factory=dict)
    ranking: dict[str, Any] = field(default_factory=dict)
    units: Int[Tensor, " examples"] | None = None

    @classmethod
    def of(
        cls, method: str, values: Nats, errors: Nats, null: Nats, dimensions: int, steps: int, evaluations: int
    ) -> "Score":
        """Summarise the log-likelihoods of many examples, given in nats of their raw units.

        Args:
            method: name of the method.
            values: log-likelihood of each example.
            errors: standard error of each log-likelihood.
            null: log-probability of each example under the prior.
            dimensions: values per example.
            steps: steps of the time grid.
            evaluations: total number of network evaluations.
        """
        scale = 1 / (dimensions * math.log(2))
        value, error = mean_and_error(-values * scale)
        return cls(
            method=method,
            value=value,
            standard_error=error,
            nats_per_example=values.mean().item(),
            examples=len(values),
            dimensions=dimensions,
            steps=steps,
            network_evaluations=evaluations,
            log_likelihoods=values,
            errors=errors,
            null_log_likelihoods=null,
            null={"value": -null.mean().item() * scale},
        )

    @classmethod
    def of_bound(cls, terms: BoundTerms, null: Nats, dimensions: int, steps: int) -> "Score":
        """Summarise the bound of many examples, given in nats of their raw units.

        Args:
            terms: the bound's terms of each example.
            null: log-probability of each example under the prior.
            dimensions: values per example.
            steps: steps of the time grid.
        """
        evaluations = terms.network_evaluations * len(terms.value) + terms.pilot_evaluations
        score = cls.of("bound", terms.value, terms.error, null, dimensions, steps, evaluations)
        scale = 1 / (dimensions * math.log(2))
        names = ("prior", "diffusion", "reconstruction")
        return replace(score, terms={name: getattr(terms, name).mean().item() * scale for name in names})

    def per(self, unit: str, units: Int[Tensor, " examples"]) -> "Score":
        """Return the score per ``unit``, of which example i has ``units[i]``.

        The value is Σ bits / Σ units; its standard error is that of a ratio, by its residuals bits − value · units.
        """
        value, error = ratio_and_error(-self.log_likelihoods / math.log(2), units)
        scale = self.dimensions * len(units) / units.sum().item()
        scaled = lambda parts: {name: part * scale for name, part in parts.items()}  # noqa: E731
        return replace(
            self,
            value=value,
            standard_error=error,
            unit=f"bits/{unit}",
            units=units,
            terms=scaled(self.terms),
            null=scaled(self.null),
            marginal_null=scaled(self.marginal_null),
            bands=[band.scaled(scale) for band in self.bands],
        )

    def bits(self, nats: Nats) -> Nats:
        """Return nats of each example in ``unit``."""
        return nats / ((self.dimensions if self.units is None else self.units) * math.log(2))

    @property
    def impossible(self) -> int:
        """Number of examples with probability 0 under the model; a single one makes the value infinite."""
        return int((self.log_likelihoods == -math.inf).sum())

    @property
    def bits_per_example(self) -> float:
        """Mean negative log-likelihood per example, in bits; for a table, bits per row."""
        return -self.nats_per_example / math.log(2)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields except the per-example ones, for JSON."""
        own = ("log_likelihoods", "errors", "null_log_likelihoods", "units")
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}
        more = {"bits_per_example": self.bits_per_example, "impossible": self.impossible}
        return said | {"bands": [asdict(band) for band in self.bands]} | more


def ratio_and_error(values: Float[Tensor, " n"], units: Int[Tensor, " n"]) -> tuple[float, float]:
    """Return Σ values / Σ units and its standard error (NaN for a single value)."""
    value = (values.sum() / units.sum()).item()
    spread = values - value * units
    error = (spread.std() * math.sqrt(len(values)) / units.sum()).item() if len(values) > 1 else math.nan
    return value, error


def mean_and_error(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Return the mean and its standard error (NaN for a single value)."""
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error
