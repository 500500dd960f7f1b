"""Classifier-free guidance: a label moves the guess further than the model says. Heuristic.

    numbers    m = m_free + scale · (m_label − m_free)
    states     log p(k) = log p_free(k) + scale · (log p_label(k) − log p_free(k)) + constant

Of a Gaussian guess the score is then that of q_t(x_t) q_t(label | x_t)^scale at every time. Unless ``scale`` is 0 or 1
that is the noised law of no data, so draws follow no stated law: they are of fewer kinds, each more like its label.
Source: Ho & Salimans 2022 (arXiv:2207.12598), eq. 6, where 1 + w is ``scale`` here.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Bernoulli, Categorical, Distribution, Levels, Normal
from quasistatic.types import Label, State, Time


def classifier_free(denoiser: Callable[..., Distribution], label: Label, scale: float) -> Denoise:
    """Return the guess without a label moved ``scale`` times as far as the label moves it.

    With ``scale`` 1 it is the model's own guess given the label, with 0 the one without a label.

    Args:
        denoiser: (x_t, t) or (x_t, t, label) → a guess; a `Denoiser` that was trained with labels and, for a share of
            the examples, without.
        label: classes (batch,).
        scale: how many times as far; the width of a Normal stays the labelled one.

    Raises:
        ValueError: if ``scale`` is not finite.
    """
    if not math.isfinite(scale):
        raise ValueError(f"classifier-free guidance has a finite scale, got {scale}")

    def denoise(x_t: State, t: Time) -> Distribution:
        if scale == 0:
            return denoiser(x_t, t)
        with_label = denoiser(x_t, t, label)
        return with_label if scale == 1 else _moved(denoiser(x_t, t), with_label, scale)

    return denoise


def _moved(free: Distribution, bound: Distribution, scale: float) -> Distribution:
    match free, bound:
        case Normal(), Normal():
            return Normal(free.mean + scale * (bound.mean - free.mean), bound.std)
        case Levels(), Levels():
            return Levels(_mixed(free.log_masses, bound.log_masses, scale), free.levels)
        case Bernoulli(), Bernoulli():
            return Bernoulli(_mixed(free.logits, bound.logits, scale))
        case Categorical(), Categorical():
            return Categorical(_mixed(free.log_masses, bound.log_masses, scale))
    raise TypeError(
        f"classifier-free guidance is for numbers, levels, bits or states, got a guess of {type(free).__name__}"
    )


def _mixed(free: Tensor, bound: Tensor, scale: float) -> Tensor:
    # What is certain in both (±∞) stays so: ∞ − ∞ is no number.
    return torch.where(free == bound, bound, free + scale * (bound - free))
