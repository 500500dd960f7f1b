"""Parts of an optimizer step: gradient accumulation, and exchange between processes."""

from collections.abc import Callable, Iterable, Sequence

import torch
from accelerate import Accelerator
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.functional import pad

from quasistatic.training.batch import Batch
from quasistatic.types import Nats


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


def agreed(world: Accelerator, stop: bool, steps: int | None) -> tuple[bool, int | None]:
    """Return whether any process wants to stop, and the number of steps that the first process decided on, if any."""
    if world.num_processes == 1:
        return stop, steps
    own = [float(stop), float(0 if steps is None else steps) * world.is_main_process]
    found = world.reduce(torch.tensor(own, dtype=torch.float64, device=world.device), "sum").tolist()
    return found[0] > 0, int(found[1]) or None


def average_gradient(world: Accelerator, parameters: Iterable[nn.Parameter]) -> None:
    """Average over processes the gradient of parameters that ``world`` did not prepare, such as a schedule's rates."""
    for parameter in parameters:
        if parameter.grad is not None and world.num_processes > 1:
            parameter.grad = world.reduce(parameter.grad.to(world.device), "mean").cpu()


def gathered(
    world: Accelerator, k: Int[Tensor, " mine"], costs: Nats, batch: int
) -> tuple[Int[Tensor, " batch"], Nats]:
    """Return the steps k and costs of all processes, on the CPU; an infinite cost counts as 0.

    Processes whose share of the ``batch`` is smaller are padded; the padding is removed, as k counts from 1.
    """
    seen = torch.stack([k.to(world.device), costs], 1)
    short = -(-batch // world.num_processes) - len(k)
    seen = world.gather(pad(seen, (0, 0, 0, short))).cpu()
    seen = seen[seen[:, 0] > 0]
    return seen[:, 0].long(), seen[:, 1].nan_to_num(posinf=0.0)
