"""Transformers over sequences and patches of images.

Transformer         every position attends to all others                              bidirectional.py
CausalTransformer   sequences; the guess of all elements in one pass, left to right   causal.py
ContextCounts       what followed each context in the training data                   counts.py
"""

from quasistatic.network.transformer.bidirectional import Transformer, TransformerConfig
from quasistatic.network.transformer.causal import CausalConfig, CausalTransformer
from quasistatic.network.transformer.counts import ContextCounts

__all__ = ["CausalConfig", "CausalTransformer", "ContextCounts", "Transformer", "TransformerConfig"]
