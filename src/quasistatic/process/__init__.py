"""Forward processes: a stationary law × a clock.

Gaussian                 real values                                    gaussian.py
BernoulliProcess         bits, kept or redrawn by a coin                bernoulli.py
CategoricalProcess       states, kept or redrawn from any law           categorical.py
OrdinalProcess, …        states that move by any rates                  jump.py
"""

from quasistatic.process.base import Process
from quasistatic.process.bernoulli import BernoulliProcess
from quasistatic.process.categorical import CategoricalProcess
from quasistatic.process.finite import FiniteProcess, leave_one_out
from quasistatic.process.gaussian import Gaussian
from quasistatic.process.jump import JumpProcess, NearestNeighbourProcess, OrdinalProcess, RateProcess

__all__ = [
    "BernoulliProcess",
    "CategoricalProcess",
    "FiniteProcess",
    "Gaussian",
    "JumpProcess",
    "NearestNeighbourProcess",
    "OrdinalProcess",
    "Process",
    "RateProcess",
    "leave_one_out",
]
