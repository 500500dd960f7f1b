"""The interface of heads, and of the network's input."""

from abc import ABC, abstractmethod
from typing import TypeAlias

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.denoiser.shown import Shown
from quasistatic.distribution import Distribution
from quasistatic.process import GaussianProcess, Process
from quasistatic.runtime.fields import Checked
from quasistatic.types import State, Time, like

View: TypeAlias = Shaped[Tensor, " batch *view"]
"""A network's input for a state, and for what is known of it."""


class Head(Checked, ABC):
    """Turns a network's output maps into p(x | x_t); subclasses are frozen dataclasses of plain numbers."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of network output maps per element of the state."""

    @abstractmethod
    def check(self, process: Process) -> None:
        """Raise ValueError if this head does not work with this process or its schedule."""

    @abstractmethod
    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> Distribution:
        """Return p(x | x_t) from the output maps, for states ``x_t`` of ``process`` at times ``t``."""

    def view(self, x_t: State, t: Time, process: Process) -> View:
        """Return the network's input for the states ``x_t``; by default the states themselves."""
        return x_t

    def column_view(self, x_t: State, t: Time, process: Process) -> tuple[Tensor, Tensor]:
        """Return columns of a table as a network sees them: values kept · x + √(1 − kept²) ε, and kept of each."""
        return self.view(x_t, t, process), like(process.schedule.alpha_bar(t).sqrt(), x_t).expand(x_t.shape)

    def view_given(self, x_t: State, t: Time, process: Process, shown: Shown) -> View:
        """Return the network's input when it is shown something.

        By default, in as many channels each: the states with what is shown in its place (`Shown.place`), so that they
        look like any states of that time; what is shown, 0 elsewhere; the share of each element that it tells.
        """
        root = process.schedule.alpha_bar(t).sqrt() if isinstance(process, GaussianProcess) else torch.ones_like(t)
        states = self.view(shown.place(x_t, root), t, process)
        return torch.cat([states, shown.values.nan_to_num(0.0).to(states), shown.share.to(states)], 1)

    def start(self, x: State) -> Float[Tensor, " outputs"] | None:
        """Return output maps, the same for every element, from which training starts; None starts at 0.

        Args:
            x: clean data.
        """
        return None

    @abstractmethod
    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        """Return the simple loss per element: squared error of the head's target, or −log p(x | x_t) for discrete data.

        Source: Ho et al. 2020, eq. 14.
        """


def check_gaussian(head: Head, process: Process) -> None:
    """Raise ValueError unless the process is Gaussian."""
    if not isinstance(process, GaussianProcess):
        raise ValueError(f"{type(head).__name__} reads states of a Gaussian process, got {process!r}; use another head")
