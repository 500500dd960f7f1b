"""Weighted particles: exact in the limit of many.

walk         reverse chains of any process, with a proposal and a twist    walk.py, proposals.py
filled_gaps  sequences that a model draws from left to right               gaps.py
"""

from quasistatic.inference.particles.gaps import InOrder, filled_gaps, gaps_of
from quasistatic.inference.particles.proposals import (
    Conditioned,
    Guided,
    Plain,
    Proposal,
    Tilted,
    Twist,
    flat,
    lookahead,
    tempered,
)
from quasistatic.inference.particles.walk import (
    ContradictionError,
    FewParticles,
    ParticleOptions,
    Particles,
    particle,
    warn_of_few,
)

__all__ = [
    "Conditioned",
    "ContradictionError",
    "FewParticles",
    "Guided",
    "InOrder",
    "ParticleOptions",
    "Particles",
    "Plain",
    "Proposal",
    "Tilted",
    "Twist",
    "filled_gaps",
    "flat",
    "gaps_of",
    "lookahead",
    "particle",
    "tempered",
    "warn_of_few",
]
