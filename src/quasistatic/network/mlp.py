"""Residual perceptron for vectors: points, bits, table rows.

h ← h + W₂ SiLU(W₁ SiLU(LayerNorm(h) (1 + scale) + shift)),    (scale, shift) = linear in the condition
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import Conditioning, Inputs, as_input, initialised
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
        self.config = config
        self.outputs = outputs
        self.condition = Conditioning(config.width, config.width, classes)
        self.inputs = Inputs(columns, states, config.fourier)
        self.stem = initialised(nn.Linear(self.inputs.features, config.width))
        self.blocks = nn.ModuleList(PerceptronBlock(config.width, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.last = initialised(nn.Linear(config.width, outputs * columns), zero=True)

    @torch.no_grad()
    def start(self, output: Float[Tensor, " outputs"]) -> None:
        self.last.bias.view(self.outputs, -1).copy_(output[:, None])

    def forward(
        self, x_t: Shaped[Tensor, "batch columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        condition = self.condition(t, label)
        h = self.stem(self.inputs(x_t).to(self.stem.weight.dtype))
        for block in self.blocks:
            h = block(h, condition)
        h = self.last(F.silu(self.norm(h)))
        return as_input(h.unflatten(1, (self.outputs, -1)), x_t)


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
