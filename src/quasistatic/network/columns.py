"""Network over the columns of a table: numbers and categories, each known, noised or missing, in any pattern.

The input for an element is its value and kept = √ᾱ, the fraction of the data left in it: 1 if known, 0 if missing,
between if noised. A joint normal distribution is fitted in closed form, and the network learns the rest:

    f = numbers and one-hot categories, taken as N(μ, C), fitted to the data before training
    o = kept · f + √(1 − kept²) ε   ⇒   E[f | o] = μ + G (o − kept μ),  Cov[f | o] = C − G (kept C)
    G = (C kept)ᵀ S⁻¹,   S = kept C kept + diag(1 − kept²)

A residual perceptron sees the elements, their means E and their variances. Its output is 0 before training. Next to it
the network returns the first guess of the joint normal law: E and Var of numbers, and E of one-hot features as
probabilities of categories. The head encodes this guess in its own output, whatever it predicts. A run thus starts at
the exact denoiser of the joint normal law, and learns what is not normal. Without a fit there is no first guess.
Source: the conditional law of jointly normal variables; with missing cells by expectation and maximisation, Little &
Rubin 2002, §11.2.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import FirstGuess, Guessed, Network, NetworkConfig
from quasistatic.network.embedding import Conditioning, initialised
from quasistatic.network.mlp import PerceptronBlock
from quasistatic.runtime.fields import Depth, Embedded, Fraction
from quasistatic.types import Label, StateCounts, Time

JITTER = 1e-5
"""Variance added to each feature, in units of a standardised column, because one-hot features sum to 1."""

PSEUDO_ROWS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Weights, in rows, that independent features of the same variances may have in a fitted C."""

FOLDS = 5
"""Folds of the cross-validation that chooses the weight, on at most `VALIDATED` rows."""

VALIDATED = 1024

GAIN = 8.0
"""Output of a category per unit of the perceptron's; logits are large, and weights move by the learning rate a step."""

ROUNDS = 30
"""EM iterations, if cells are missing."""

LEAST = 1e-3
"""Lower limit of a first guess's probabilities: a linear fit of one-hot features can be 0 or less."""


@dataclass(frozen=True)
class ColumnsConfig(NetworkConfig):
    """Configuration of a network over the columns of a table.

    Attributes:
        width: features per block of the perceptron.
        depth: number of residual blocks.
        dropout: dropout probability of hidden features.
    """

    width: Embedded = 96
    depth: Depth = 2
    dropout: Fraction = 0.1

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "Columns":
        """Make the module; ``states`` has an entry per column, the last of a category's states being its mask."""
        if len(shape) != 1:
            raise ValueError(f"a network over columns takes rows of a table (columns,), got states of shape {shape}")
        kinds = states if isinstance(states, tuple) else (states,) * shape[0]
        if len(kinds) != shape[0]:
            raise ValueError(f"a network over {shape[0]} columns needs the states of each, got {len(kinds)}")
        return Columns(self, kinds, outputs, classes)


class Columns(Network):
    """The module of a `ColumnsConfig`; it takes states as (batch, 2, columns), values and kept."""

    def __init__(self, config: ColumnsConfig, states: tuple[int, ...], outputs: int, classes: int) -> None:
        super().__init__()
        self.config, self.states, self.outputs = config, states, outputs
        self.numbers = [column for column, count in enumerate(states) if not count]
        self.categories = [column for column, count in enumerate(states) if count]
        features = len(self.numbers) + sum(states[column] - 1 for column in self.categories)
        self.joint = JointNormal(features)
        self.condition = Conditioning(config.width, config.width, classes)
        self.stem = initialised(nn.Linear(3 * features + len(self.numbers) + len(states), config.width))
        self.blocks = nn.ModuleList(PerceptronBlock(config.width, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = initialised(nn.Linear(config.width, outputs * len(states)), zero=True)
        gain = torch.tensor([GAIN if count else 1.0 for count in states])
        self.register_buffer("gain", gain, persistent=False)

    def forward(
        self, x_t: Float[Tensor, "batch 2 columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"] | Guessed:
        values, kept = x_t.to(self.stem.weight.dtype).unbind(1)
        seen, left = self.features(values, kept)
        mean, variance = self.joint(seen, left)
        noise = torch.where(left < 1, 1 - left**2, 1).clamp(min=1e-12).sqrt()
        gaps = ((left * seen - mean) / noise)[:, : len(self.numbers)]
        shown = torch.cat([seen, mean, variance.sqrt(), gaps, kept], 1)
        condition, h = self.condition(t, label), self.stem(shown)
        for block in self.blocks:
            h = block(h, condition)
        output = (self.last(F.silu(self.norm(h))).unflatten(1, (self.outputs, -1)) * self.gain).to(x_t.dtype)
        return Guessed(output, self.guess(mean.to(x_t.dtype), variance.to(x_t.dtype))) if self.joint.fitted else output

    def begin(self, x: Float[Tensor, "batch 2 columns"]) -> None:
        self.joint.fit(*self.features(*x.to(self.stem.weight.dtype).unbind(1)), len(self.numbers))

    def guess(self, mean: Float[Tensor, "batch features"], variance: Float[Tensor, "batch features"]) -> FirstGuess:
        """Return the guess of each column, from the means and variances of its features under the joint normal law."""
        numbers, columns, done = len(self.numbers), len(self.states), len(self.numbers)
        center, spread = mean.new_zeros(len(mean), columns), mean.new_zeros(len(mean), columns)
        center[:, self.numbers], spread[:, self.numbers] = mean[:, :numbers], variance[:, :numbers]
        probabilities = mean.new_zeros(len(mean), max(self.states), columns)
        for column in self.categories:
            count = self.states[column] - 1
            hot = mean[:, done : done + count]
            weights = torch.cat([hot, 1 - hot.sum(1, keepdim=True)], 1).clamp(min=LEAST)
            probabilities[:, : count + 1, column] = weights / weights.sum(1, keepdim=True)
            done += count
        return FirstGuess(center, spread, probabilities)

    def features(
        self, values: Float[Tensor, "batch columns"], kept: Float[Tensor, "batch columns"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return numbers and one-hot categories, and kept for each; for a category it is 1 if visible, otherwise 0."""
        seen, left = [values[:, self.numbers] * (kept[:, self.numbers] > 0)], [kept[:, self.numbers]]
        for column in self.categories:
            hot = F.one_hot(values[:, column].long(), self.states[column])[:, :-1].to(values)
            there = (kept[:, column : column + 1] > 0) & (hot.sum(1, keepdim=True) > 0)
            seen.append(hot * there)
            left.append(there.to(values).expand_as(hot))
        return torch.cat(seen, 1), torch.cat(left, 1)


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
        self, seen: Float[Tensor, "rows features"], kept: Float[Tensor, "rows features"], numbers: int | None = None
    ) -> None:
        """Fit μ and C to the values ``seen`` where ``kept`` is 1; where it is 0 there is no value.

        The fit is by maximum likelihood, with C shrunk towards independence by pseudo-rows. Cross-validation chooses
        their number, by how well each of the first ``numbers`` features (all, if None) is predicted from the others.
        The conditional variance of each feature is then increased to match its error there.
        """
        seen, kept = seen.double(), kept.double()
        chosen, wider = self._validated(seen[:VALIDATED], kept[:VALIDATED], numbers)
        self.settle(seen, kept, chosen)
        self.extra.copy_((wider - 1) / torch.linalg.inv(self.joint).diagonal())
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
