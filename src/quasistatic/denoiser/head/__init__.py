"""Heads: turn a network's output into p(x | x_t), a distribution over clean data.

    head             network output          p(x | x_t)
    GaussianHead     ε̂, x̂ or v̂ (and a std)  Normal( m, w² )
                     noise   m = (x_t − √(1−ᾱ) ε̂)/√ᾱ     velocity  m = √ᾱ x_t − √(1−ᾱ) v̂     data  m = x̂
                     small   w = 0     large  w² = 1 − ᾱ     learned  w² = (1 − ᾱ) · sigmoid(output)
    StepHead         z_μ, z_Σ                 Normal whose step to t − 1/T has the mean and variance of 2015
    LevelsHead       a logit per level       Levels: ∝ exp(logit_k) · N( x_t; √ᾱ level_k, 1 − ᾱ )
    MixtureHead      weights, means, widths   LevelMixture: Σ w_j N(level; m_j, s_j²) · N( x_t; √ᾱ level, 1 − ᾱ )
    BernoulliHead    log-odds                Bernoulli: odds e^output · q(x_t | x = 1)/q(x_t | x = 0)
    CategoricalHead  a logit per state       Categorical: ∝ exp(logit_k) · q(x_t | x = k)
    CellsHead        a logit per bin         Histograms: one for each column, ∝ exp(logit_k)
    ProductHead      the outputs of its heads Product of their distributions

The stds small and large give the reverse step the variances β̃ and β of Ho et al. 2020, §3.2, for any s < t.
"""

from quasistatic.denoiser.head.base import Head, View
from quasistatic.denoiser.head.cells import CellsHead
from quasistatic.denoiser.head.gaussian import SPELLINGS, GaussianHead, StepHead
from quasistatic.denoiser.head.mass import BernoulliHead, CategoricalHead, LevelsHead
from quasistatic.denoiser.head.mixture import MixtureHead
from quasistatic.denoiser.head.product import ProductHead

__all__ = [
    "SPELLINGS",
    "BernoulliHead",
    "CategoricalHead",
    "CellsHead",
    "GaussianHead",
    "Head",
    "LevelsHead",
    "MixtureHead",
    "ProductHead",
    "StepHead",
    "View",
]
