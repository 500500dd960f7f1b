"""What every head is, and what a network is shown."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.process import GaussianProcess, Process
from quasistatic.runtime.fields import Checked
from quasistatic.types import State, Time

View: TypeAlias = Shaped[Tensor, "batch *view"]
"""What a network is shown of a state; of a table, a value and what is kept of it for each column."""


class Head(Checked, ABC):
    """How a network's output maps become p(x | x_t); subclasses are frozen dataclasses of plain numbers."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Output maps the head asks of the network, per element of the state."""

    @abstractmethod
    def check(self, process: Process) -> None:
        """Raise ValueError if this head cannot read states of this process, or not on its clock."""

    @abstractmethod
    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> Distribution:
        """Return p(x | x_t) from the output maps, for states that ``process`` has noised to the times ``t``."""

    def view(self, x_t: State, t: Time, process: Process) -> View:
        """Return what the network is shown of the states ``x_t``: by default the states."""
        return x_t

    def view_given(self, x_t: State, t: Time, process: Process, observed: State) -> View:
        """Return what the network is shown where some elements are known: ``observed``, NaN where they are not.

        Raises:
            ValueError: if the head has no way of showing it.
        """
        raise ValueError(f"{type(self).__name__} shows a network no observations; use the method hold, or a table")

    @abstractmethod
    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        """The simple loss of each element: squared error of the head's target, or −log p(x | x_t) in nats for a mass.

        Source: Ho et al. 2020, eq. 14.
        """


def check_gaussian(head: Head, process: Process) -> None:
    """Raise ValueError unless the process is Gaussian."""
    if not isinstance(process, GaussianProcess):
        raise ValueError(f"{type(head).__name__} reads states of a Gaussian process, got {process!r}; use another head")
