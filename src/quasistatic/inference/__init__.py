"""Inference: what is likely, given what was observed. Each method says how exact it is.

observation, linear   log r(x) of clean data: Known, Noisy, Weights, Linear, Labelled, Function, products of them

hold      noised copies of what is known at every step      any process          heuristic, biased
reveal    what is known is shown from the start             absorbing ones       exact given the guesses
guide     each step or guess is pulled towards it           any process          approximate, biased
particle  many walks at once, weighed and drawn anew        any process          exact in the limit
report    what a method's bias is where the truth is known
"""

from collections.abc import Callable

from quasistatic.inference.guide import classifier_free, guided, tilted_guess
from quasistatic.inference.hold import clamp, hold, resampled_times
from quasistatic.inference.linear import Linear, Map, Matrix, Operator, blurred, by_matrix, super_resolution
from quasistatic.inference.observation import (
    Factorised,
    Function,
    Known,
    Labelled,
    Noisy,
    Observation,
    Product,
    Weights,
)
from quasistatic.inference.particle import (
    ContradictionError,
    FewParticles,
    Guided,
    Particles,
    Plain,
    Proposal,
    Tilted,
    Twist,
    flat,
    lookahead,
    particle,
    tempered,
)
from quasistatic.inference.reveal import is_absorbing, reveal
from quasistatic.process import Gaussian, Process
from quasistatic.types import Step

METHODS: dict[str, Callable[..., Step]] = {"hold": hold, "reveal": reveal}
"""(process, step, observed, mask, generator) → a step, of the methods that take known elements only."""

EXACTNESS = {
    "hold": "heuristic, biased",
    "reveal": "exact given the model's guesses",
    "guide": "approximate, biased",
    "particle": "exact in the limit of many particles",
}
"""What each method says of itself, by the name that users type."""


def check_method(name: str) -> str:
    """Return the name of a method as it is.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in EXACTNESS:
        raise ValueError(f"the method of inference is {', '.join(EXACTNESS)}, got {name!r}")
    return name


def fitting(process: Process) -> str:
    """Return the name of the most exact method that takes no more work than a sample, for known elements."""
    return "reveal" if is_absorbing(process) else "hold"


def twist(process: Process, elements: int) -> Twist:
    """Return how particles look ahead best: the guess's own word for a few elements, less of it for many.

    Measured on halves of digits: see `docs/log.md`.
    """
    return lookahead(process) if elements <= 8 or not isinstance(process, Gaussian) else tempered(process)


def proposal(process: Process) -> Proposal:
    """Return how particles move best: guided where there is a gradient, else tilted."""
    return Guided(process) if isinstance(process, Gaussian) else Tilted(process)


__all__ = [
    "EXACTNESS",
    "METHODS",
    "ContradictionError",
    "Factorised",
    "FewParticles",
    "Function",
    "Guided",
    "Known",
    "Labelled",
    "Linear",
    "Map",
    "Matrix",
    "Noisy",
    "Observation",
    "Operator",
    "Particles",
    "Plain",
    "Product",
    "Proposal",
    "Tilted",
    "Twist",
    "Weights",
    "blurred",
    "by_matrix",
    "check_method",
    "clamp",
    "classifier_free",
    "fitting",
    "flat",
    "guided",
    "hold",
    "is_absorbing",
    "lookahead",
    "particle",
    "proposal",
    "resampled_times",
    "reveal",
    "super_resolution",
    "tempered",
    "tilted_guess",
    "twist",
]
