"""Writes a model's network as an ONNX file, for any runtime.

    x_t (batch, …)        the network's input for a state: `Head.view`. For a Gaussian process, the state itself
    t (batch,)            float64, in (0, 1]
    label (batch,)        of a model with labels: int64, the number of classes for "no label";
          (batch, F)      of one with covariates: float32, NaN where one is not told
    output                the output maps (batch, outputs, …); the head gives them their meaning

The batch is free. The file's metadata hold the text of ``config.json`` under ``quasistatic``, so that a program needs
nothing else: process, schedule, head and codec (`examples/onnx_sampling.py`).
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quasistatic.config import name_of
from quasistatic.model.bundle import Bundle
from quasistatic.model.folder import describe
from quasistatic.network import Network
from quasistatic.runtime.files import replace_file
from quasistatic.streams import Streams

KEY = "quasistatic"
"""The key of the file's metadata under which the configuration is."""

LARGEST = 2**30
"""Bytes of weights up to which they are in the file itself; a file of 2 GiB cannot be read."""


def write_onnx(model: Bundle, path: Path) -> None:
    """Write the network of ``model`` as an ONNX file.

    Raises:
        ValueError: if onnx and onnxscript are not installed, the file does not end in .onnx, the weights are too many
            for one file, or the network has an operation that ONNX does not.
        OSError: if it cannot be written.
    """
    if path.suffix != ".onnx" or not path.parent.is_dir():
        raise ValueError(f"an ONNX file ends in .onnx, in a folder that exists, got {path}; name another")
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    if size > LARGEST:
        raise ValueError(
            f"an ONNX file holds weights of at most 1 GiB, got {size / 2**30:.1f} GiB; export a smaller model"
        )
    if model.network.beyond_onnx:
        raise _lacks(model, model.network.beyond_onnx)
    program = _exported(model)
    program.model.metadata_props[KEY] = describe(model.config, model.specification, model.step, model.score)
    replace_file(path, lambda part: program.save(part, external_data=False))


def _exported(model: Bundle) -> Any:
    network, arguments = _plain(model.network), _arguments(model)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f"ONNX files are written with onnx and onnxscript, and there is no {error.name}; run "
            "`pip install 'quasistatic[onnx]'`"
        ) from None
    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                network,
                tuple(arguments.values()),
                input_names=list(arguments),
                output_names=["output"],
                dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in arguments),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise _lacks(model, _cause(error)) from error


def _lacks(model: Bundle, operation: str) -> ValueError:
    return ValueError(
        f"the network {name_of(model.config.network)} has an operation that ONNX does not: {operation}; choose another "
        "network"
    )


def _plain(network: Network) -> Network:
    """Return a copy of the network on the CPU, with weights in float32."""
    alone = copy.deepcopy(network).cpu()
    return alone.float() if alone.castable else alone


def _arguments(model: Bundle) -> dict[str, Tensor]:
    """Return the network's inputs for three states of noise, by name."""
    config, specification = model.config, model.specification
    like = torch.zeros(3, *specification.shape)
    x_1, t = config.process.prior(like).sample(Streams(0, 0, 3)), torch.ones(3, dtype=torch.float64)
    told: dict[str, Tensor] = {"x_t": config.head.view(x_1, t, config.process), "t": t}
    if specification.covariates is not None:
        told["label"] = torch.zeros(3, specification.covariates.features)
    elif config.data.conditional:
        told["label"] = torch.zeros(3, dtype=torch.int64)
    return told


def _cause(error: BaseException) -> str:
    """Return the last line of the first cause, which names the operation."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and its logger's remarks from the user."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
