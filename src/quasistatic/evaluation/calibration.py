"""Whether draws of what is hidden are draws of its law: ranks of the truth among them, and proper scores.

    rank        number of draws below the truth, ties broken at random: uniform over 0 … K
    coverage    share of truths between the r-th smallest and the r-th largest draw: (K + 1 − 2r)/(K + 1)
    CRPS        E|x − y| − ½ E|x − x'|                                       of numbers
    energy      E‖x − y‖ − ½ E‖x − x'‖                                       of all hidden numbers of an example
    joint rank  rank of the truth by its mean distance to the draws, among the draws' own
    Brier       Σ_k (p_k − [y = k])²                                         of categories
    ECE         mean |share of hits − mean share of draws| over ten bins of the most frequent category's share

Draws of the true law and the truth are exchangeable, so ranks are uniform whatever the law. Elements of an example are
not independent: errors are over examples, and each χ² test takes one element of each.
Source: Talts et al. 2018 (arXiv:1804.06788); Gneiting & Raftery 2007 (doi:10.1198/016214506000001437), eq. 20 and 22;
Gneiting et al. 2008 (doi:10.1007/s11749-008-0114-x) for ranks of vectors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.special import chdtrc
from torch import Tensor

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels of intervals that are reported; 39 draws have all of them exactly."""

FEW = 5
"""Examples that a bin of a χ² test expects at least; ranks are put together until it does."""

ENOUGH = 20
"""Examples from which a standard error is believed."""

BINS = 10
"""Bins of the reliability of categories."""

Draws = Float[Tensor, "examples draws elements"]
Elements = Float[Tensor, "examples elements"]
Hidden = Bool[Tensor, "examples elements"]


@dataclass(frozen=True)
class Average:
    """A mean over examples and its standard error; NaN error for one example."""

    value: float
    error: float
    examples: int

    @classmethod
    def of(cls, values: Float[Tensor, " examples"]) -> "Average":
        """Return the mean of each example's value, without those that are NaN."""
        own = values[~values.isnan()].double()
        error = own.std().item() / math.sqrt(len(own)) if len(own) > 1 else math.nan
        return cls(own.mean().item() if len(own) else math.nan, error, len(own))


@dataclass(frozen=True)
class Coverage:
    """Coverage of the interval between two draws of equal rank from both ends.

    Attributes:
        level: its probability if the draws are of the true law.
        found: the share of truths inside.
    """

    level: float
    found: Average

    @property
    def off(self) -> bool:
        """Whether it differs from the level by more than three standard errors, over enough examples to know those."""
        return self.found.examples >= ENOUGH and abs(self.found.value - self.level) > 3 * self.found.error


def worst(coverage: Sequence[Coverage]) -> Coverage | None:
    """Return the level that is off by the most standard errors; None if none is off."""
    off = [one for one in coverage if one.off]
    return max(off, key=lambda one: abs(one.found.value - one.level) / max(one.found.error, 1e-12), default=None)


@dataclass(frozen=True)
class Calibration:
    """What `calibration` measures; None where there is nothing of the kind.

    Attributes:
        draws: K.
        coverage: of numbers, by level.
        histogram: number of examples by the rank of one element each, 0 … K.
        uniform: p-value of the χ² test that these ranks are uniform.
        joint: the same of joint ranks.
        crps, energy: of numbers, in the unit of the elements.
        brier, ece: of categories.
    """

    draws: int
    coverage: tuple[Coverage, ...] = ()
    histogram: tuple[int, ...] = ()
    uniform: float | None = None
    joint: float | None = None
    crps: Average | None = None
    energy: Average | None = None
    brier: Average | None = None
    ece: float | None = None

    @property
    def off(self) -> bool:
        """Whether the coverage of a level differs from it by more than its error allows."""
        return any(one.off for one in self.coverage)


def calibration(
    draws: Draws,
    truth: Elements,
    hidden: Hidden,
    categories: Bool[Tensor, " elements"],
    generator: torch.Generator,
) -> Calibration:
    """Compare draws with the truth.

    Args:
        draws: of each example, two or more.
        truth: the values that were hidden, and others, which are not read.
        hidden: which elements were.
        categories: elements whose values have no order.
        generator: breaks ties, and chooses an element of each example.

    Raises:
        ValueError: if there are fewer than two draws, or nothing is hidden.
    """
    if draws.shape[1] < 2:
        raise ValueError(f"calibration compares two draws or more of each example with it, got {draws.shape[1]}")
    if not bool(hidden.any()):
        raise ValueError("calibration needs something hidden, got nothing; hide a part of each example")
    draws, truth, count = draws.double(), truth.double(), draws.shape[1]
    found = {}
    numbers, texts = hidden & ~categories, hidden & categories
    if bool(numbers.any()):
        placed = ranks_among(draws, truth, generator)
        histogram = _one_of_each(placed, numbers, generator).bincount(minlength=count + 1)
        joint = joint_ranks(draws, truth, numbers, generator).bincount(minlength=count + 1)
        found = {
            "coverage": coverages(placed, numbers, count),
            "histogram": tuple(histogram.tolist()),
            "uniform": uniformity(histogram),
            "joint": uniformity(joint),
            "crps": Average.of(_mean(crps(draws, truth), numbers)),
            "energy": Average.of(energy(draws, truth, numbers)),
        }
    if bool(texts.any()):
        found |= {
            "brier": Average.of(_mean(brier(draws, truth), texts)),
            "ece": reliability(draws, truth, texts),
        }
    return Calibration(count, **found)  # type: ignore[arg-type]


