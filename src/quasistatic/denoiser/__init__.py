"""Denoisers: network × head → p(x | x_t), a distribution over clean data.

    Denoiser      a network with its process and head          denoiser.py
    head/         how a network's output is read; parametrisation appears nowhere else

It may import `process`, `network` and `data`, and everything below them.
"""

from quasistatic.denoiser.denoiser import Denoise, Denoiser, finite, input_states

__all__ = ["Denoise", "Denoiser", "finite", "input_states"]
