"""Finds the number of steps that fit into a run's minutes."""

import time
from dataclasses import replace

import numpy as np
import torch

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.training.loop import Training


def fit_steps(config: Config, specification: Specification, data: Dataset, trial: int = 12) -> Config:
    """Return ``config`` with as many steps as fit into ``training.minutes``, measured on a copy of the run.

    A number of steps that is already set stays.
    """
    if config.training.steps is not None:
        return config
    training = Training(with_steps(config, trial), specification)
    seconds = []
    for _ in range(trial):
        start = time.perf_counter()
        training.take_step(data)
        if training.accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    # A twentieth is left for held-out scores and checkpoints; the first steps warm up.
    steps = 0.95 * 60 * config.training.minutes / float(np.median(seconds[trial // 3 :]))
    rounded = torch.tensor([max(1.0, steps)], device=training.accelerator.device)
    return with_steps(config, int(training.accelerator.gather(rounded).min().item()))


def with_steps(config: Config, steps: int) -> Config:
    """Return ``config`` with ``steps`` training steps."""
    return replace(config, training=replace(config.training, steps=steps))
