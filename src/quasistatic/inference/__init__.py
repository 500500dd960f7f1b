"""Inference: what is likely, given what was observed. Each method says how exact it is.

observation, linear   log r(x) of clean data: Known, Noisy, Weights, Linear, Labelled, Function, products of them

hold      noised copies of what is known at every step      any process          heuristic, biased
reveal    what is known is shown from the start             absorbing ones       exact given the guesses
condition what is known is shown to a network trained so    tables               exact given the guesses
guide     each step or guess is pulled towards it           any process          approximate, biased
particle  many walks at once, weighed and drawn anew        any process          exact in the limit
report    what a method's bias is where the truth is known
"""

from quasistatic.inference.condition import condition
from quasistatic.inference.guide import classifier_free, guided, tilted_guess
from quasistatic.inference.hold import clamp, hold, resampled_times
from quasistatic.inference.linear import LinearObservation, Map, Matrix, Operator, blurred, by_matrix, super_resolution
from quasistatic.inference.observation import (
    Factorised,
    Function,
    Known,
    Labelled,
    Noisy,
    Observation,
    ProductObservation,
    Weights,
)
from quasistatic.inference.particle import ContradictionError, FewParticles, ParticleOptions, Particles, particle
from quasistatic.inference.proposals import Guided, Plain, Proposal, Tilted, Twist, flat, lookahead, tempered
from quasistatic.inference.reveal import is_absorbing, reveal
from quasistatic.process import GaussianProcess, Process


def twist(process: Process, elements: int) -> Twist:
    """Return how particles look ahead best: the guess's own word for a few elements, less of it for many.

    Measured on halves of digits: see `docs/log.md`.
    """
    return lookahead(process) if elements <= 8 or not isinstance(process, GaussianProcess) else tempered(process)


def proposal(process: Process) -> Proposal:
    """Return how particles move best: guided where there is a gradient, else tilted."""
    return Guided(process) if isinstance(process, GaussianProcess) else Tilted(process)


Linear, Product = LinearObservation, ProductObservation  # the old names, until version 0.2

__all__ = [
    "ContradictionError",
    "Factorised",
    "FewParticles",
    "Function",
    "Guided",
    "Known",
    "Labelled",
    "Linear",
    "LinearObservation",
    "Map",
    "Matrix",
    "Noisy",
    "Observation",
    "Operator",
    "ParticleOptions",
    "Particles",
    "Plain",
    "Product",
    "ProductObservation",
    "Proposal",
    "Tilted",
    "Twist",
    "Weights",
    "blurred",
    "by_matrix",
    "clamp",
    "classifier_free",
    "condition",
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
