"""Compares samples with real examples; tables of named columns have a judge of their own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import DataDir, Json, Seed, Size
from quasistatic.cli.terminal import PLAIN, bar, err

if TYPE_CHECKING:
    from quasistatic.data import Dataset
    from quasistatic.evaluation.fidelity.estimate import Estimate
    from quasistatic.evaluation.tabular import TableFidelity, TableOptions

LEAST_SIMILAR = 3
"""Columns and pairs that are named in the text, the least similar ones."""


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
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="For tables: a column to predict, or COLUMN=VALUE.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For tables: draw columns and pairs (.png, .html).")
    ] = None,
    size: Size = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples from each.")] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compare samples with real examples: distances, precision, recall, classes, copies, tables."""
    from quasistatic.config import DataConfig
    from quasistatic.evaluation import fidelity, tabular

    read = lambda data: arguments.read_data(data, data_dir, DataConfig(data, arguments.image_size(data, size)))  # noqa: E731
    examples, drawn = read(real), read(samples)
    named = tabular.are_tables(examples, drawn)
    check_options(named, features, target, picture)
    learned = None if training is None else read(training)
    if named:
        compare_and_draw(examples, drawn, tabular.TableOptions(learned, target, seed, limit), picture, as_json)
        return
    options = fidelity.CompareOptions(learned, seed, limit)
    with bar("comparing") as watch:
        found = fidelity.compare(examples, drawn, features, options, watch=watch)
    (terminal.as_json if as_json else terminal.fidelity)(found.to_dict())


def check_options(named: bool, features: str, target: str | None, picture: Path | None) -> None:
    """Refuse options that the data do not take.

    Raises:
        ValueError: if tables are given with other features, or other data with an option for tables.
        FileNotFoundError: if a picture is to be written to a folder that does not exist.
    """
    if named and features != "raw":
        raise ValueError(
            f"two tables of named columns are compared column by column (--features raw), got {features}; leave "
            "--features out"
        )
    option = "--target" if target is not None else "--picture" if picture is not None else None
    if option and not named:
        raise ValueError(f"{option} is for two tables of named columns, got other data; leave it out")
    if picture is not None:
        from quasistatic.plotting.tables import check_comparison

        check_comparison(picture)


def compare_and_draw(
    real: "Dataset", samples: "Dataset", options: "TableOptions", picture: Path | None, as_json: bool
) -> None:
    """Compare two tables, draw the picture if one is asked for, and print the result."""
    from quasistatic.evaluation.tabular import compare_tables

    with bar("comparing") as watch:
        found = compare_tables(real, samples, options, watch=watch)
    if picture is not None:
        from quasistatic.plotting.tables import save_comparison

        with err.status("drawing"):
            save_comparison(found, real, samples, picture)
    if as_json:
        terminal.as_json(found.to_dict())
    else:
        print_tables(found)


def print_tables(found: "TableFidelity") -> None:
    """Print how close samples of a table are to real rows, next to how close other real rows are."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column("samples", justify="right")
    table.add_column("real, other rows", justify="right")
    for title, pair in found.rows().items():
        table.add_row(title, *map(_number, pair))
    console = Console(**PLAIN)
    console.print(table)
    named = {"columns": {one.name: one.similarity for one in found.columns}}
    named["pairs"] = {" and ".join(one.names): one.similarity for one in found.pairs}
    for what, each in named.items():
        least = sorted(each, key=lambda name: each[name].value)[:LEAST_SIMILAR]
        if least:
            console.print(
                f"least similar {what}: " + ", ".join(f"{name} {each[name].value:.3f}" for name in least),
                soft_wrap=True,
            )
    (real, samples), (other_real, others) = found.examples, found.other_examples
    err.print(
        f"{real:,} real rows and {samples:,} samples; next to them {other_real:,} and {others:,} real rows; 1 is ideal "
        "for shape, trend and detection"
    )
    if found.copies is None:
        err.print("copies are not looked for: give the model's training data as --training, and held-out rows as REAL")


def _number(estimate: "Estimate | None") -> str:
    return f"{estimate.value:.4f} ± {estimate.standard_error:.4f}" if estimate else "–"
