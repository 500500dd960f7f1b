"""What processes exchange: gradients, weights, costs, decisions."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import nn
from torch.distributed import DistError
from torch.nn.functional import pad

from quasistatic.types import Nats

PATIENCE = 600
"""Seconds that a process waits for the others, who may be writing a checkpoint."""

LOST = ("gloo", "by peer", "timed out", "nccl", "socket")
"""Words in torch's RuntimeErrors that mean a lost process."""


@contextmanager
def lost_told(world: Accelerator) -> Iterator[None]:
    """Tell an exchange that failed, as another process ended or does not answer, in a sentence.

    Raises:
        ConnectionError: if it failed.
    """
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, DistError) or any(word in str(error).lower() for word in LOST)
        if world.num_processes == 1 or not lost:
            raise
        raise ConnectionError(
            f"another of the {world.num_processes} processes ended, or did not answer for {PATIENCE // 60} minutes; "
            "the last good state is kept, and --resume goes on from it, on any number of processes"
        ) from error


def agreed(world: Accelerator, steps: int | None, stop: bool, *due: bool) -> tuple[int | None, list[bool]]:
    """Return what all processes do next: what the first one decided by its clock, and whether any wants to stop.

    Args:
        world: the processes that train together.
        steps: the number of steps of the run, if the first process decides on it now.
        stop: whether this process wants to stop.
        due: what is due in the first process, such as a held-out score.

    Returns:
        ``steps``; ``stop`` and each of ``due``, as they hold for all.
    """
    if world.num_processes == 1:
        return steps, [stop, *due]
    own = [float(stop), *(float(value or 0) * world.is_main_process for value in (steps, *due))]
    found = world.reduce(torch.tensor(own, dtype=torch.float64, device=world.device), "sum").tolist()
    return int(found[1]) or None, [found[0] > 0, *(value > 0 for value in found[2:])]


@torch.no_grad()
def shared(world: Accelerator, network: nn.Module) -> None:
    """Give all processes the weights and buffers of the first one; other machines may round otherwise."""
    if world.num_processes > 1:
        for value in network.state_dict().values():
            value.copy_(broadcast(value.clone()))


def average_gradient(world: Accelerator, parameters: Iterable[nn.Parameter]) -> None:
    """Average over processes the gradient of parameters that ``world`` did not prepare, such as a schedule's rates."""
    for parameter in parameters:
        if parameter.grad is not None and world.num_processes > 1:
            parameter.grad = world.reduce(parameter.grad.to(world.device), "mean").cpu()


def gathered(world: Accelerator, costs: Nats, batch: int) -> Nats:
    """Return the costs of all examples of the ``batch``, in its order and on the CPU.

    Processes whose share of the batch is smaller are padded, and the padding is removed.
    """
    shares = [len(share) for share in torch.arange(batch).tensor_split(world.num_processes)]
    if len(shares) == 1:
        return costs.cpu()
    found = world.gather(pad(costs, (0, shares[0] - len(costs)))).cpu()
    return torch.cat([part[:share] for part, share in zip(found.split(shares[0]), shares, strict=True)])
