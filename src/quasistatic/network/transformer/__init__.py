"""Transformers over sequences and patches of images.

Transformer         every position attends to all others                              bidirectional.py
CausalTransformer   sequences; the guess of all elements in one pass, left to right   causal.py
ContextCounts       what followed each context in the training data                   counts.py
NgramMarginals      the law of each masked element under an n-gram model              marginals.py
guesses_in_windows  the guesses of a causal transformer in all windows, in one pass   windows.py
Memory              its guesses for one element after another                         memory.py
"""

from quasistatic.network.transformer.bidirectional import Transformer, TransformerConfig
from quasistatic.network.transformer.causal import CausalConfig, CausalTransformer
from quasistatic.network.transformer.counts import ContextCounts
from quasistatic.network.transformer.marginals import NgramMarginals
from quasistatic.network.transformer.memory import Memory
from quasistatic.network.transformer.windows import guesses_in_windows

__all__ = [
    "CausalConfig",
    "CausalTransformer",
    "ContextCounts",
    "Memory",
    "NgramMarginals",
    "Transformer",
    "TransformerConfig",
    "guesses_in_windows",
]
