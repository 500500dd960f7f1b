"""What is set before the first step: the head's start, and parts of the network that have a closed form."""

import torch

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.data.dataset import spread
from quasistatic.denoiser import Shown
from quasistatic.denoiser.head import CellsHead, ProductHead
from quasistatic.model.build import causal
from quasistatic.network import Network

BEGINNING, COUNTED = 4096, 2**17
"""Most examples that a network is fitted to in closed form before the first step, and in which contexts are counted."""


def begin_network(network: Network, config: Config, specification: Specification, data: Dataset) -> None:
    """Fit an untrained network to the training set ``data``, in raw units, where that has a closed form."""
    head, device = config.head, next((value.device for value in network.parameters()), None)
    rows = spread(len(data), COUNTED if causal(config) else BEGINNING)
    x = specification.codec.encode(data.batch(rows)).to(device)
    output = head.start(x)
    if output is not None:
        network.start(output)
    if isinstance(head, CellsHead | ProductHead):
        unknown, start = torch.full_like(x, torch.nan), torch.ones(len(x), dtype=torch.float64)
        network.begin(head.view_given(unknown, start, config.process, Shown(x)))
    else:
        network.begin(x)
