"""Forward processes: a stationary law × a clock."""

from quasistatic.process.base import Process
from quasistatic.process.gaussian import Gaussian

__all__ = ["Gaussian", "Process"]
