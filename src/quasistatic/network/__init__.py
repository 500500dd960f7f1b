"""Networks: functions of (x_t, t) or (x_t, t, label); a head turns their output into a distribution over clean data.

    MLPConfig         → MLP            vectors: points, bits, table rows
    UNetConfig        → UNet           images
    TransformerConfig → Transformer    sequences, and images by patches
    CausalConfig      → CausalTransformer    sequences with masks; from left to right in one pass
    CellsConfig       → Cells          table rows, cells known or not
    ColumnsConfig     → Columns        columns of different kinds, each noised, known or missing
    your own          → Foreign        any module, by a configuration of your own
    RBFConfig, SigmoidMLPConfig, MultiScaleConfig    the 2015 paper's networks, for comparison

Elements are numbers, or states 0 … K − 1. A configuration is plain numbers; `config.build(shape, outputs, classes,
states)` makes the module.
"""

from quasistatic.network.base import Foreign, Network, NetworkConfig
from quasistatic.network.cells import Cells, CellsConfig
from quasistatic.network.classic import RBF, MultiScale, MultiScaleConfig, RBFConfig, SigmoidMLP, SigmoidMLPConfig
from quasistatic.network.mlp import MLP, Columns, ColumnsConfig, MLPConfig
from quasistatic.network.transformer import CausalConfig, CausalTransformer, Transformer, TransformerConfig
from quasistatic.network.unet import UNet, UNetConfig

__all__ = [
    "MLP",
    "RBF",
    "CausalConfig",
    "CausalTransformer",
    "Cells",
    "CellsConfig",
    "Columns",
    "ColumnsConfig",
    "Foreign",
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
