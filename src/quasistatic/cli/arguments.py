"""Defines shared arguments and options; resolves command-line arguments to data sets, models and files."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from quasistatic.cli.terminal import bar, err
from quasistatic.runtime.memory import reusing_memory

if TYPE_CHECKING:
    from quasistatic.config import Config, DataConfig
    from quasistatic.data import Codec, Dataset
    from quasistatic.model import Model

    Context = typer.Context
else:
    Context = typer.Context.__base__  # typer passes click's contexts, which are not of its own class

Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A name (digits, mnist, …), folder, file, address or hf:owner/name."),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Model folder written by `train`.")]
Out = Annotated[
    str,
    typer.Option("--out", "-o", help="Output: .png, .npy, .npz, .csv, .parquet, .txt, or folder (ends in /)."),
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of named data sets; default: $QUASISTATIC_DATA.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Variance = Annotated[
    str, typer.Option(help="Variance of each reverse step: own (the head's), small, large or analytic.")
]
Precision = Annotated[
    str,
    typer.Option(help="no (float32), bf16 (faster on supporting hardware; results differ slightly) or auto."),
]
Size = Annotated[str | None, typer.Option(help="Image size in pixels: one side, or heightxwidth.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="NAME=KIND", help="Kind of a table's column: number, integer, category, date, id or drop."
    ),
]
Missing = Annotated[
    list[str] | None, typer.Option("--missing", metavar="TEXT", help="Cells of a table that are empty, as -999.")
]
Group = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column whose equal values make several rows one example."),
]
Time = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column that orders them; without --group, all rows."),
]
Rows = Annotated[int | None, typer.Option(help="Maximum rows of an example; default: 200 columns in all.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Label = Annotated[str | None, typer.Option(metavar="NAME", help="Class to condition on, by name or number.")]
Condition = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Condition: a file, or NAME=VALUE with commas between."),
]
ConditionFile = Annotated[
    str | None,
    typer.Option("--condition", metavar="FILE", help="File with a row told of each example: its condition."),
]
Scale = Annotated[
    float,
    typer.Option(
        "--guidance-scale",
        "--scale",
        help="Classifier-free guidance scale: 0 ignores the label, 1 is exact, others heuristic.",
    ),
]

BEGAN: ContextVar[float] = ContextVar("BEGAN")
"""When the command began, by ``time.monotonic()``."""


@contextmanager
def working() -> Iterator[None]:
    """Keep freed memory in the allocator for reuse while a command runs on a CPU; used as a decorator."""
    token = BEGAN.set(time.monotonic())
    from quasistatic.runtime.device import pick_device  # takes seconds, as it imports torch

    try:
        with reusing_memory() if pick_device().type == "cpu" else nullcontext():
            yield
    finally:
        BEGAN.reset(token)


def sets_folder(given: Path | None) -> Path | None:
    """Return the folder of named data sets: ``given``, or else $QUASISTATIC_DATA."""
    return given or (Path(os.environ["QUASISTATIC_DATA"]) if "QUASISTATIC_DATA" in os.environ else None)


def check_file(file: Path | None, ending: str) -> None:
    """Refuse a file that cannot be written, before any work is done for it."""
    if file is not None and (file.suffix.lower() != ending or not file.parent.is_dir()):
        raise ValueError(
            f"a file ending in {ending}, in a folder that exists, is needed here, got {file}; name another"
        )


def image_size(data: str, text: str | None) -> int | tuple[int, ...] | None:
    """Return the size written in ``text``, as ``data.size`` is written in a configuration."""
    from quasistatic.config import override
    from quasistatic.recipes import RECIPES

    return None if text is None else override(RECIPES["images"](data), [f"data.size={text}"]).data.size


class TableReading(NamedTuple):
    """Options for reading a table, as given; see `DataConfig`."""

    columns: list[str] | None
    missing: list[str] | None
    group: str | None
    time: str | None
    rows: int | None


def with_reading(config: "Config", asked: TableReading) -> "Config":
    """Return ``config`` with the options for reading a table that were given."""
    told = {name: value for name, value in asked._asdict().items() if value is not None and value != []}
    given: dict[str, Any] = {name: tuple(own) if isinstance(own, list) else own for name, own in told.items()}
    return replace(config, data=replace(config.data, **given))


def check_columns(config: "DataConfig", dataset: "Dataset") -> None:
    """Raise ValueError if a kind is asked for of a column that the data do not have."""
    from quasistatic.data import TableCodec
    from quasistatic.data.contents import asked_kinds

    codec = dataset.codec
    named = list[str]()
    if isinstance(codec, TableCodec):
        named = [*(column.name for column in codec.of_file), *(aside.name for aside in codec.asides)]
    unknown = [name for name in asked_kinds(config.columns) if name not in named]
    if unknown:
        raise ValueError(
            f"--column names a column of the file ({', '.join(named)}), got {', '.join(map(repr, unknown))}; see the "
            "names by `quasistatic check`"
        )


def read_data(
    data: str,
    data_dir: Path | None,
    options: "DataConfig",
    condition: str | None = None,
    like: "Codec | None" = None,
) -> "Dataset":
    """Read a data set, show progress, and print its notes; see `DataConfig.reading`."""
    from quasistatic.data import load

    with bar("reading") as watch:
        told = {"progress": watch, "condition": condition, "like": like}
        dataset = load(data, options.reading(data_dir=sets_folder(data_dir), **told))
    for note in dataset.notes:
        err.print(f"note: {note}")
    return dataset


def path_or_name(source: str) -> str:
    """Return ``source``, or the path that it was fetched to if it is an address."""
    from quasistatic.data.source.address import fetched, is_address

    if not is_address(source):
        return source
    with bar("fetching") as watch:
        return str(fetched(source, watch))


def read_for(model: "Model", data: str, data_dir: Path | None, condition: str | None = None) -> "Dataset":
    """Read a data set as the model's own was; see `read_data`."""
    return read_data(data, data_dir, model.config.data, condition, model.specification.codec)


