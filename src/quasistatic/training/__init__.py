"""Training: a generator of progress, and the folder that a run lives in.

    batch.py         rows, shown elements, seeds                 optimizer.py     AdamW and the learning rate
    loop.py          `Training`: steps, averages, rollback       duration.py      how many steps fit into the minutes
    held_out.py      held-out scores as the run goes             checkpoint.py    save, load, resume; `train`
    folder.py        who may begin in a folder; metrics          state.py         the tensors that a checkpoint holds

It may import `model` and everything below it.
"""

from quasistatic.training.checkpoint import train
from quasistatic.training.loop import Progress, Training

__all__ = ["Progress", "Training", "train"]
