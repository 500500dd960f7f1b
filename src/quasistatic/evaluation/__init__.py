"""Evaluation: how likely are data under a model. Everything says its unit and its standard error."""

from quasistatic.evaluation.bound import BoundTerms, bound, null
from quasistatic.evaluation.score import Score, mean_and_error, score_bound

__all__ = ["BoundTerms", "Score", "bound", "mean_and_error", "null", "score_bound"]
