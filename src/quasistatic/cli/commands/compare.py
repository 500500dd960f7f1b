"""Compares samples with real examples."""

from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import DataDir, Json, Seed, Size
from quasistatic.cli.terminal import bar


@arguments.working()
def compare(
    real: Annotated[str, typer.Argument(metavar="REAL", help="Real examples: a name, folder, file or hf:owner/name.")],
    samples: Annotated[str, typer.Argument(metavar="SAMPLES", help="Samples in the same units: a file or folder.")],
    features: Annotated[
        str, typer.Option(help="raw, pca:N (principal components) or classifier (of REAL's labels).")
    ] = "raw",
    training: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="The model's training data, to find copies; REAL is held out."),
    ] = None,
    size: Size = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples from each.")] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compare samples with real examples: distances, precision, recall, classes, copies."""
    from quasistatic.config import DataConfig
    from quasistatic.evaluation import fidelity

    read = lambda data: arguments.read_data(data, data_dir, DataConfig(data, arguments.image_size(data, size)))  # noqa: E731
    examples, drawn = read(real), read(samples)
    options = fidelity.CompareOptions(None if training is None else read(training), seed, limit)
    with bar("comparing") as watch:
        found = fidelity.compare(examples, drawn, features, options, watch=watch)
    (terminal.as_json if as_json else terminal.fidelity)(found.to_dict())
