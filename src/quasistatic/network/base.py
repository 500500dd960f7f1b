"""The interface of networks: a configuration of plain numbers, and the module built from it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from quasistatic.runtime.fields import Checked
from quasistatic.types import Label, State, StateCounts, Time


class Network(nn.Module, ABC):
    """A function of a noised state and its time; every output map has the shape of the state.

    The head gives the output maps their meaning (one for a mean, two for a mean and a std, one per level or state for
    logits). At the start of training the output is exactly 0.
    """

    beyond_onnx: str = ""
    """The operation of the network that ONNX does not have; "" if there is none."""

    @property
    def castable(self) -> bool:
        """Whether the weights may be cast to another dtype; False if the network needs parts in float64."""
        return all(part.dtype != torch.float64 for part in self.buffers())

    causal: ClassVar[bool] = False
    """Whether `forward` takes clean states with no time, and returns each element's output given those before it."""

    @abstractmethod
    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Float[Tensor, "batch outputs *shape"]:
        """Return the output maps for states ``x_t`` at times ``t`` in (0, 1].

        Args:
            x_t: states (batch, *shape): numbers in the dtype of the weights or a wider one, or integers from 0.
            t: times (batch,), float64 on the CPU.
            label: classes (batch,), from 0; the value ``classes``, or None for the whole batch, means "no label". After
                `learn_mirrored`, a value that is ``classes + 1`` higher means the same for a mirrored example. After
                `learn_covariates`: numbers (batch, features).

        Returns:
            Output maps (batch, outputs, *shape), in the dtype of ``x_t`` if it holds numbers, or torch's default.

        Raises:
            ValueError: if an unconditional network gets a label.
        """

    def learn_mirrored(self) -> None:
        """Add a learned vector, 0 at first, for mirrored examples; `forward` says how labels mark them.

        Raises:
            ValueError: if the network has no such vector.
        """
        raise ValueError(
            f"data.flip needs a network that can be told which images are mirrored, a U-Net or a transformer, got "
            f"{type(self).__name__}; set data.flip=false"
        )

    def learn_covariates(self, features: int) -> None:
        """Take covariates as labels: ``features`` numbers of each example, NaN where one is not told.

        Raises:
            ValueError: if the network has no such input.
        """
        raise ValueError(
            f"data.condition needs a network that can be told covariates, a U-Net, an MLP or a transformer, got "
            f"{type(self).__name__}; leave it out"
        )

    def learn_known(self) -> None:
        """Add an input for what is shown (`Head.view_given`).

        `forward` then also takes three times the channels or columns: states, what is shown, and the share it tells.

        Raises:
            ValueError: if the network has no such input.
        """
        raise ValueError(
            f"training.shown needs a network that can be told what is known, a U-Net or an MLP, got "
            f"{type(self).__name__}; set training.shown=0"
        )

    def take_clock(self, alpha_bar: Callable[[Time], Time]) -> None:
        """Take ᾱ(t) of the process, for parts that compute with it; by default nothing."""

    def start(self, output: Float[Tensor, " outputs"]) -> None:
        """Set an untrained network's output maps to these values for every element, by the biases of its last layer."""

    def begin(self, x: State) -> None:
        """Fit parts with a closed form to clean data, given in the form of ``forward``'s input; by default nothing."""


class Foreign(Network):
    """A plain module of the user's own as a network.

    It is called with the states in the dtype of its weights, the times on its device, and the labels if there are any.
    It returns (batch, outputs, *shape), or, as convolutional networks do, (batch, outputs · channels, …); with one
    output, the shape of the states.
    """

    def __init__(self, module: nn.Module, shape: tuple[int, ...], outputs: int, classes: int) -> None:
        super().__init__()
        self.module, self.shape, self.outputs, self.classes = module, tuple(shape), outputs, classes

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Float[Tensor, "batch outputs *shape"]:
        if label is not None and not self.classes:
            raise ValueError("the network is unconditional, got a label; leave it out")
        numbers = x_t.is_floating_point()
        dtype = next((weight.dtype for weight in self.module.parameters()), torch.get_default_dtype())
        told = [x_t.to(dtype) if numbers else x_t, t.to(x_t.device, dtype)]
        output = self.module(*told, label) if self.classes else self.module(*told)
        wanted = (len(x_t), self.outputs, *self.shape)
        flat = (len(x_t), self.outputs * self.shape[0], *self.shape[1:])
        if not isinstance(output, Tensor) or tuple(output.shape) not in (wanted, flat):
            came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"{type(self.module).__name__} should return {wanted} or {flat} for states {tuple(x_t.shape)}, "
                f"got {came}"
            )
        return output.reshape(wanted).to(x_t.dtype if numbers else torch.get_default_dtype())


class NetworkConfig(Checked, ABC):
    """Configuration of a network: a frozen dataclass of plain numbers, stored as JSON."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> nn.Module:
        """Make the module, with fresh weights from torch's global generator: a `Network`, or any module (`Foreign`).

        Args:
            shape: the state's shape without the batch: (channels, height, width), or (columns,).
            outputs: output maps per element of the state.
            classes: number of labels; 0 makes an unconditional network.
            states: K if the elements of the input are integers 0 … K − 1, 0 if they are numbers, or a tuple with one
                entry per column.

        Raises:
            ValueError: if the network does not support this shape.
        """
