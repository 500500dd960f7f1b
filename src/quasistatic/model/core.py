"""What a model is made of: configuration, specification, network; moved, cast, copied and shown as in torch."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from quasistatic.config import Config, Specification, name_of
from quasistatic.model.build import build
from quasistatic.model.measured import Measured
from quasistatic.network import Network
from quasistatic.runtime.device import usable
from quasistatic.runtime.fields import brief

Own = TypeVar("Own", bound="Core")


class Core:
    """A network with all that describes it; `Bundle` has the arguments."""

    def __init__(
        self,
        config: Config,
        specification: Specification,
        network: Network,
        measured: Measured,
        step: int | None,
        score: float | None,
    ) -> None:
        self.config, self.specification, self.step, self.score = config, specification, step, score
        self.measured, self.network = measured, network.eval()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.network.parameters()).device

    def to(
        self: Own,
        *wanted: torch.device | torch.dtype | Tensor | str | int,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        non_blocking: bool = False,
    ) -> Own:
        """Move the weights to a device or cast them, in place; returns the model.

        The forms are those of `torch.nn.Module.to`: ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` and
        ``to(tensor)``. With bfloat16 weights the network computes in bfloat16: faster on supporting hardware, with
        slightly different results. States, the head's inputs and sums keep their dtype.

        Raises:
            TypeError: if an argument is no device, floating dtype or tensor.
            ValueError: if torch cannot use the device, or the network keeps parts in float64, as a table's does: they
                would not be what they were.
        """
        for one in wanted:
            if isinstance(one, torch.dtype):
                dtype = one
            elif isinstance(one, Tensor):
                device, dtype = one.device, one.dtype
            elif isinstance(one, torch.device | str | int):
                device = one
            else:
                raise TypeError(f"a model goes to a device, a dtype or a tensor's, got {brief(one)}")
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"weights are floating-point numbers, got {dtype}; use torch.float32 or torch.bfloat16")
        if dtype is not None and not self.network.castable and dtype != next(self.network.parameters()).dtype:
            raise ValueError(f"a network with parts in float64 works as it is, got {dtype}; leave the precision out")
        place = None if device is None else usable(torch.device(device) if isinstance(device, int) else device)
        if dtype is not None and not self.network.castable:
            dtype = None
        self.network.to(device=place, dtype=dtype, non_blocking=non_blocking)
        return self

    def eval(self: Own) -> Own:
        """Return the model, which is always in torch's mode of evaluation."""
        return self

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return the network's parameters."""
        return self.network.parameters()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's weights by name, as they are: on their device, not copied."""
        return self.network.state_dict()

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the network's weights.

        Raises:
            ValueError: if names or shapes differ from the network's.
        """
        try:
            self.network.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise ValueError(f"the weights are of another network: {' '.join(str(error).split())[:300]}") from None
        self.step = self.score = None

    def __reduce__(self) -> tuple[Any, ...]:
        weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        dtype = next(self.network.parameters()).dtype if self.network.castable else None
        told = (self.config, self.specification, self.measured, self.step, self.score)
        return _restored, (type(self), told, weights, str(self.device), dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'; '.join(f'{name} {text}' for name, text in self.facts().items())})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in self.facts().items())
        return f"<table><caption>quasistatic.{type(self).__name__}</caption>{rows}</table>"

    def facts(self) -> dict[str, str]:
        """Return what a reader wants to know first: data, network, process, training, device; one phrase each."""
        spec, config = self.specification, self.config
        sides = "×".join(map(str, spec.shape)) + (" columns" if len(spec.shape) == 1 else "")
        weights = sum(parameter.numel() for parameter in self.network.parameters())
        known = "not trained" if self.step == 0 else "" if self.step is None else f"{self.step:,} steps"
        score = "" if self.score is None else f"{self.score:.3f} bits/dim held out"
        facts = {
            "data": f"{spec.name} ({spec.examples:,} examples of {sides}, {spec.codec})",
            "network": f"{name_of(config.network)} of {weights:,} parameters",
            "process": f"{name_of(config.process)}, head {name_of(config.head)}",
            "training": ", ".join(filter(None, (known, score))),
            "device": str(self.device),
        }
        return {name: text for name, text in facts.items() if text}


def _restored(
    kind: type[Core], told: tuple[Any, ...], weights: dict[str, Tensor], device: str, dtype: torch.dtype | None
) -> Core:
    """Make a pickled model again, on its device if torch can use it here, or else on the CPU."""
    config, specification, *rest = told
    network = build(config, specification)
    network.load_state_dict(weights)
    model = kind(config, specification, network, *rest)
    try:
        return model.to(device, dtype) if dtype else model.to(device)
    except ValueError:
        return model.to(dtype) if dtype else model
