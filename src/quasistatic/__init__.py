"""Diffusion models as probability distributions: learn, sample, infer and evaluate, in one form.

Public names, in the order of the data flow; each is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load": "data",
    "Dataset": "data",
    "Normal": "distribution",
    "Quantized": "distribution",
    "Levels": "distribution",
    "Bernoulli": "distribution",
    "Categorical": "distribution",
    "MarkovChain": "markov",
    "Linear": "schedule",
    "Cosine": "schedule",
    "Reciprocal": "schedule",
    "Table": "schedule",
    "Learned": "schedule",
    "Process": "process",
    "GaussianProcess": "process",
    "Gaussian": "process",  # the old name, until version 0.2
    "BernoulliProcess": "process",
    "CategoricalProcess": "process",
    "NetworkConfig": "network",
    "UNetConfig": "network",
    "MLPConfig": "network",
    "TransformerConfig": "network",
    "Denoiser": "denoiser",
    "GaussianHead": "denoiser.head",
    "StepHead": "denoiser.head",
    "LevelsHead": "denoiser.head",
    "MixtureHead": "denoiser.head",
    "BernoulliHead": "denoiser.head",
    "CategoricalHead": "denoiser.head",
    "Bound": "objective",
    "Whole": "objective",
    "Simple": "objective",
    "Hybrid": "objective",
    "Config": "config",
    "override": "config",
    "register": "config",
    "compare": "evaluation.fidelity",
    "Fidelity": "evaluation.fidelity",
    "Model": "model",
    "baselines": "model.baselines",
    "Training": "training",
    "train": "training",
    "recipe": "recipes",
    "fit": "recipes.fit",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'quasistatic' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(f"quasistatic.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
