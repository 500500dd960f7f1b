"""AdamW: which weights decay, the learning rate of each step, and the optimizer's state as tensors by name.

Source: Loshchilov & Hutter 2019 (arXiv:1711.05101); the rate's fall: Loshchilov & Hutter 2017 (arXiv:1608.03983).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

from quasistatic.config import TrainingConfig

SLOTS = {"step", "exp_avg", "exp_avg_sq"}
"""What AdamW keeps of each parameter."""

MUON_SLOTS = {"step", "momentum"}
"""What Muon keeps of each matrix."""

BETAS = (0.9, 0.99)
"""Decay of AdamW's two moments."""


STRAIGHT_BELOW = "2.14"
"""`StraightAdamW` is used below this version of torch; a test fails when torch no longer needs it."""


class StraightAdamW(AdamW):
    """AdamW whose fused CPU step gets gradients and moments in the memory layout of their parameter.

    The fused CPU step of torch 2.13 first copies each gradient that is not contiguous: a channels_last kernel costs a
    transposition every step. Here it gets a contiguous view of the kernel. Gradients whose memory layout differs from
    the parameter's are made to match; torch's fused step mishandles them. Parameters on other devices are left as they
    are: there, backward passes lay out each gradient as its parameter, and the fused step reads both.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> bool:
        """Fill ``lists`` (parameters, gradients, two moments, …) as AdamW does, then match their memory layouts."""
        has_complex = super()._init_group(group, *lists)
        for row, parameter in enumerate(lists[0]):
            if parameter.device.type != "cpu":
                continue
            if not parameter.is_contiguous():
                order = sorted(range(parameter.ndim), key=parameter.stride, reverse=True)
                for tensors in lists[:4]:
                    tensors[row] = tensors[row].permute(order)
            lists[1][row] = lists[1][row].contiguous()
        return has_complex


def adamw(network: nn.Module, rates: Iterable[Parameter], decay: float) -> AdamW:
    """Return AdamW over a network and the rates of its process."""
    return kind()(groups_of(network, rates, decay), betas=BETAS, fused=True)


def kind() -> type[AdamW]:
    """Return the AdamW for this version of torch."""
    return StraightAdamW if torch.torch_version.TorchVersion(torch.__version__) < STRAIGHT_BELOW else AdamW


def groups_of(network: nn.Module, rates: Iterable[Parameter], decay: float) -> list[dict[str, Any]]:
    """Return the parameter groups; those without parameters are left out.

    Weights decay in matrices and kernels only; not in biases, norms, embeddings of one dimension, nor rates.
    """
    matrices: list[Parameter] = [p for p in network.parameters() if p.ndim > 1]
    others: list[Parameter] = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
        {"params": list(rates), "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def learning_rate(settings: TrainingConfig, step: int, done: Callable[[int], float]) -> float:
    """Return the rate of the step after ``step``: a linear warm-up, then half a cosine down to ``final_rate``.

    The warm-up takes ``warmup`` steps, or a fifth of the run if that is shorter.

    Args:
        settings: peak, warm-up and final rate.
        step: steps taken.
        done: (step) → the fraction of the run that is done.
    """
    warm = min(1.0, max((step + 1) / max(1, settings.warmup), 5 * done(step + 1)))
    fall = 0.5 * (1 + math.cos(math.pi * done(step)))
    return settings.learning_rate * warm * (settings.final_rate + (1 - settings.final_rate) * fall)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def state(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state of each parameter, by ``number.name``."""
    kept = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, slots in kept.items() for name, value in slots.items()}


def slot(optimizer: Optimizer, key: str, size: Size) -> Tensor | None:
    """Return a tensor like what `state` calls ``key``, if it may have this size; None if there is no such parameter."""
    number, _, name = key.partition(".")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if not number.isdecimal() or int(number) >= len(parameters):
        return None
    return torch.empty(size) if name == "step" else parameters[int(number)]


def load_state(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore what `state` returned.

    A file holds tensors row by row. Each is laid out in memory as its parameter is: the fused step reads both straight
    through.

    Raises:
        ValueError: if it is of other parameters or incomplete.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        if not number.isdecimal() or int(number) >= len(parameters):
            raise ValueError(f"the optimizer has {len(parameters)} parameters, got the state of number {number}")
        like = parameters[int(number)]
        alike = like.shape == value.shape
        if not alike and name != "step":
            raise ValueError(f"the optimizer's {key} has shape {tuple(like.shape)}, got {tuple(value.shape)}")
        slots.setdefault(int(number), {})[name] = (
            torch.empty_like(like, dtype=value.dtype).copy_(value) if alike else value.clone()
        )
    wanted = [
        MUON_SLOTS if group.get("orthogonal") else SLOTS for group in optimizer.param_groups for _ in group["params"]
    ]
    if slots and any(set(slots.get(number, ())) != names for number, names in enumerate(wanted)):
        raise ValueError(
            f"the optimizer keeps {', '.join(sorted(set().union(*wanted)))} of its parameters, got an incomplete "
            "state, or that of another optimizer"
        )
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
