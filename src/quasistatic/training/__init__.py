"""Training: a generator of progress, and the folder that a run lives in.

    batch.py         rows, shown elements, seeds                 optimizer/       AdamW, Muon, the learning rate
    beginning.py     what is set before the first step           duration.py      how many steps fit into the minutes
    loop.py          `Training`: steps, averages, rollback       checkpoint/      save, load, resume; `train`
    monitor/         held-out scores and samples                 state.py         the tensors that a checkpoint holds
    parallel/        several processes, whole or shared weights  rates.py         trained rates of the process

It may import `model`, `plotting` and everything below them.
"""

from quasistatic.training.checkpoint import train
from quasistatic.training.loop import Progress, Training

__all__ = ["Progress", "Training", "train"]
