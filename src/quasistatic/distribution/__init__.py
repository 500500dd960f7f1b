"""Elementwise distributions, as returned by processes and denoisers.

    Normal                       a density                                       normal.py
    Levels, Quantized            masses on the levels of a table                 levels.py
    LevelMixture                 a mass on levels from a few normals              mixture.py
    Bernoulli, Categorical       masses on bits and states                       discrete.py
    Histograms                   a density on the bins of each column            histograms.py
    Masked                       a mask, a known value, or another law           masked.py
    ProductDistribution          columns of different kinds side by side         product.py
    fixed                        any of these, with some elements known          fixed.py

Every method is elementwise: `log_prob` and `kl` have the shape of the state; sum them with `types.per_example`.
It may import `types` and `streams`.
"""

from quasistatic.distribution.base import Distribution, spread_uniform, standard_normal, standard_uniform
from quasistatic.distribution.discrete import Bernoulli, Categorical, categorical_entropy, categorical_kl, draw_index
from quasistatic.distribution.fixed import fixed
from quasistatic.distribution.levels import Levels, Quantized, is_level, nearest_level
from quasistatic.distribution.mixture import LevelMixture
from quasistatic.distribution.normal import Normal, log_mass_between, log_masses_between, log_ndtr

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "LevelMixture",
    "Levels",
    "Normal",
    "Quantized",
    "categorical_entropy",
    "categorical_kl",
    "draw_index",
    "fixed",
    "is_level",
    "log_mass_between",
    "log_masses_between",
    "log_ndtr",
    "nearest_level",
    "spread_uniform",
    "standard_normal",
    "standard_uniform",
]
