"""Training losses, in nats per example, and the sampling of training times.

    Objective, Guess               the interface, and the guess that it scores    base.py
    Bound, WeightedBound, Whole    the variational bound                          bound.py
    OneByOne                       the log-likelihood in an order                 ordered.py
    Simple, Hybrid                 the simple loss, and its sum with the bound    simple.py
    TimeDensity                    importance sampling of times                   times.py

This package may import `denoiser` and everything below it, but not the other verbs.
"""

from quasistatic.objective.base import Guess, Objective
from quasistatic.objective.bound import Bound, WeightedBound, Whole
from quasistatic.objective.ordered import OneByOne
from quasistatic.objective.simple import Hybrid, Simple
from quasistatic.objective.times import TimeDensity

OBJECTIVES: dict[str, type[Objective]] = {
    "bound": Bound,
    "weighted": WeightedBound,
    "whole": Whole,
    "simple": Simple,
    "hybrid": Hybrid,
    "one-by-one": OneByOne,
}

__all__ = [
    "OBJECTIVES",
    "Bound",
    "Guess",
    "Hybrid",
    "Objective",
    "OneByOne",
    "Simple",
    "TimeDensity",
    "WeightedBound",
    "Whole",
]
