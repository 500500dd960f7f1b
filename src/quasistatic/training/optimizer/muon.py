"""Muon: matrices between a network's first and last layer move by their orthogonalised momentum, the rest by AdamW.

    m ← 0.95 m + 0.05 g,    u = 0.05 g + 0.95 m,    W ← (1 − rate · decay) W − rate · 0.2 √max(rows, columns) · U Vᵀ

with u = U S Vᵀ. All directions of a matrix then move alike, where a gradient has a few that dominate. A kernel is a
matrix with a row per output map. U Vᵀ comes from five Newton–Schulz steps, which leave singular values between 0.7 and
1.2. Each step multiplies X from the left by a polynomial of X Xᵀ, so only these small matrices are iterated: a kernel's
X has nine times as many columns as rows, and two products with it are enough.
The factor 0.2 √max gives the step the size of AdamW's, so both share a learning rate.
Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the factor: Liu et al. 2025 (arXiv:2502.16982), §2.2.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from quasistatic.config import TrainingConfig
from quasistatic.runtime.shares import gather_shares, share_like
from quasistatic.training.optimizer.base import BETAS, adamw, groups_of, kind

MEMORY = 0.95
"""Decay of the momentum."""

SIZE = 0.2
"""Root mean square of AdamW's steps, in learning rates."""

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of a step X ← (a + b A + c A²) X, A = X Xᵀ, chosen for speed: small singular values grow by a factor a."""

OUTER = ("stem", "last", "condition", "inputs")
"""Parts of a network whose matrices AdamW moves: they join features of different kinds, or are tables."""


def optimizer_of(settings: TrainingConfig, network: nn.Module, rates: Iterable[nn.Parameter]) -> Optimizer:
    """Return the optimizer that the settings name."""
    if settings.optimizer == "muon":
        return muon(network, rates, settings.weight_decay)
    return adamw(network, rates, settings.weight_decay)


def muon(network: nn.Module, rates: Iterable[nn.Parameter], decay: float) -> "Muon":
    """Return Muon over a network and the rates of its process; weights decay as under AdamW."""
    inner = {id(matrix) for matrix in hidden(network)}
    groups: list[dict[str, Any]] = []
    for group in groups_of(network, rates, decay):
        for orthogonal in (True, False):
            part = [p for p in group["params"] if (id(p) in inner) is orthogonal]
            groups += [{**group, "params": part, "orthogonal": orthogonal}] if part else []
    return Muon(groups, betas=BETAS, fused=True)


def hidden(network: nn.Module) -> list[nn.Parameter]:
    """Return the matrices and kernels between a network's first and last layer."""
    return [p for name, p in network.named_parameters() if p.ndim > 1 and name.partition(".")[0] not in OUTER]


class Muon(kind()):  # type: ignore[misc]
    """AdamW, but groups marked ``orthogonal``, of matrices or kernels, move by their orthogonalised momentum.

    Matrices of which every process holds a share are gathered for it in all of them.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> bool:
        """Leave the parameters that move by their momentum out of AdamW's step."""
        return False if group["orthogonal"] else super()._init_group(group, *lists)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient."""
        loss = super().step(closure)
        for group in self.param_groups:
            if group["orthogonal"]:
                self._move([p for p in group["params"] if p.grad is not None], group)
        return loss

    def _move(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if not state:
                state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(parameter)}
            state["step"] += 1
            momentum = state["momentum"]
            momentum.lerp_(gradient, 1 - MEMORY)
            matrix = _as_matrix(gather_shares(torch.lerp(gradient, momentum, MEMORY)))
            alike[matrix.shape].append((parameter, matrix))
        for shape, pairs in alike.items():
            moves = orthogonalised(torch.stack([matrix for _, matrix in pairs]))
            rate = group["lr"] * SIZE * max(shape) ** 0.5
            for (parameter, _), move in zip(pairs, moves, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(share_like(_as_kernel(move, parameter.shape), parameter), alpha=rate)


def orthogonalised(x: Float[Tensor, "matrices rows columns"], steps: int = 5) -> Float[Tensor, "matrices rows columns"]:
    """Return matrices with the singular vectors of ``x`` and singular values near 1; a matrix of zeros stays so."""
    if x.shape[1] > x.shape[2]:
        return orthogonalised(x.mT, steps).mT
    a, b, c = COEFFICIENTS
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    square = x @ x.mT  # of x times ``whole``
    whole = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand_as(square)
    for _ in range(steps):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        whole = factor @ whole
        square = factor @ square @ factor
    return whole @ x


def _as_matrix(kernel: Tensor) -> Tensor:
    """Return a kernel as a matrix with a row per output map; no copy for a channels_last kernel."""
    return kernel.movedim(1, -1).flatten(1)


def _as_kernel(matrix: Tensor, shape: torch.Size) -> Tensor:
    """Return the kernel of a matrix; the inverse of `_as_matrix`."""
    return matrix.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
