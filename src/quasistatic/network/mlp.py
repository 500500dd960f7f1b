"""Residual perceptrons: for vectors (points, bits), and for columns of different kinds that a product process moves.

h ← h + W₂ SiLU(W₁ SiLU(LayerNorm(h) (1 + scale) + shift)),    (scale, shift) = linear in the condition
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import Conditioning, Inputs, as_input, initialised, parts_of
from quasistatic.network.operations import Dropout
from quasistatic.runtime.fields import Depth, Embedded, Fraction, Power
from quasistatic.types import Label, StateCounts, Time


@dataclass(frozen=True)
class MLPConfig(NetworkConfig):
    """Configuration of a residual perceptron.

    Attributes:
        width: features per block.
        depth: number of residual blocks.
        dropout: dropout probability of hidden features.
        fourier: exponents n of the input features sin(2ⁿ π x), cos(2ⁿ π x).
    """

    width: Embedded = 256
    depth: Depth = 4
    dropout: Fraction = 0.0
    fourier: tuple[Power, ...] = ()

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "MLP":
        if len(shape) != 1:
            raise ValueError(f"an MLP takes vectors (columns,), got states of shape {shape}; flatten them")
        return MLP(self, shape[0], outputs, classes, states)


class MLP(Network):
    """The module of an `MLPConfig`."""

    def __init__(
        self, config: MLPConfig, columns: int, outputs: int = 1, classes: int = 0, states: StateCounts = 0
    ) -> None:
        super().__init__()
        self.config, self.columns = config, columns
        self.outputs = outputs
        self.known: nn.Linear | None = None
        self.condition = Conditioning(config.width, config.width, classes)
        self.inputs = Inputs(columns, states, config.fourier)
        self.stem = initialised(nn.Linear(self.inputs.features, config.width))
        self.blocks = nn.ModuleList(PerceptronBlock(config.width, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = initialised(nn.Linear(config.width, outputs * columns), zero=True)

    def learn_covariates(self, features: int) -> None:
        self.condition.learn_covariates(features)

    def learn_known(self) -> None:
        self.condition.learn_known()
        self.known = initialised(nn.Linear(2 * self.columns, self.config.width, bias=False))

    @torch.no_grad()
    def start(self, output: Float[Tensor, " outputs"]) -> None:
        self.last.bias.view(self.outputs, -1).copy_(output[:, None])

    def forward(
        self, x_t: Shaped[Tensor, "batch entries"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        x_t, known = parts_of(x_t, self.columns, self.known)
        condition = self.condition(t, label, known)
        h = self.stem(self.inputs(x_t).to(self.stem.weight.dtype))
        if known is not None and self.known is not None:
            h = h + self.known(known.to(self.known.weight.dtype))
        for block in self.blocks:
            h = block(h, condition)
        h = self.last(F.silu(self.norm(h)))
        return as_input(h.unflatten(1, (self.outputs, -1)), x_t)


@dataclass(frozen=True)
class ColumnsConfig(NetworkConfig):
    """Configuration of a residual perceptron over columns of different kinds, for a `ProductHead`.

    Attributes:
        width: features per block.
        depth: number of residual blocks.
        dropout: dropout probability of hidden features.
    """

    width: Embedded = 96
    depth: Depth = 2
    dropout: Fraction = 0.1

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "Columns":
        """Make the module; ``states`` has an entry per column, the last of a category's states being its mask."""
        if len(shape) != 1:
            raise ValueError(f"a network over columns takes rows (columns,), got states of shape {shape}")
        kinds = states if isinstance(states, tuple) else (states,) * shape[0]
        if len(kinds) != shape[0]:
            raise ValueError(f"a network over {shape[0]} columns needs the states of each, got {len(kinds)}")
        return Columns(self, kinds, outputs, classes)


class Columns(Network):
    """The module of a `ColumnsConfig`; it takes states as (batch, 2, columns): values, and kept = √ᾱ of each.

    kept is 1 if an element is known and 0 if it is missing.
    """

    def __init__(self, config: ColumnsConfig, states: tuple[int, ...], outputs: int, classes: int) -> None:
        super().__init__()
        self.config, self.states, self.outputs = config, states, outputs
        self.numbers = [column for column, count in enumerate(states) if not count]
        self.categories = [column for column, count in enumerate(states) if count]
        features = len(self.numbers) + sum(states[column] - 1 for column in self.categories)
        self.condition = Conditioning(config.width, config.width, classes)
        self.stem = initialised(nn.Linear(features + len(states), config.width))
        self.blocks = nn.ModuleList(PerceptronBlock(config.width, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = initialised(nn.Linear(config.width, outputs * len(states)), zero=True)

    def forward(
        self, x_t: Float[Tensor, "batch 2 columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        values, kept = x_t.to(self.stem.weight.dtype).unbind(1)
        condition = self.condition(t, label)
        h = self.stem(torch.cat([*self._features(values, kept), kept], 1))
        for block in self.blocks:
            h = block(h, condition)
        return self.last(F.silu(self.norm(h))).unflatten(1, (self.outputs, -1)).to(x_t.dtype)

    def _features(self, values: Float[Tensor, "batch columns"], kept: Float[Tensor, "batch columns"]) -> list[Tensor]:
        """Return the numbers, and one-hot categories of which the mask is none; 0 where an element is missing."""
        parts = [values[:, self.numbers] * (kept[:, self.numbers] > 0)]
        for column in self.categories:
            hot = F.one_hot(values[:, column].long(), self.states[column])[:, :-1].to(values)
            parts.append(hot * (kept[:, column : column + 1] > 0))
        return parts


class PerceptronBlock(nn.Module):
    """A residual block on feature vectors; initialised to the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = initialised(nn.Linear(width, 2 * width))
        self.first = initialised(nn.Linear(width, width))
        self.dropout = Dropout(dropout)
        self.second = initialised(nn.Linear(width, width), zero=True)

    def forward(
        self, h: Float[Tensor, "batch width"], condition: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch width"]:
        """Return ``h`` plus the block's update, which depends on ``condition``."""
        scale, shift = self.film(condition).chunk(2, dim=1)
        update = F.silu(self.norm(h) * (1 + scale) + shift)
        return h + self.second(self.dropout(F.silu(self.first(update))))
