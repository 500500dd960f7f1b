"""Embeddings of times, labels and state elements as network features.

time    [sin(i ω), cos(i ω)],  ω_k = 10000^(−k/(half − 1)),  i = 1000 t − 1     Ho et al. 2020 (arXiv:2006.11239)
number  [x, sin(2ⁿ π x), cos(2ⁿ π x)] for each n                               Kingma et al. 2021, App. C (2107.00630)
state   a learned vector for each of the states 0 … K − 1
"""

import math
from collections.abc import Sequence
from typing import TypeVar, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.types import Label, StateCounts, Time

Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)


def sinusoidal(t: Time, width: int, shift: int = 1) -> Float[Tensor, "batch width"]:
    """Embed times in (0, 1] as published 1,000-step models embed the step i = 1000 t − 1.

    Angles are computed in float64: in float32 they are off by 1e-4 near t = 1.

    Args:
        t: times (batch,).
        width: number of features; an odd one ends in a 0.
        shift: the lowest frequency is 10000^(−(half − 1)/(half − shift)).

    Returns:
        Features (batch, width), float64, sines first.

    Raises:
        ValueError: if ``width`` is below 4, where the formula is undefined.
    """
    if width < 4:
        raise ValueError(f"a time embedding needs a width of at least 4, got {width}")
    half = width // 2
    ranks = torch.arange(half, dtype=torch.float64, device=t.device)
    frequencies = torch.exp(-math.log(10_000) / (half - shift) * ranks)
    angles = (1000 * t.double() - 1)[:, None] * frequencies
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))


def fourier(x: Float[Tensor, "batch channels *rest"], powers: Sequence[int]) -> Float[Tensor, "batch features *rest"]:
    """Append sin(2ⁿ π x) and cos(2ⁿ π x) for each n in ``powers``, which amplifies small differences in x.

    Returns:
        Features (batch, channels · (1 + 2 · len(powers)), …): the state, then the sines, then the cosines.
    """
    if not powers:
        return x
    angles = torch.cat([x * (math.pi * 2.0**n) for n in powers], dim=1)
    return torch.cat([x, angles.sin(), angles.cos()], dim=1)


