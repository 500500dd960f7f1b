"""Where the weights of a run are: whole in every process, or a share of each in every process.

    Replicated    every process holds all weights, and gradients are averaged (DDP); the first process saves
    Sharded       every process holds a share of each weight, of its gradient, moments and average (FSDP2); all save

Source of sharding: Rajbhandari et al. 2020 (arXiv:1910.02054), stage 3; Zhao et al. 2023 (arXiv:2304.11277).
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors.torch import save_file
from torch import Size, Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from quasistatic.config import TrainingConfig
from quasistatic.runtime.files import flush, replace_file
from quasistatic.runtime.shares import gather_shares, own_share, share_like
from quasistatic.training.batch import Batch
from quasistatic.training.parallel.blocks import blocks_of
from quasistatic.training.parallel.exchange import lost_told
from quasistatic.types import Nats

Result = TypeVar("Result")

WHOLE, SHARDS = "training.safetensors", "training"
"""What a checkpoint keeps for a resume: a file, or a folder with a file of each process."""


class Replicated:
    """Weights that every process holds whole.

    Args:
        world: the processes that train together.
    """

    def __init__(self, world: Accelerator) -> None:
        self.world = world

    @property
    def alone(self) -> bool:
        """Whether the first process has all that a checkpoint needs."""
        return True

    @property
    def saves(self) -> bool:
        """Whether this process takes part in saving."""
        return self.world.is_main_process or not self.alone

    def prepare(self, network: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Return network and optimizer, ready to train on the processes' device."""
        return self.world.prepare(network, optimizer)

    def average(self, average: AveragedModel) -> AveragedModel:
        """Return the averaged weights, ready to be used on the processes' device."""
        return average.to(self.world.device).eval()

    def spread(self, network: nn.Module, average: nn.Module, optimizer: Optimizer) -> None:
        """Place the weights for training, after their beginnings were set or loaded."""

    def backward(
        self, network: nn.Module, parts: Sequence[Batch], cost: Callable[[Batch], Nats], scale: float
    ) -> tuple[Tensor, Nats]:
        """Add the gradient of the weighted costs of ``parts``, averaged over processes.

        Args:
            network: the network, as `prepare` returned it.
            parts: this process's examples, in parts that fit into memory.
            cost: cost of each example of a part.
            scale: factor of the loss.

        Returns:
            The loss, summed over parts and without gradient, and the cost of each example.
        """
        loss, costs = torch.zeros((), device=self.world.device), []
        for part in parts:
            with self.summing(network, part is parts[-1]):
                found = cost(part)
                loss_part = (found * part.weight.to(found)).sum() * scale
                self.world.backward(loss_part)
            loss = loss + loss_part.detach()
            costs.append(found.detach())
        return loss, torch.cat(costs)

    def summing(self, network: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Return the context of a part of a batch, whose gradient is averaged over processes after the last one."""
        return self.world.accumulate(network) if last else self.world.no_sync(network)

    def clip(self, parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
        """Scale the gradient of ``parameters`` to a norm of ``limit`` at most; return its norm before."""
        own = list(parameters)
        norm = gather_shares(get_total_norm([value.grad for value in own if value.grad is not None]))
        clip_grads_with_norm_(own, limit, norm)
        return norm

    def finite(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether all values are finite numbers, in all processes that hold them."""
        device = self.world.device
        return bool(torch.stack([value.isfinite().all().to(device) for value in tensors]).all())

    def first(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns in the first process, to all who save.

        Raises:
            OSError: in all who save, if it is raised in the first process.
        """
        return work()

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        """Return the whole weights on the CPU, for the process that writes them; others may get none."""
        return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}

    def write(self, tensors: Mapping[str, Tensor], place: Path) -> None:
        """Write the tensors of a checkpoint into the folder ``place``.

        Raises:
            OSError: if they cannot be written.
        """
        state = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        replace_file(place / WHOLE, lambda file: save_file(state, file))


class Sharded(Replicated):
    """Weights of which every process holds a share, from `spread` on. All processes then call each method together.

    Before that, every process holds whole weights in main memory.
    """

    spread_out = False

    @property
    def alone(self) -> bool:
        """Whether the first process has all that a checkpoint needs: until the weights are spread."""
        return not self.spread_out

    def prepare(self, network: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Return network and optimizer as they are."""
        return network, optimizer

    def average(self, average: AveragedModel) -> AveragedModel:
        """Return the averaged weights as they are."""
        return average.eval()

    def spread(self, network: nn.Module, average: nn.Module, optimizer: Optimizer) -> None:
        """Keep a share of each weight, and of each moment of the optimizer, on the processes' device.

        Raises:
            ValueError: if a weight cannot be shared.
        """
        if self.spread_out:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        mesh = init_device_mesh(self.world.device.type, (self.world.num_processes,))
        # Denoisers read the output and never change it.
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
        for part in (network, average):
            part.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        average.requires_grad_(False)
        before = list(network.parameters())
        try:
            for part in (network, average):
                for block in blocks_of(part):
                    methods = [name for name in vars(type(block)) if not name.startswith("_") and name != "forward"]
                    fully_shard(block, mesh=mesh)
                    for name in methods:  # they use the weights as well
                        register_fsdp_forward_method(block, name)
                # The average is used without a backward pass, which would give its weights back.
                fully_shard(part, mesh=mesh, reshard_after_forward=True if part is average else None)
        except (ValueError, NotImplementedError) as error:
            raise ValueError(f"training.shard cannot share the weights of this network: {error}") from None
        _leave_inference_mode(average)
        shares = dict(zip(before, network.parameters(), strict=True))
        for group in optimizer.param_groups:
            group["params"] = [shares.get(value, value) for value in group["params"]]
        for value in before:
            if value in optimizer.state:
                slots = optimizer.state.pop(value)
                optimizer.state[shares[value]] = {name: share_like(slot, shares[value]) for name, slot in slots.items()}
        self.spread_out = True

    def summing(self, network: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Return a context that does nothing: each part's gradient is averaged at once, so that none is held whole."""
        return nullcontext()

    def finite(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether all values are finite numbers, in the shares of all processes."""
        bad = sum((~own_share(value).isfinite().all()).to(self.world.device, torch.int64) for value in tensors)
        return int(self.world.reduce(cast(Tensor, bad), "sum")) == 0

    def first(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns in the first process, to all processes.

        Raises:
            OSError: in all processes, if it is raised in the first one. ConnectionError: if a process is lost.
        """
        if self.alone:
            return work()
        told: list[Any] = [None, None]
        if self.world.is_main_process:
            try:
                told[0] = work()
            except OSError as error:
                told[1] = error
        with lost_told(self.world):
            broadcast_object_list(told)
        if told[1] is not None:
            raise told[1]
        return cast(Result, told[0])

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        """Return the whole weights on the CPU in the first process, and none in others."""
        if self.alone:
            return super().weights(module)
        found = {}
        with lost_told(self.world):
            for name, value in module.state_dict().items():
                tensor = gather_shares(value.detach()).cpu().contiguous()
                if self.world.is_main_process:
                    found[name] = tensor
        return found

    def write(self, tensors: Mapping[str, Tensor], place: Path) -> None:
        """Write the tensors of a checkpoint into the folder ``place``, each process its share.

        Raises:
            OSError: in all processes, if one cannot write. ConnectionError: if a process is lost.
        """
        if self.alone:
            return super().write(tensors, place)
        from torch.distributed import checkpoint

        folder = place / SHARDS
        writer = checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
        try:
            with lost_told(self.world):
                checkpoint.save({name: value.detach() for name, value in tensors.items()}, storage_writer=writer)
        except checkpoint.CheckpointException as error:
            raise OSError(next(iter(error.failures.values()))[0]) from None
        self.first(lambda: flush(folder))


def placement_of(settings: TrainingConfig, world: Accelerator) -> Replicated:
    """Return where the weights of a run are.

    Raises:
        ValueError: if shares of the batch cannot be accumulated in equally many parts in all processes.
    """
    if not settings.shard or world.num_processes == 1:
        return Replicated(world)
    least = settings.accumulate * world.num_processes
    if settings.batch < least:
        raise ValueError(
            f"with training.shard, each of {world.num_processes} processes needs an example in each of "
            f"{settings.accumulate} parts, got training.batch={settings.batch}; raise it to {least}, or accumulate less"
        )
    return Sharded(world)


def read_shards(folder: Path, room: Callable[[Mapping[str, Size]], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors that `Sharded.write` wrote into a checkpoint's folder, whole or in shares.

    Args:
        folder: with a file of each process that wrote; this run may have other processes.
        room: from sizes by name to tensors that are filled: whole ones, or shares.

    Raises:
        ValueError: if they cannot be read.
    """
    from torch.distributed import checkpoint

    reader = checkpoint.HuggingFaceStorageReader(str(folder))
    found = cast(dict[str, Any], reader.read_metadata().state_dict_metadata)
    tensors = room({name: entry.size for name, entry in found.items()})
    try:
        checkpoint.load(tensors, storage_reader=reader)
    except checkpoint.CheckpointException as error:
        raise ValueError(str(next(iter(error.failures.values()))[0])) from None
    return tensors


def _leave_inference_mode(network: nn.Module) -> None:
    """Let ``network`` run under no_grad where a verb is in inference mode: shares cannot be gathered in that mode."""
    entered = list[ExitStack]()

    def enter(*_: object) -> None:
        entered.append(ExitStack())
        entered[-1].enter_context(torch.inference_mode(False))
        entered[-1].enter_context(torch.no_grad())

    network.register_forward_pre_hook(enter, prepend=True)
    network.register_forward_hook(lambda *_: entered.pop().close(), always_call=True)
