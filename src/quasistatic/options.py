"""Options and arguments that several commands share, and the reading of what they name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quasistatic.show import bar, err

if TYPE_CHECKING:
    from quasistatic.config import DataConfig
    from quasistatic.data import Dataset
    from quasistatic.model import Model

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A name (digits, mnist, heartbeat), folder, file or hf:owner/name.")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A model's folder, as `train` made it.")]
Out = Annotated[
    str, typer.Option("--out", "-o", help="By its ending: .png, .npy, .npz, .csv, .txt, or a folder (ends in /).")
]
DataDir = Annotated[Path | None, typer.Option(help="Where named sets are; else $QUASISTATIC_DATA.")]
Seed = Annotated[int, typer.Option(help="Decides every random draw.")]
Variance = Annotated[str, typer.Option(help="Of each step: the head's own, small, large or analytic.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def data_folder(given: Path | None) -> Path | None:
    """Return where named sets are: as given, or as the environment says."""
    return given or (Path(os.environ["QUASISTATIC_DATA"]) if "QUASISTATIC_DATA" in os.environ else None)


def load_data(data: str, data_dir: Path | None, options: "DataConfig") -> "Dataset":
    """Read data, with a bar; notes on them go to stderr."""
    from quasistatic.data import load

    with bar("reading") as watch:
        dataset = load(
            data,
            size=options.size,
            channels=options.channels,
            data_dir=data_folder(data_dir),
            progress=watch,
            states=options.states,
            threshold=options.threshold,
            length=options.length,
        )
    for note in dataset.notes:
        err.print(f"note: {note}")
    return dataset


def read_model(run: Path) -> "Model":
    """Read a model from its run's folder."""
    from quasistatic.model import Model

    return Model.from_pretrained(run)
