"""Data and guesses of the right type for any process."""

import torch

from quasistatic.distribution import Bernoulli, Categorical, Distribution, Normal
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.product import ProductDistribution
from quasistatic.process import BernoulliProcess, FiniteProcess, MaskedProcess, Process, ProductProcess


def data(process: Process, batch: int, size: int) -> torch.Tensor:
    """Data of the right type: real numbers, bits, or any of the states; a product has as many columns as it has."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(process, ProductProcess):
        return process.joined([data(part.process, batch, len(part.columns)).double() for part in process.parts])
    if isinstance(process, MaskedProcess):
        return torch.rand(batch, len(process.bins), generator=generator) * torch.tensor(process.bins)
    if isinstance(process, FiniteProcess):
        return torch.randint(process.states, (batch, size), generator=generator)
    if isinstance(process, BernoulliProcess):
        return torch.randint(2, (batch, size), generator=generator).double()
    return torch.randn(batch, size, generator=generator)


def guess(process: Process, x: torch.Tensor) -> Distribution:
    """A law of the right family that rules nothing out."""
    generator = torch.Generator().manual_seed(1)
    if isinstance(process, ProductProcess):
        return ProductDistribution(tuple((part.columns, guess(part.process, part.of(x))) for part in process.parts))
    if isinstance(process, MaskedProcess):
        return Histograms(torch.randn(len(x), sum(process.bins), generator=generator), process.bins)
    if isinstance(process, FiniteProcess):
        return Categorical(torch.randn(*x.shape, process.states, generator=generator))
    if isinstance(process, BernoulliProcess):
        return Bernoulli(torch.randn(x.shape, generator=generator))
    return Normal(torch.randn(x.shape, generator=generator), torch.rand(x.shape, generator=generator))
