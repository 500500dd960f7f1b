"""Forward processes: a stationary law × a clock.

GaussianProcess          real values                                    gaussian.py
BernoulliProcess         bits, kept or redrawn by a coin                bernoulli.py
CategoricalProcess       states, kept or redrawn from any law           categorical.py
OrdinalProcess, …        states that move by any rates                  jump.py
MaskedProcess            rows of cells of any kind, kept or masked      masked.py
ProductProcess           columns of different kinds, side by side       product.py
"""

from quasistatic.process.base import Decode, Process
from quasistatic.process.bernoulli import BernoulliProcess
from quasistatic.process.categorical import CategoricalProcess
from quasistatic.process.finite import FiniteProcess, leave_one_out
from quasistatic.process.gaussian import GaussianProcess
from quasistatic.process.jump import JumpProcess, NearestNeighbourProcess, OrdinalProcess, RateProcess
from quasistatic.process.masked import MaskedProcess
from quasistatic.process.product import Part, ProductProcess

Gaussian = GaussianProcess  # the old name, until version 0.2

__all__ = [
    "BernoulliProcess",
    "CategoricalProcess",
    "Decode",
    "FiniteProcess",
    "Gaussian",
    "GaussianProcess",
    "JumpProcess",
    "MaskedProcess",
    "NearestNeighbourProcess",
    "OrdinalProcess",
    "Part",
    "Process",
    "ProductProcess",
    "RateProcess",
    "leave_one_out",
]
