"""A run's folder: training into it, checkpoints, exact resume.

    run.py       `train`: a run into a folder, from its beginning or its last checkpoint
    files.py     writing and reading checkpoints, whole or in shares
    folder.py    who may begin in a folder; metrics

It may import `training.loop` and everything below.
"""

from quasistatic.training.checkpoint.files import latest, load, read_last, read_run, save
from quasistatic.training.checkpoint.run import train

__all__ = ["latest", "load", "read_last", "read_run", "save", "train"]
