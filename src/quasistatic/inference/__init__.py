"""Inference: what is likely, given what is known. Each method says how exact it is.

hold      noised copies of what is known at every step      any process          heuristic, biased
reveal    what is known is shown from the start             absorbing ones       exact given the guesses
condition what is known is shown to a network trained so    tables               approximate: exact given the guesses

A label is given to the denoiser, or weighs more than the model says: `classifier_free`, heuristic.
"""

from collections.abc import Callable

from quasistatic.inference.condition import condition
from quasistatic.inference.hold import hold, resampled_times
from quasistatic.inference.label import classifier_free
from quasistatic.inference.reveal import is_absorbing, reveal
from quasistatic.process import Process
from quasistatic.types import Step

METHODS: dict[str, Callable[..., Step]] = {"hold": hold, "reveal": reveal, "condition": condition}
"""(process, step, observed, mask, generator) → a step, by the name that users type."""

EXACTNESS = {
    "hold": "heuristic, biased",
    "reveal": "exact given the model's guesses",
    "condition": "approximate: exact given the model's guesses",
}
"""What each method says of itself."""


def method(name: str) -> Callable[..., Step]:
    """Return the method called ``name``.

    Raises:
        ValueError: if there is none.
    """
    if name not in METHODS:
        raise ValueError(f"the method of inference is one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def fitting(process: Process) -> str:
    """Return the name of the method for this process: the most exact one there is."""
    return "reveal" if is_absorbing(process) else "hold"


__all__ = [
    "EXACTNESS",
    "METHODS",
    "classifier_free",
    "condition",
    "fitting",
    "hold",
    "is_absorbing",
    "method",
    "resampled_times",
    "reveal",
]
