"""Network over the columns of a table: numbers and categories, each known, noised or missing, in any pattern.

An element comes as a value and as how much of the data is left in it, kept = √ᾱ: 1 where it is known, 0 where it is
missing, between where it is noised. What is jointly normal is worked out, the rest is learned:

    f = numbers and one-hot categories, taken as N(μ, C),  C = L Lᵀ + δ, μ and L learned
    o = kept · f + √(1 − kept²) ε   ⇒   E[f | o] = μ + G (o − kept μ),  Cov[f | o] = C − G (kept C)
    G = (C kept)ᵀ S⁻¹,   S = kept C kept + diag(1 − kept²)

A residual perceptron sees the elements, E and the variances, and adds to the velocity (kept · o − E)/√(1 − kept²) that
they give for the first output map. With C = 1, as at the start, that velocity is 0.
Source: the conditional law of jointly normal variables; velocity: Salimans & Ho 2022, App. D.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import Conditioning, initialised
from quasistatic.network.mlp import PerceptronBlock
from quasistatic.types import Label, Time

JITTER = 1e-4
"""δ, the least variance of a feature, in units of a standardised column's."""


@dataclass(frozen=True)
class ColumnsConfig(NetworkConfig):
    """A network over the columns of a table.

    Attributes:
        width: features in each block of the perceptron.
        depth: its residual blocks.
        dropout: share of its hidden features dropped in training.
    """

    width: int = 96
    depth: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width < 4 or self.depth < 1:
            raise ValueError(
                f"a network over columns needs width ≥ 4 and depth ≥ 1, got width = {self.width} and depth = "
                f"{self.depth}"
            )

    def build(
        self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: int | tuple[int, ...] = 0
    ) -> "Columns":
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

    def forward(
        self, x_t: Float[Tensor, "batch 2 columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        values, kept = x_t.to(self.stem.weight.dtype).unbind(1)
        seen, left = self.features(values, kept)
        mean, variance = self.joint(seen, left)
        noise = torch.where(left < 1, 1 - left**2, 1).clamp(min=1e-12).sqrt()
        velocity = (left * seen - mean) / noise
        numbers = velocity[:, : len(self.numbers)]
        shown = torch.cat([seen, mean, variance.log(), numbers, kept], 1)
        condition, h = self.condition(t, label), self.stem(shown)
        for block in self.blocks:
            h = block(h, condition)
        output = self.last(F.silu(self.norm(h))).unflatten(1, (self.outputs, -1))
        first = output[:, 0].index_add(1, torch.tensor(self.numbers, device=h.device, dtype=torch.long), numbers)
        return torch.cat([first[:, None], output[:, 1:]], 1).to(x_t.dtype)

    def features(
        self, values: Float[Tensor, "batch columns"], kept: Float[Tensor, "batch columns"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return numbers and one-hot categories, and what is kept of each: all of a category that is seen, or none."""
        seen, left = [values[:, self.numbers] * (kept[:, self.numbers] > 0)], [kept[:, self.numbers]]
        for column in self.categories:
            hot = F.one_hot(values[:, column].long(), self.states[column])[:, :-1].to(values)
            there = (kept[:, column : column + 1] > 0) & (hot.sum(1, keepdim=True) > 0)
            seen.append(hot * there)
            left.append(there.to(values).expand_as(hot))
        return torch.cat(seen, 1), torch.cat(left, 1)


class JointNormal(nn.Module):
    """E and Var of f ~ N(μ, C) given kept · f + √(1 − kept²) ε of each; μ = 0 and C = 1 at the start."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.zeros(features))
        self.factor = nn.Parameter(torch.zeros(features, features))

    def forward(
        self, seen: Float[Tensor, "batch features"], kept: Float[Tensor, "batch features"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return means and variances, in the dtype of ``seen``."""
        # In float64: columns that nearly determine each other make S nearly singular.
        with torch.autocast(seen.device.type, enabled=False):
            one = torch.eye(len(self.center), dtype=torch.float64, device=seen.device)
            root, center, a, o = one + self.factor.double(), self.center.double(), kept.double(), seen.double()
            joint = (1 - JITTER) * root @ root.T + JITTER * one
            crossed = joint * a[:, None, :]
            total = a[:, :, None] * crossed + torch.diag_embed(1 - a**2)
            lower = torch.linalg.cholesky(total)
            half = torch.linalg.solve_triangular(lower, crossed.mT, upper=False)
            gap = torch.linalg.solve_triangular(lower, (o - a * center)[..., None], upper=False)
            mean = center + (half.mT @ gap)[..., 0]
            variance = (joint.diagonal() - half.square().sum(1)).clamp(min=1e-8)
        return mean.to(seen.dtype), variance.to(seen.dtype)
