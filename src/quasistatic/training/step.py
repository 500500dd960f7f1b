"""Parts of an optimizer step: gradient accumulation, and exchange between processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.distributed import DistError
from torch.nn.functional import pad

from quasistatic.training.batch import Batch
from quasistatic.types import Nats


PATIENCE = 600
"""Seconds that a process waits for the others, who may be writing a checkpoint."""

LOST = ("gloo", "by peer", "timed out", "nccl", "socket")
"""Words in torch's RuntimeErrors that mean a lost process."""


def backward(
    world: Accelerator, network: nn.Module, parts: Sequence[Batch], cost: Callable[[Batch], Nats], scale: float
) -> tuple[Tensor, Nats]:
    """Add the gradient of the weighted costs of ``parts``; processes average it after the last part.

    Args:
        world: the processes that train together.
        network: the network, as ``world`` prepared it.
        parts: this process's examples, in parts that fit into memory.
        cost: cost of each example of a part.
        scale: factor of the loss.

    Returns:
        The loss, summed over parts and without gradient, and the cost of each example.
    """
    loss, costs = torch.zeros((), device=world.device), []
    for part in parts:
        with world.accumulate(network) if part is parts[-1] else world.no_sync(network):
            found = cost(part)
            loss_part = (found * part.weight.to(found)).sum() * scale
            world.backward(loss_part)
        loss = loss + loss_part.detach()
        costs.append(found.detach())
    return loss, torch.cat(costs)


@contextmanager
def together(world: Accelerator) -> Iterator[None]:
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


def agreed(world: Accelerator, stop: bool, steps: int | None) -> tuple[bool, int | None]:
    """Return whether any process wants to stop, and the number of steps that the first process decided on, if any."""
    if world.num_processes == 1:
        return stop, steps
    own = [float(stop), float(0 if steps is None else steps) * world.is_main_process]
    found = world.reduce(torch.tensor(own, dtype=torch.float64, device=world.device), "sum").tolist()
    return found[0] > 0, int(found[1]) or None


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