def ranks_among(draws: Draws, truth: Elements, generator: torch.Generator) -> Int[Tensor, "examples elements"]:
    """Return the number of draws below the truth, those equal to it counted at random."""
    below, equal = (draws < truth[:, None]).sum(1), (draws == truth[:, None]).sum(1)
    lot = torch.rand(truth.shape, dtype=torch.float64, generator=generator).to(draws.device)
    return below + (lot * (equal + 1)).long().clamp(max=equal)


def coverages(placed: Int[Tensor, "examples elements"], hidden: Hidden, count: int) -> tuple[Coverage, ...]:
    """Return the coverage of the interval nearest to each of the `LEVELS` that ``count`` draws can have."""
    found: dict[float, Coverage] = {}
    for level in LEVELS:
        rank = max(1, round((count + 1) * (1 - level) / 2))
        inside = ((placed >= rank) & (placed <= count - rank)).double()
        exact = (count + 1 - 2 * rank) / (count + 1)
        if exact > 0:
            found[exact] = Coverage(exact, Average.of(_mean(inside, hidden)))
    return tuple(found.values())


def uniformity(histogram: Int[Tensor, " bins"]) -> float:
    """Return the p-value of Pearson's χ² test that all ranks are as likely; 1 with too few examples for two bins."""
    total, bins = int(histogram.sum()), len(histogram)
    parts = min(bins, total // FEW)
    if parts < 2:
        return 1.0
    groups = torch.arange(bins) * parts // bins
    expected = total * groups.bincount(minlength=parts).double() / bins
    seen = torch.zeros(parts, dtype=torch.float64).index_add(0, groups, histogram.double().cpu())
    return float(chdtrc(parts - 1, ((seen - expected) ** 2 / expected).sum().item()))


def joint_ranks(draws: Draws, truth: Elements, hidden: Hidden, generator: torch.Generator) -> Int[Tensor, " examples"]:
    """Return the rank of each truth by its mean distance to the draws, among those of the draws to all others."""
    every = torch.where(hidden[:, None], torch.cat([truth[:, None], draws], 1), 0)
    apart = torch.cdist(every, every).sum(2)
    return ranks_among(apart[:, 1:, None], apart[:, :1], generator)[:, 0]


def crps(draws: Draws, truth: Elements) -> Elements:
    """Return the CRPS of each element, without bias for any number of draws."""
    count = draws.shape[1]
    place = 2 * torch.arange(1, count + 1, dtype=torch.float64, device=draws.device) - count - 1
    apart = 2 * torch.einsum("nke,k->ne", draws.sort(1).values, place) / (count * (count - 1))
    return (draws - truth[:, None]).abs().mean(1) - apart / 2


def energy(draws: Draws, truth: Elements, hidden: Hidden) -> Float[Tensor, " examples"]:
    """Return the energy score of the hidden elements of each example, without bias; NaN if there are none."""
    x, y = torch.where(hidden[:, None], draws, 0), torch.where(hidden, truth, 0)
    count = draws.shape[1]
    apart = torch.cdist(x, x).sum((1, 2)) / (count * (count - 1))
    found = (x - y[:, None]).norm(dim=2).mean(1) - apart / 2
    return torch.where(hidden.any(1), found, torch.nan)


def brier(draws: Draws, truth: Elements) -> Elements:
    """Return Brier's score of the shares of draws, without bias for any number of draws."""
    count, found = draws.shape[1], torch.zeros_like(truth)
    for category in torch.cat([draws.flatten(), truth.flatten()]).unique().tolist():
        share = (draws == category).double().mean(1)
        found += (share - (truth == category).double()) ** 2 - share * (1 - share) / (count - 1)
    return found


def reliability(draws: Draws, truth: Elements, hidden: Hidden) -> float:
    """Return the expected calibration error of the most frequent draw of each hidden element."""
    most = draws.mode(1).values
    sure, right = (draws == most[:, None]).double().mean(1)[hidden], (most == truth)[hidden].double()
    bins = (sure * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins.cpu(), (right - sure).cpu())
    return gaps.abs().sum().item() / len(sure)


def _mean(values: Elements, hidden: Hidden) -> Float[Tensor, " examples"]:
    """Return the mean over hidden elements of each example; NaN if there are none."""
    return torch.where(hidden, values, 0).sum(1) / hidden.sum(1)


def _one_of_each(placed: Int[Tensor, "examples elements"], hidden: Hidden, generator: torch.Generator) -> Tensor:
    """Return the rank of a random hidden element of each example that has one."""
    lot = torch.rand(hidden.shape, generator=generator).to(hidden.device)
    chosen = torch.where(hidden, lot, -1.0).argmax(1, keepdim=True)
    return placed.gather(1, chosen)[hidden.any(1), 0]
