"""Draws from the posterior given an observation. Each method states how exact it is.

observation, linear   log r(x) of clean data: Known, Noisy, Weights, Linear, Labelled, Function, products of them

hold      noised copies of known elements at every step     any process          heuristic, biased
reveal    known elements are visible from the start         absorbing processes  exact given the guesses
condition a network trained with revealed elements          tables               exact given the guesses
guide     gradients towards the observation                 any process          approximate, biased
particles weighted, resampled particles                     any process          exact in the limit
report    measures a method's bias where the posterior is known
"""

from quasistatic.inference.condition import condition
from quasistatic.inference.guide import classifier_free, guided, tilted_guess
from quasistatic.inference.hold import clamp, hold, resampled_times
from quasistatic.inference.linear import (
    BlockMeans,
    LinearObservation,
    Map,
    Matrix,
    Operator,
    blurred,
    by_matrix,
    super_resolution,
)
from quasistatic.inference.observation import (
    Factorised,
    Function,
    Known,
    Labelled,
    Noisy,
    Observation,
    ProductObservation,
    Weights,
    Within,
)
from quasistatic.inference.particles import (
    Conditioned,
    ContradictionError,
    FewParticles,
    Guided,
    InOrder,
    ParticleOptions,
    Particles,
    Plain,
    Proposal,
    Tilted,
    Twist,
    filled_gaps,
    flat,
    gaps_of,
    lookahead,
    particle,
    tempered,
    warn_of_few,
)
from quasistatic.inference.reveal import is_absorbing, reveal
from quasistatic.process import GaussianProcess, Process


def twist(process: Process, elements: int) -> Twist:
    """Return the default twist: `lookahead` for few elements or discrete data, `tempered` for many Gaussian elements.

    The choice was measured on halves of digits; see `docs/log.md`.
    """
    return lookahead(process) if elements <= 8 or not isinstance(process, GaussianProcess) else tempered(process)


def proposal(process: Process) -> Proposal:
    """Return the default proposal: `Guided` for a Gaussian process, otherwise `Tilted`."""
    return Guided(process) if isinstance(process, GaussianProcess) else Tilted(process)


Linear, Product = LinearObservation, ProductObservation  # the old names, until version 0.2

__all__ = [
    "BlockMeans",
    "Conditioned",
    "ContradictionError",
    "Factorised",
    "FewParticles",
    "Function",
    "Guided",
    "InOrder",
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
    "Within",
    "blurred",
    "by_matrix",
    "clamp",
    "classifier_free",
    "condition",
    "filled_gaps",
    "flat",
    "gaps_of",
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
    "warn_of_few",
]
