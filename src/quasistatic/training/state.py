"""Collects and restores the tensors of a checkpoint, by name, for a bit-exact resume."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Size, Tensor, nn
from torch.optim import Optimizer

from quasistatic.objective import TimeDensity
from quasistatic.schedule import Clock
from quasistatic.training import optimizer

EMA = "ema."
"""Prefix of the averaged weights among the tensors of a run's state."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a run that hold tensors.

    Attributes:
        network: without what wraps it for several processes.
        ema: the averaged weights.
        optimizer: AdamW of the network and the rates.
        clock: trainable rates of the process, or None.
        density: time density of the objective's steps.
    """

    network: nn.Module
    ema: nn.Module
    optimizer: Optimizer
    clock: Clock | None
    density: TimeDensity

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, each named after its part: ``network.…``, ``ema.…``, ``optimizer.…``, ``clock.…``."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"{EMA}{name}": value for name, value in self.ema.state_dict().items()}
        tensors |= {f"optimizer.{name}": value for name, value in optimizer.state(self.optimizer).items()}
        tensors |= {f"clock.{name}": value for name, value in (self.clock.state_dict() if self.clock else {}).items()}
        tensors["density"] = self.density.square
        return tensors

    def room(self, sizes: Mapping[str, Size]) -> dict[str, Tensor]:
        """Return tensors to read a state into, by name; those of weights are laid out and shared as the weights are.

        Raises:
            ValueError: if there is no place for one of them.
        """
        tensors, rooms = self.tensors(), dict[str, Tensor]()
        for name, size in sizes.items():
            part, _, rest = name.partition(".")
            like = optimizer.slot(self.optimizer, rest, size) if part == "optimizer" else tensors.get(name)
            if like is None or like.shape != size:
                raise ValueError(f"the checkpoint is of another network: it has {name} of shape {tuple(size)}")
            rooms[name] = torch.empty_like(like.detach())
        return rooms

    def load(self, tensors: dict[str, Tensor], *, begun: bool) -> None:
        """Load what `tensors` returned.

        Args:
            tensors: by name; they may lie on any device.
            begun: a step was taken, so that the optimizer must have a state.

        Raises:
            ValueError: if they are of another network, or incomplete.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "ema": {}, "optimizer": {}, "clock": {}}
        try:
            for name, value in tensors.items():
                part, _, rest = name.partition(".")
                if rest:
                    parts[part][rest] = value
            self.network.load_state_dict(parts["network"])
            self.ema.load_state_dict(parts["ema"])
            if self.clock:
                self.clock.load_state_dict(parts["clock"])
            if begun and not parts["optimizer"]:
                raise ValueError("it has no state of the optimizer")
            optimizer.load_state(self.optimizer, parts["optimizer"])
            self.density.load(tensors["density"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(f"the checkpoint is of another network or incomplete: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
