"""Inspects a data set before training."""

from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import Columns, ConditionFile, Data, DataDir, Group, Json, Missing, Rows, Size, Time
from quasistatic.cli.terminal import bar


def check(
    data: Data,
    size: Size = None,
    channels: Annotated[int | None, typer.Option(help="Colour channels: 1 (grey), 3 (RGB) or 4 (RGBA).")] = None,
    columns: Columns = None,
    missing: Missing = None,
    group: Group = None,
    time: Time = None,
    rows: Rows = None,
    tokens: Annotated[
        str | None, typer.Option(metavar="N|bytes", help="Elements of a text: N word-pieces, or bytes.")
    ] = None,
    records: Annotated[bool, typer.Option("--records", help="Each line of a text is an example.")] = False,
    condition: ConditionFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Inspect a data set before training: counts, sizes, levels, ranges, unreadable files."""
    from quasistatic.data import inspect

    with bar("reading") as watch:
        report = inspect(
            data,
            size=arguments.image_size(data, size),
            channels=channels,
            columns=columns or (),
            missing=missing or (),
            group=group,
            time=time,
            rows=rows,
            tokens=int(tokens) if tokens is not None and tokens.isdecimal() else tokens,
            records=records,
            condition=condition,
            data_dir=arguments.sets_folder(data_dir),
            progress=watch,
        )
    if as_json:
        terminal.as_json(report.to_dict())
    else:
        terminal.report(report.to_dict())
    if not report.ready:
        raise typer.Exit(2)