class Conditioning(nn.Module):
    """Embeds the time and an optional label as one vector, after the activation.

    Attributes:
        mirrored: added for mirrored examples; None until `learn_mirrored`.
        covariates: embeds covariates, and which of them are told; None until `learn_covariates`.
        known: embeds how much of an example is shown; None until `learn_known`.
    """

    mirrored: nn.Parameter | None

    def __init__(self, features: int, width: int, classes: int = 0, shift: int = 1) -> None:
        """Map ``features`` sinusoids to ``width``; the label table has one extra row for "no label"."""
        super().__init__()
        self.features, self.shift = features, shift
        self.classes = classes
        self.first = initialised(nn.Linear(features, width))
        self.second = initialised(nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width) if classes else None
        self.register_parameter("mirrored", None)
        self.covariates: nn.Sequential | None = None
        self.known: nn.Sequential | None = None

    def learn_mirrored(self) -> None:
        """Add a vector for mirrored examples, 0 at first; labels then have a second value, ``classes + 1`` higher."""
        self.mirrored = nn.Parameter(torch.zeros_like(self.second.bias))

    def learn_covariates(self, features: int) -> None:
        """Add an embedding of ``features`` covariates; labels are then numbers, NaN where one is not told."""
        self.covariates = self._embedding(2 * features)

    def learn_known(self) -> None:
        """Add an embedding of the share of an example that is shown, and of whether something is."""
        self.known = self._embedding(2)

    def _embedding(self, features: int) -> nn.Sequential:
        width = len(self.second.bias)
        first, last = nn.Linear(features, width), nn.Linear(width, width)
        return nn.Sequential(initialised(first), nn.SiLU(), initialised(last))

    def forward(
        self, t: Time, label: Label | None = None, known: Shaped[Tensor, "batch maps *rest"] | None = None
    ) -> Float[Tensor, "batch width"]:
        """Return SiLU(MLP(sinusoids of ``t``) + vectors of the others), in the dtype and on the device of the weights.

        Args:
            t: times.
            label: classes or covariates.
            known: what is shown, and the share of each element that it tells; None shows nothing.

        Raises:
            ValueError: if an unconditional network gets a label, or the label is of another kind.
        """
        h = sinusoidal(t, self.features, self.shift).to(self.first.weight)
        h = self.second(F.silu(self.first(h)))
        rows = self._rows()
        if self.covariates is not None:
            h = h + self.covariates(self._told(self.covariates, label, h))
        elif rows is not None:
            h = h + (rows[self.classes] if label is None else F.embedding(label.to(h.device), rows))
        elif label is not None:
            raise ValueError("this network is unconditional, got labels; build it with `classes` to use them")
        if self.known is not None:
            share = h.new_zeros(h.shape[0]) if known is None else known.chunk(2, 1)[1].flatten(1).mean(1).to(h)
            h = h + self.known(torch.stack([share, (share > 0).to(h)], 1))
        return F.silu(h)

    def _told(self, layers: nn.Sequential, label: Label | None, h: Tensor) -> Float[Tensor, "batch inputs"]:
        """Return covariates, 0 where one is not told, and 1 for each that is."""
        features = cast(nn.Linear, layers[0]).in_features // 2
        if label is None:
            return h.new_zeros(h.shape[0], 2 * features)
        if label.shape != (h.shape[0], features):
            raise ValueError(f"this network is told {features} numbers of each example, got {tuple(label.shape)}")
        label = label.to(h)
        return torch.cat([label.nan_to_num(0.0), (~label.isnan()).to(h)], 1)

    def _rows(self) -> Float[Tensor, "labels width"] | None:
        """Return the vector of each label: the classes, "no label", and then the same for mirrored examples."""
        rows = None if self.label is None else self.label.weight
        if self.mirrored is None:
            return rows
        rows = torch.zeros_like(self.mirrored)[None] if rows is None else rows
        return torch.cat([rows, rows + self.mirrored])


class Inputs(nn.Module):
    """Embeds the elements of a state: a number with its sines and cosines, or a learned vector per state."""

    def __init__(self, channels: int, states: StateCounts = 0, powers: Sequence[int] = (), width: int = 16) -> None:
        """Embed ``channels`` numbers or, if ``states`` > 0, integers below it, each as ``width`` features.

        Raises:
            ValueError: if columns differ in their states.
        """
        super().__init__()
        if isinstance(states, tuple):
            raise ValueError("columns of different kinds need the network `columns`, got one for elements of one kind")
        self.powers = tuple(powers)
        self.embedding = nn.Embedding(states, width) if states else None
        self.features = channels * (width if states else 1 + 2 * len(self.powers))

    def forward(self, x_t: Shaped[Tensor, "batch channels *rest"]) -> Float[Tensor, "batch features *rest"]:
        """Return the features, along the channels."""
        if self.embedding is None:
            return fourier(x_t, self.powers)
        return self.embedding(x_t).movedim(-1, 2).flatten(1, 2)


def parts_of(x: Tensor, size: int, known: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    """Split an input of ``size`` channels or columns, or three times as many, into states and what is known.

    Raises:
        ValueError: if there is such a map, and the network has no layer ``known`` for it.
    """
    if x.shape[1] == size:
        return x, None
    if known is None:
        raise ValueError("this network was not trained to be shown what is known; train it with training.shown=0.5")
    return x[:, :size], x[:, size:]


def as_input(output: Float[Tensor, "*shape"], x_t: Tensor) -> Float[Tensor, "*shape"]:
    """Return ``output`` in the dtype of ``x_t``, or in torch's default dtype if ``x_t`` holds integers."""
    return output.to(x_t.dtype if x_t.is_floating_point() else torch.get_default_dtype())


def initialised(layer: Layer, zero: bool = False) -> Layer:
    """Initialise the weights with variance 1/fan_avg, as published, or to ``zero``; biases to 0."""
    if zero:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
