"""Tensors of which every process holds a share (torch's DTensor), and whole ones: from one to the other."""

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def gather_shares(value: Tensor) -> Tensor:
    """Return a whole tensor from the shares of all processes, which call this together; a whole one as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def own_share(value: Tensor) -> Tensor:
    """Return this process's share of a tensor; a whole one as it is."""
    return value.to_local() if isinstance(value, DTensor) else value


def share_like(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's share of a whole tensor that all processes have, if ``like`` of its shape is shared."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device).contiguous(), like.device_mesh, like.placements, src_data_rank=None)
