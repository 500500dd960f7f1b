"""Parts of an optimizer step: gradient accumulation, and exchange between processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.distributed import DistError
from torch.nn.functional import pad

from quasistatic.data import Dataset
from quasistatic.data.dataset import spread
from quasistatic.evaluation import Score
from quasistatic.model import Model
from quasistatic.model.evaluate import chances_of_steps
from quasistatic.model.evaluate.examples import EvaluateOptions, fitting_data
from quasistatic.model.evaluate.rows import score_rows
from quasistatic.model.evaluate.summary import per_unit
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


def agreed(world: Accelerator, stop: bool, steps: int | None, due: bool = False) -> tuple[bool, int | None, bool]:
    """Return whether any process wants to stop, and what the first process decided on by its clock.

    That is the number of steps, if any, and whether a held-out score is due.
    """
    if world.num_processes == 1:
        return stop, steps, due
    own = [float(stop), *(float(value or 0) * world.is_main_process for value in (steps, due))]
    found = world.reduce(torch.tensor(own, dtype=torch.float64, device=world.device), "sum").tolist()
    return found[0] > 0, int(found[1]) or None, found[2] > 0


def scored_together(world: Accelerator, model: Model, data: Dataset, draws: int, limit: int) -> Score:
    """Score held-out examples by the bound, a share in each process; all processes return the score of all.

    It is that of one process, up to rounding.

    Raises:
        FloatingPointError: in all processes, if an example's score is not a number.
    """
    asked = EvaluateOptions(draws=draws)
    whole = fitting_data(model, data)
    whole = whole.select(spread(len(whole), limit))
    shares = torch.arange(len(whole)).tensor_split(world.num_processes)
    mine = shares[world.process_index]
    found = torch.full((len(mine),), torch.nan, dtype=torch.float64)
    with suppress(FloatingPointError):
        chances, _ = chances_of_steps(model, whole, asked)
        if len(mine):
            score = score_rows(model, whole.select(mine), mine, "bound", asked, chances)
            found = score.log_likelihoods.double().cpu()
    with lost_told(world):
        values = gathered(world, found.to(world.device), len(whole))
    if bool(values.isnan().any()):
        raise FloatingPointError("the score of held-out examples is not a number, since the model's guesses are not")
    empty = torch.zeros_like(values)
    score = Score.of("bound", values, empty, empty, model.specification.dimensions, asked.steps, len(values))
    return per_unit(model, whole, score)


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
