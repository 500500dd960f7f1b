"""Ranks examples by their bounds, and scores how unusual they are where the bound alone misleads.

order         draws rounds of the bound until the order of the examples is decided; how certain it is
chances       steps that decide the order: sampling probabilities for rounds that all examples share
complexity    bits of a lossless image compressor, to subtract from the bound
typicality    two-sided p-values among the scores of known examples
"""

from quasistatic.evaluation.ranking.chances import chances_by_share, pilot_steps
from quasistatic.evaluation.ranking.complexity import complexity
from quasistatic.evaluation.ranking.order import Order, decide
from quasistatic.evaluation.ranking.typicality import typicality

__all__ = ["Order", "chances_by_share", "complexity", "decide", "pilot_steps", "typicality"]
