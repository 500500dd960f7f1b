"""What a network is to the rest: a configuration of plain numbers, and the module built from it."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from quasistatic.runtime.fields import Checked
from quasistatic.types import Label, State, StateCounts, Time


class Network(nn.Module, ABC):
    """A function of a noised state and its time; every output map has the shape of the state.

    Only relative meaning is given to the output maps here: a head reads them (one for a mean, two for a mean and a
    std, one per level or state for logits). At the start of training the output is exactly 0.
    """

    @property
    def castable(self) -> bool:
        """Whether its weights may be cast; not those of a network that keeps parts in float64, which it needs."""
        return all(part.dtype != torch.float64 for part in self.buffers())

    @abstractmethod
    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Float[Tensor, "batch outputs *shape"]:
        """Return the output maps for states ``x_t`` at times ``t`` in (0, 1].

        Args:
            x_t: states (batch, *shape): numbers in the dtype of the weights or a wider one, or integers from 0.
            t: times (batch,), float64 on the CPU.
            label: classes (batch,), from 0; ``classes`` itself, or None for all, means "no label".

        Returns:
            Output maps (batch, outputs, *shape), in the dtype of ``x_t`` if those are numbers, else torch's default.

        Raises:
            ValueError: if a label comes to an unconditional network.
        """

    def begin(self, x: State) -> None:
        """Set what has a closed form from clean data, shown as ``forward`` is shown states; by default nothing."""


class NetworkConfig(Checked, ABC):
    """A network as plain numbers: a frozen dataclass that prints, compares, and is stored as JSON."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> Network:
        """Make the module, with fresh weights from torch's global generator.

        Args:
            shape: the state's shape without the batch: (channels, height, width), or (columns,).
            outputs: output maps per element of the state.
            classes: number of labels; 0 makes an unconditional network.
            states: K, if an element of the input is one of the integers 0 … K − 1; 0 if it is a number; a tuple where
                columns differ.

        Raises:
            ValueError: if the network does not take states of this shape.
        """
