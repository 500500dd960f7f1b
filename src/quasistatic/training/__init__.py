"""Training: a generator of progress, and the folder that a run lives in.

    batch.py         rows, shown elements, seeds                 optimizer/       AdamW, Muon, the learning rate
    step.py          the gradient of a step                      duration.py      how many steps fit into the minutes
    loop.py          `Training`: steps, averages, rollback       checkpoint.py    save, load, resume; `train`
    monitor/         held-out scores and samples                 state.py         the tensors that a checkpoint holds
    folder.py        who may begin in a folder; metrics          rates.py         trained rates of the process

It may import `model`, `plotting` and everything below them.
"""

from quasistatic.training.checkpoint import train
from quasistatic.training.loop import Progress, Training

__all__ = ["Progress", "Training", "train"]
