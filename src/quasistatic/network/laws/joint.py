"""The joint normal law of a row's features, fitted in closed form: the mean and variance of each, given any of them.

    f ~ N(μ, C),   o = kept · f + √(1 − kept²) ε   ⇒   E[f | o] = μ + G (o − kept μ),   Cov[f | o] = C − G (kept C)
    G = (C kept)ᵀ S⁻¹,   S = kept C kept + diag(1 − kept²)

kept is 1 for a known feature and 0 for an unknown one.
Source: the conditional law of jointly normal variables; with missing values by expectation and maximisation, Little &
Rubin 2002, §11.2.
"""

import math
from itertools import accumulate, pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.distribution import log_mass_between

FEATURES = 32
"""Most features; with more, the law is of the numbers alone, and with more numbers there is none: a batch of rows with
different cells known takes a matrix inverse for each."""

DOUBT = 0.003
"""Share of the frequencies of the bins in each histogram, because the law is wrong in its tails."""

JITTER = 1e-5
"""Variance added to each feature, in units of a standardised column, because one-hot features sum to 1."""

PSEUDO_ROWS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Weights, in rows, that independent features of the same variances may have in a fitted C."""

FOLDS = 5
"""Folds of the cross-validation that chooses the weight, on at most `VALIDATED` rows."""

VALIDATED = 1024

ROUNDS = 30
"""EM iterations, if cells are missing."""

BEYOND_ONNX = "the Cholesky factor in a joint normal law of columns"


class JointNormal(nn.Module):
    """E and Var of f ~ N(μ, C) given kept · f + √(1 − kept²) ε of each; μ = 0 and C = 1 until it is fitted."""

    center: Tensor
    joint: Tensor
    extra: Tensor
    fitted: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        # float64, because columns that nearly determine each other make S nearly singular.
        self.register_buffer("center", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("joint", torch.eye(features, dtype=torch.float64))
        self.register_buffer("extra", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("fitted", torch.tensor(False))

    @torch.no_grad()
    def forward(
        self, seen: Float[Tensor, "batch features"], kept: Float[Tensor, "batch features"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return means and variances, in the dtype of ``seen``."""
        with torch.autocast(seen.device.type, enabled=False):
            # Draws of one row, and unconditional draws, are noised and known alike: one gain serves all of them.
            patterns, place = kept.double().unique(dim=0, return_inverse=True)
            gains, left = self.gains(patterns)
            mean = self.explained(seen.double(), kept.double(), gains[place])
            variance = left.diagonal(dim1=1, dim2=2).clamp(min=1e-8)[place]
        return mean.to(seen.dtype), variance.to(seen.dtype)

    def gains(
        self, kept: Float[Tensor, "patterns features"]
    ) -> tuple[Float[Tensor, "patterns features features"], Float[Tensor, "patterns features features"]]:
        """Return G and Cov[f | o], float64; unknown features get ``extra`` variance in addition to C."""
        joint = self.joint + torch.diag_embed(self.extra * (kept < 1))
        crossed = joint * kept[:, None, :]
        total = kept[:, :, None] * crossed + torch.diag_embed(1 - kept**2)
        gains = torch.cholesky_solve(crossed.mT, torch.linalg.cholesky(total)).mT
        return gains, joint - gains @ crossed.mT

    def explained(
        self,
        seen: Float[Tensor, "batch features"],
        kept: Float[Tensor, "batch features"],
        gains: Float[Tensor, "batch features features"],
    ) -> Float[Tensor, "batch features"]:
        """Return E[f | o]."""
        return self.center + (gains @ (seen - kept * self.center)[..., None])[..., 0]

    @torch.no_grad()
    def fit(
        self,
        seen: Float[Tensor, "rows features"],
        kept: Float[Tensor, "rows features"],
        numbers: int | None = None,
        spread: Float[Tensor, " features"] | float = 0.0,
    ) -> None:
        """Fit μ and C to the values ``seen`` where ``kept`` is 1; where it is 0 there is no value.

        The fit is by maximum likelihood, with C shrunk towards independence by pseudo-rows. Cross-validation chooses
        their number, by how well each of the first ``numbers`` features (all, if None) is predicted from the others.
        The conditional variance of each feature is then increased to match its error there, and by its ``spread``: the
        mean variance of a feature around the value that is seen.
        """
        seen, kept = seen.double(), kept.double()
        chosen, wider = self._validated(seen[:VALIDATED], kept[:VALIDATED], numbers)
        self.settle(seen, kept, chosen)
        self.extra.copy_((wider - 1) / torch.linalg.inv(self.joint).diagonal() + spread)
        self.fitted.fill_(True)

    def settle(
        self, seen: Float[Tensor, "rows features"], kept: Float[Tensor, "rows features"], pseudo_rows: float
    ) -> None:
        """Set μ and C by maximum likelihood on float64 rows, with ``pseudo_rows`` of independent features."""
        counts = kept.sum(0).clamp(min=1)
        self.center.copy_((kept * seen).sum(0) / counts)
        gaps = kept * (seen - self.center)
        self._set(torch.diag(gaps.square().sum(0) / counts), len(seen), pseudo_rows)
        patterns, place, rows = kept.unique(dim=0, return_inverse=True, return_counts=True)
        for _ in range(1 if bool((kept == 1).all()) else ROUNDS):
            gains, left = self.gains(patterns)
            mean = self.explained(kept * seen, kept, gains[place])
            self.center.copy_(mean.mean(0))
            gaps = mean - self.center
            joint = (gaps.T @ gaps + (rows[:, None, None] * left).sum(0)) / len(seen)
            self._set(joint, len(seen), pseudo_rows)

    def errors(
        self, seen: Float[Tensor, "rows features"], kept: Float[Tensor, "rows features"]
    ) -> tuple[Float[Tensor, "rows features"], Float[Tensor, "rows features"]]:
        """Return the squared error of predicting each feature from its row's others, and the predicted variance."""
        patterns, place = kept.unique(dim=0, return_inverse=True)
        total = patterns[:, :, None] * self.joint * patterns[:, None, :] + torch.diag_embed(1 - patterns)
        precision = torch.linalg.inv(total)[place]
        gap = (precision @ (kept * (seen - self.center))[..., None])[..., 0]
        alone = 1 / precision.diagonal(dim1=1, dim2=2)
        return (gap * alone).square(), alone

    def _validated(
        self, seen: Float[Tensor, "rows features"], kept: Float[Tensor, "rows features"], numbers: int | None
    ) -> tuple[float, float]:
        """Return the best number of pseudo-rows on held-out folds, and the factor by which to increase variances."""
        told = kept[:, :numbers] == 1
        if len(seen) < 2 * FOLDS or not bool(told.any()):
            return PSEUDO_ROWS[-1], 1.0
        fold, best = torch.arange(len(seen)) % FOLDS, (-torch.inf, PSEUDO_ROWS[-1], 1.0)
        for pseudo_rows in PSEUDO_ROWS:
            square, variance = torch.empty_like(seen), torch.empty_like(seen)
            for number in range(FOLDS):
                out, trial = fold == number, JointNormal(seen.shape[1])
                trial.to(seen.device).settle(seen[~out], kept[~out], pseudo_rows)
                square[out], variance[out] = trial.errors(seen[out], kept[out])
            ratio = (square / variance)[:, :numbers][told]
            wider = max(1.0, ratio.mean().item())
            likelihood = -0.5 * (variance[:, :numbers][told].log() + math.log(wider) + ratio / wider).mean().item()
            best = max(best, (likelihood, pseudo_rows, wider))
        return best[1:]

    def _set(self, joint: Float[Tensor, "features features"], rows: int, pseudo_rows: float) -> None:
        share = pseudo_rows / (rows + pseudo_rows)
        self.joint.copy_(joint.lerp(torch.diag(joint.diagonal()), share) + JITTER * torch.eye(len(joint)).to(joint))


