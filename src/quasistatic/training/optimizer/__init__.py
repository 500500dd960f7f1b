"""Optimizers, the learning rate, and the optimizer's state as tensors by name.

    base.py     AdamW; which weights decay; the learning rate of each step; the state
    muon.py     Muon for hidden matrices; `optimizer_of` makes what the settings name

It may import `config`.
"""

from quasistatic.training.optimizer.base import StraightAdamW, adamw, learning_rate, load_state, set_rate, slot, state
from quasistatic.training.optimizer.muon import optimizer_of

__all__ = ["StraightAdamW", "adamw", "learning_rate", "load_state", "optimizer_of", "set_rate", "slot", "state"]
