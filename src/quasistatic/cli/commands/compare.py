"""Compares samples with real examples."""

from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import DataDir, Json, Seed, Size
from quasistatic.cli.terminal import bar


def compare(
    real: Annotated[str, typer.Argument(metavar="REAL", help="Real examples: a name, folder, file or hf:owner/name.")],
    samples: Annotated[str, typer.Argument(metavar="SAMPLES", help="Samples in the same units: a file or folder.")],
    features: Annotated[str, typer.Option(help="raw, or pca:N (the first N principal components of REAL).")] = "raw",
    size: Size = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples from each.")] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compare samples with real examples: distances, precision, recall, classifier accuracy."""
    from quasistatic.config import DataConfig
    from quasistatic.evaluation import fidelity

    examples, drawn = (
        arguments.read_data(data, data_dir, DataConfig(data, arguments.image_size(data, size)))
        for data in (real, samples)
    )
    with bar("comparing") as watch:
        found = fidelity.compare(examples, drawn, features, seed=seed, limit=limit, watch=watch)
    (terminal.as_json if as_json else terminal.fidelity)(found.to_dict())