class Histogrammed(nn.Module):
    """Log-weights of the bins of each cell, given the known ones, by a joint normal law of a row's features.

    Features are the normal scores of numbers, and one-hot categories. The log-weights are relative to the frequencies
    of the bins, so they are 0 where nothing is known, and for bins of which the law says nothing.

    Args:
        bins: number of bins of each column.
        numbers: the columns of numbers.
    """

    edges: Float[Tensor, "2 total"]
    frequency: Float[Tensor, " total"]
    share: Float[Tensor, " total"]
    ordered: Int[Tensor, " ordered"]
    owner: Int[Tensor, " ordered"]

    def __init__(self, bins: tuple[int, ...], numbers: list[int]) -> None:
        super().__init__()
        categories = [column for column in range(len(bins)) if column not in numbers]
        hot = sum(bins[column] - 1 for column in categories)
        self.numbers = numbers if len(numbers) <= FEATURES else []
        self.categories = categories if len(numbers) + hot <= FEATURES else []
        self.parts = list(pairwise(accumulate(bins, initial=0)))
        self.law = JointNormal(len(self.numbers) + sum(bins[column] - 1 for column in self.categories))
        self.register_buffer("edges", torch.zeros(2, sum(bins)))
        self.register_buffer("frequency", torch.ones(sum(bins)))
        self.register_buffer("share", torch.ones(sum(bins)))
        # The bins of numbers, and the place of each bin's column among the numbers.
        ordered = [torch.arange(*self.parts[column]) for column in self.numbers]
        owner = [torch.full((bins[column],), place) for place, column in enumerate(self.numbers)]
        nothing = torch.zeros(0, dtype=torch.int64)
        self.register_buffer("ordered", torch.cat([nothing, *ordered]), persistent=False)
        self.register_buffer("owner", torch.cat([nothing, *owner]), persistent=False)

    @torch.no_grad()
    def fit(
        self,
        bin_: Int[Tensor, "rows columns"],
        score: Float[Tensor, "rows columns"],
        known: Bool[Tensor, "rows columns"],
        edges: Float[Tensor, "2 total"],
        frequency: Float[Tensor, " total"],
        spread: Float[Tensor, " columns"],
    ) -> None:
        """Fit the law to rows, if they have features that it can take.

        Args:
            bin_: bins of the cells.
            score: normal scores of the cells that are numbers.
            known: which cells are known.
            edges: normal scores of both ends of each bin, all bins of a column in the order of their values.
            frequency: of each bin in its column.
            spread: mean variance of normal scores around those of the values that are seen.
        """
        if not self.numbers + self.categories:
            return
        self.edges.copy_(edges)
        self.frequency.copy_(frequency)
        for column in self.numbers:  # where a value repeats within a range, the rest of the mass is the range's
            part = slice(*self.parts[column])
            masses = log_mass_between(*edges[:, part].double()).exp().clamp(min=1e-12)
            self.share[part] = (frequency[part] / masses).clamp(max=1).to(self.share)
        features, told = self._features(bin_, score, known)
        wider = torch.zeros(features.shape[1], dtype=torch.float64)
        wider[: len(self.numbers)] = spread[self.numbers].to(wider)
        self.law.fit(features, told, len(self.numbers) or None, wider.to(features.device))

    @torch.no_grad()
    def forward(
        self,
        bin_: Int[Tensor, "batch columns"],
        score: Float[Tensor, "batch columns"],
        known: Bool[Tensor, "batch columns"],
    ) -> Float[Tensor, "batch total"]:
        """Return the log-weights for cells as `fit` takes them, and 0 until the law has been fitted."""
        if not self.numbers + self.categories:
            return score.new_zeros(len(score), len(self.frequency))
        mean, variance = self.law(*self._features(bin_, score, known))
        masses, done = self.frequency.expand(len(mean), -1).clone(), len(self.numbers)
        if self.numbers:
            # Φ(high) − Φ(low) of all bins at once, in the tail where it keeps its digits.
            center, std = mean[:, self.owner], variance.sqrt()[:, self.owner]
            low, high = ((edge - center) / std for edge in self.edges[:, self.ordered])
            above = low > 0
            low, high = torch.where(above, -high, low), torch.where(above, -low, high)
            inside = torch.special.ndtr(high) - torch.special.ndtr(low)
            masses[:, self.ordered] = self.share[self.ordered] * inside.to(masses)
        for column in self.categories:
            start, stop = self.parts[column]
            hot = mean[:, done : done + stop - start - 1]
            masses[:, start:stop] = torch.cat([hot, 1 - hot.sum(1, keepdim=True)], 1).clamp(0, 1)
            done += stop - start - 1
        return torch.where(self.law.fitted, torch.log(DOUBT + (1 - DOUBT) * masses / self.frequency), 0.0)

    def _features(
        self,
        bin_: Int[Tensor, "batch columns"],
        score: Float[Tensor, "batch columns"],
        known: Bool[Tensor, "batch columns"],
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return the features, and 1 for each that is known, else 0."""
        seen, left = [torch.where(known, score, 0)[:, self.numbers]], [known[:, self.numbers]]
        for column in self.categories:
            start, stop = self.parts[column]
            hot = F.one_hot(bin_[:, column], stop - start)[:, :-1] * known[:, column : column + 1]
            seen.append(hot.to(score))
            left.append(known[:, column : column + 1].expand_as(hot))
        return torch.cat(seen, 1), torch.cat(left, 1).to(score)
