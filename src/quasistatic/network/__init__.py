"""Networks: functions of (x_t, t) or (x_t, t, label); a head turns their output into a distribution over clean data.

    MLPConfig         → MLP            vectors: points, bits, table rows
    UNetConfig        → UNet           images
    TransformerConfig → Transformer    sequences, and images by patches
    ColumnsConfig     → Columns        table rows of numbers and categories, partly known or missing
    RBFConfig, SigmoidMLPConfig, MultiScaleConfig    the 2015 paper's networks, for comparison

Elements are numbers, or states 0 … K − 1. A configuration is plain numbers; `config.build(shape, outputs, classes,
states)` makes the module. A network that can guess the data before training returns a `FirstGuess` next to its output.
"""

from quasistatic.network.base import FirstGuess, Guessed, Network, NetworkConfig
from quasistatic.network.classic import RBF, MultiScale, MultiScaleConfig, RBFConfig, SigmoidMLP, SigmoidMLPConfig
from quasistatic.network.columns import Columns, ColumnsConfig
from quasistatic.network.mlp import MLP, MLPConfig
from quasistatic.network.transformer import Transformer, TransformerConfig
from quasistatic.network.unet import UNet, UNetConfig

__all__ = [
    "MLP",
    "RBF",
    "Columns",
    "ColumnsConfig",
    "FirstGuess",
    "Guessed",
    "MLPConfig",
    "MultiScale",
    "MultiScaleConfig",
    "Network",
    "NetworkConfig",
    "RBFConfig",
    "SigmoidMLP",
    "SigmoidMLPConfig",
    "Transformer",
    "TransformerConfig",
    "UNet",
    "UNetConfig",
]