def built_in(source: str) -> str:
    """Return ``source`` if it names a built-in data set.

    A model from elsewhere may name any file, so a model's own source is read only if it is built in.

    Raises:
        ValueError: if it is not built in.
    """
    from quasistatic.data.load import is_built_in

    if not is_built_in(source):
        raise ValueError(
            f"a model's own data are loaded only if they are a built-in set, got {source!r}; name them, as in "
            "`quasistatic plan RUN DATA`"
        )
    return source


def model(run: Path, precision: str = "no") -> "Model":
    """Load a model from its folder (ours or a diffusers pipeline) and cast it to ``precision``."""
    import torch

    from quasistatic.model import Model
    from quasistatic.model.formats.diffusers import is_pipeline
    from quasistatic.runtime.device import pick_device
    from quasistatic.runtime.device import precision as named_precision

    dtype = named_precision(precision, pick_device())
    found = (Model.from_diffusers if is_pipeline(run) else Model.from_pretrained)(run, device="auto")
    if found.measured.stale:
        err.print(f"note: {found.measured.stale}; it is not used")
    as_it_is = dtype == torch.float32 or (precision == "auto" and not found.network.castable)
    return found if as_it_is else found.to(dtype=dtype)


def held_out(model: "Model", dataset: "Dataset", data: str, limit: int | None) -> "Dataset":
    """Return the examples of ``dataset`` to score: those not trained on, in the model's columns, at most ``limit``."""
    from quasistatic.data.dataset import spread
    from quasistatic.model.evaluate.examples import fitting_data

    unseen = model.held_out(dataset)
    if len(unseen) < len(dataset):
        err.print(f"{data} is what the model was trained on: scoring the {len(unseen)} examples held out")
    said = set(unseen.notes)
    unseen = fitting_data(model, unseen)
    for note in [note for note in unseen.notes if note not in said]:
        err.print(f"note: {note}")
    say_labels(model, unseen)
    return unseen if limit is None else unseen.select(spread(len(unseen), limit))


RANKING = ("certainty", "max_draws", "typical", "maps")
"""Options of `evaluate` that are for rankings only."""


def is_given(context: Context, option: str) -> bool:
    """Return whether an option was typed."""
    source = context.get_parameter_source(option)
    return source is not None and source.name != "DEFAULT"


def ranks(context: Context) -> bool:
    """Return whether `evaluate` ranks: scores or maps are asked for, by the bound, and no number of draws is given.

    Raises:
        ValueError: if it does not, and an option of rankings is given.
    """
    options = context.params
    given = [name for name in options if is_given(context, name)]
    free = options["method"] == "bound" and not {"draws", "target_error", "given"} & set(given)
    if free and {"scores", "maps"} & set(given):
        return True
    if unused := [name for name in RANKING if name in given]:
        raise ValueError(
            f"--{unused[0].replace('_', '-')} is for a ranking by the bound, which chooses its own draws; ask for "
            "--scores or --maps, and leave out --draws, --target-error and other methods"
        )
    return False


SAMPLED = ("draws", "target_error", "grid", "variance", "certainty", "max_draws")
"""Options of `evaluate` that have no effect on an exact score of an order."""


def without_effect(context: Context, used: str) -> list[str]:
    """Return the options that were typed and have no effect on a score by the method ``used``, as they are typed."""
    if used != "ordered":
        return []
    named = SAMPLED if context.params["method"] == used else ("steps", *SAMPLED)
    return [f"--{name.replace('_', '-')}" for name in named if is_given(context, name)]


def typical_ones(
    model: "Model", typical: str | None, data: str, data_dir: Path | None, condition: str | None
) -> "Dataset | None":
    """Read the examples that count as typical; of the model's training data, those held out. None if not asked for.

    The ``condition`` is that of ``data``, and theirs if they are the same.
    """
    if typical is None:
        return None
    told = condition if typical == data else None
    return model.held_out(read_for(model, typical, data_dir, told))


def counts_for(method: str, **counts: int | None) -> dict[str, Any]:
    """Return the counts that were given.

    Raises:
        ValueError: if the method does not take one of them.
    """
    from quasistatic.model.methods import METHODS

    given = {name: count for name, count in counts.items() if count is not None}
    if unused := given.keys() - set(METHODS[method].takes):
        raise ValueError(f"--{min(unused)} is for --method particle, got {method}; leave it out or choose particle")
    return given


def model_given(run: Path, precision: str, label: str | None, condition: str | None) -> "Model":
    """Load a model that infers, and print a note if it is conditional and has no label or condition."""
    found = model(run, precision)
    _say_no_label(found, label, condition)
    return found


def _say_no_label(model: "Model", label: str | None, condition: str | None) -> None:
    if model.specification.covariates is not None and condition is None:
        err.print("note: inferring without a condition; --condition FILE|NAME=VALUE is that of all examples")
    if model.config.data.conditional and label is None:
        err.print("note: inferring without labels; --label NAME is the class of all examples")


def say_labels(model: "Model", dataset: "Dataset") -> None:
    """Print a note if a class-conditional model is used without labels because the data have none."""
    if model.specification.covariates is not None and dataset.covariates is None:
        err.print(f"note: {dataset.name} has no condition: the model is used without one; --condition FILE gives it")
    if model.config.data.conditional and dataset.labels is None and model.config.training.label_dropout:
        err.print(
            f"note: {dataset.name} has no labels: the model is used without them, as it learned to be in "
            f"{model.config.training.label_dropout:.0%} of training (training.label_dropout)",
            markup=False,
        )
