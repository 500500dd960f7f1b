"""The head of a product process: one head per part."""

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser.head.base import Head, View
from quasistatic.denoiser.shown import Shown
from quasistatic.distribution import Distribution
from quasistatic.distribution.product import ProductDistribution, columns_of
from quasistatic.process import Process, ProductProcess
from quasistatic.types import State, Time


@dataclass(frozen=True)
class ProductHead(Head):
    """One head per part of a `ProductProcess`, in its order; the network has as many output maps as the largest needs.

    The network's input is (batch, 2, columns): each value and its √ᾱ, 1 for a known element and 0 for a missing
    one. Mixed columns, and any pattern of known and missing elements, thus have the same form of input.

    Raises:
        ValueError: if there are no heads.
    """

    heads: tuple[Head, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.heads:
            raise ValueError("a product head has a head for each part of the process, got none")

    @property
    def outputs(self) -> int:
        return max(head.outputs for head in self.heads)

    def check(self, process: Process) -> None:
        if not isinstance(process, ProductProcess) or len(process.parts) != len(self.heads):
            raise ValueError(f"a product head of {len(self.heads)} reads a product of as many parts, got {process!r}")
        for head, part in zip(self.heads, process.parts, strict=True):
            head.check(part.process)

    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> ProductDistribution:
        parts = cast(ProductProcess, process).parts
        laws = tuple(
            (part.columns, head.read(output[:, : head.outputs, list(part.columns)], part.of(x_t), t, part.process))
            for head, part in zip(self.heads, parts, strict=True)
        )
        absent = x_t.isnan()
        return ProductDistribution(laws, absent if bool(absent.any()) else None)

    def view(self, x_t: State, t: Time, process: Process) -> View:
        return self.view_given(x_t, t, process, Shown(torch.full_like(x_t, torch.nan)))

    def view_given(self, x_t: State, t: Time, process: Process, shown: Shown) -> View:
        product = cast(ProductProcess, process)
        pairs = zip(self.heads, product.parts, strict=True)
        values, kept = (
            product.joined(views).to(x_t)
            for views in zip(*(head.column_view(part.of(x_t), t, part.process) for head, part in pairs), strict=True)
        )
        known, there = shown.known, ~x_t.isnan()
        values = torch.where(known, shown.values, torch.where(there, values, 0))
        return torch.stack([values, torch.where(known, 1.0, torch.where(there, kept, 0))], 1)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        law = cast(ProductDistribution, clean)
        filled = x.nan_to_num(0.0)
        pairs = zip(self.heads, law.parts, strict=True)
        costs = [
            head.simple_cost(part, columns_of(filled, columns, part), alpha_bar) for head, (columns, part) in pairs
        ]
        return torch.where(x.isnan(), 0, law.joined(costs))
