"""Tensors of which every process holds a share (torch's DTensor), and whole ones: from one to the other.

DTensor takes most of a second to import, so that is left to whoever makes one.
"""

import sys
from typing import Any

from torch import Tensor


def gather_shares(value: Tensor) -> Tensor:
    """Return a whole tensor from the shares of all processes, which call this together; a whole one as it is."""
    shared: Any = value
    return shared.full_tensor() if _is_shared(value) else value


def own_share(value: Tensor) -> Tensor:
    """Return this process's share of a tensor; a whole one as it is."""
    shared: Any = value
    return shared.to_local() if _is_shared(value) else value


def share_like(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's share of a whole tensor that all processes have, if ``like`` of its shape is shared."""
    if not _is_shared(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    shared: Any = like
    own = value.to(like.device).contiguous()
    return distribute_tensor(own, shared.device_mesh, shared.placements, src_data_rank=None)


def _is_shared(value: Tensor) -> bool:
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)
