"""Inference: what is likely, given what is known. Each method says how exact it is."""

from quasistatic.inference.hold import hold, resampled_times

__all__ = ["hold", "resampled_times"]
