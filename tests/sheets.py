"""Images to draw, and how to find them in a picture."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from quasistatic.data import AffineCodec, LevelsCodec
from quasistatic.evaluation import BoundTerms
from quasistatic.schedule import uniform_times

LEVELS = LevelsCodec(0, 16, 17)
BYTES = LevelsCodec(0, 255, 256)
PLANE = AffineCodec((1.0, -2.0), (3.0, 0.5))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=seeded(seed), dtype=torch.uint8)


def array(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def half_known() -> tuple[Tensor, Tensor, Tensor]:
    """Two digits, which pixels are known, and four completions of each."""
    truth = digits(2)
    known = torch.zeros(truth.shape, dtype=torch.bool)
    known[0, :, :4] = known[1, :, :, :3] = True
    draws = torch.stack([torch.where(known, truth, digits(2, seed)) for seed in range(1, 5)], 1)
    return truth, known, draws


def some_terms(steps: int, draws: int, batch: int = 40, step_cost: float = 0.25) -> BoundTerms:
    """Terms whose every step costs the same, looked at in strata as `evaluation.bound` does."""
    grid_times, count = uniform_times(steps), steps - 1
    k = (torch.arange(draws)[:, None] + torch.rand(draws, batch, generator=seeded())) * count / draws
    costs = torch.full((draws, batch), step_cost, dtype=torch.float64)
    ends = torch.ones(2, batch, dtype=torch.float64) * torch.tensor([[0.5], [2.0]])
    return BoundTerms(ends[0], costs.sum(0) * count / draws, ends[1], grid_times[k.long().clamp(max=count - 1)], costs)


def report(step: int, held_out: float | None = None) -> str:
    return json.dumps({"step": step, "loss": 2 + 1 / (1 + step), "held_out": held_out, "note": None})
