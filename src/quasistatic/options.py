"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str, typer.Argument(metavar="DATA", help="A name (digits, mnist, …), folder, file or hf:owner/name.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A model's folder, as `train` made it.")]
Out = Annotated[
    str,
    typer.Option("--out", "-o", help="By its ending: .png, .npy, .npz, .csv, .parquet, .txt, or a folder (ends in /)."),
]
DataDir = Annotated[Path | None, typer.Option(help="Where named sets are; else $QUASISTATIC_DATA.")]
Seed = Annotated[int, typer.Option(help="Decides every random draw.")]
Variance = Annotated[str, typer.Option(help="Of each step: the head's own, small, large or analytic.")]
Precision = Annotated[
    str,
    typer.Option(
        help="no (float32); bf16, in which the network is faster where the device has units for it, and a little "
        "different: so the same seed draws otherwise; auto is bf16 where it is faster and can be, no elsewhere."
    ),
]
Size = Annotated[str | None, typer.Option(help="Side in pixels, or heightxwidth, to bring images to.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Label = Annotated[
    str | None, typer.Option(metavar="NAME", help="Class of a class-conditional model, by name or number.")
]
Scale = Annotated[
    float,
    typer.Option(
        "--guidance-scale",
        "--scale",
        help="Classifier-free: how far the label moves each guess; 1 is the model, 0 drops the label (heuristic else).",
    ),
]
