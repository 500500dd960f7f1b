"""Denoisers: network × head → p(x | x_t), a distribution over clean data.

    Denoiser      a network with its process and head          denoiser.py
    shown         what a network is shown of examples            shown.py
    head/         turns a network's output into a distribution; the only place with parametrisations

This package may import `process`, `network` and `data`, and everything below them.
"""

from quasistatic.denoiser.denoiser import Denoise, Denoiser, distinct, finite, input_states, only_finite
from quasistatic.denoiser.shown import Shown

__all__ = ["Denoise", "Denoiser", "Shown", "distinct", "finite", "input_states", "only_finite"]
