"""A part of a verb's work, for the option --shard, and all of it on a cluster, for --ray."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from quasistatic.cli.arguments import Context, counts_for, is_given, path_or_name
from quasistatic.cli.observation import Seen
from quasistatic.cli.terminal import err

if TYPE_CHECKING:
    from torch import Tensor

    from quasistatic.data import Dataset
    from quasistatic.evaluation import Score
    from quasistatic.model import Model

SHARD = typer.Option(metavar="I/N", help="Do part I of N for a job array; see `merge`.")

RAY = typer.Option("--ray", metavar="ADDRESS", help="Work on this Ray cluster, or `local`; Parquet in and out.")

NEEDED = {"run", "data", "out", "scores", "shard", "ray", "data_dir", "as_json"}
"""Parameters that may differ between parts: places, not contents."""


def refuse(context: Context, *options: str, by: str = "--shard") -> None:
    """Raise ValueError if an option is given that needs the whole of the work, which is done ``by`` parts."""
    given = next((option.replace("_", "-") for option in options if is_given(context, option)), None)
    if given is not None:
        raise ValueError(f"--{given} needs the whole set, got {by} as well; leave one of them out")


def make(
    context: Context,
    model: "Model",
    out: Path,
    total: int,
    batch: int,
    data: str,
    work: Callable[[range], Mapping[str, "Tensor"]],
) -> None:
    """Do the work of a part and write it, unless it is there.

    Args:
        context: of the command, whose options are kept.
        model: the model.
        out: the output that the parts are of.
        total: rows of the whole.
        batch: rows that are worked on together.
        data: hash of the data.
        work: makes the arrays of some rows.
    """
    from quasistatic.batch import parts

    shard = parts.Shard.of(context.params["shard"])
    options = {name: _plain(value) for name, value in context.params.items() if name not in NEEDED}
    made_of = {"verb": context.info_name, "model": parts.print_of(model), "data": data, "rows": total, **options}
    file, rows = parts.part_file(out, shard), shard.rows(total, batch)
    if parts.is_made(file, made_of):
        err.print(f"part {shard.number} of {shard.count} is in {file} already")
        return
    parts.write_part(file, parts.Portion(made_of, rows, total, work(rows) if rows else {}))
    err.print(f"{len(rows)} of {total} rows in {file}; join all parts with: quasistatic merge RUN {out}")


def evaluate(context: Context, model: "Model", unseen: "Dataset", asked: Any) -> None:
    """Score a part of the examples."""
    import torch

    from quasistatic.cli.terminal import bar
    from quasistatic.model.evaluate import chances_of_steps
    from quasistatic.model.evaluate.rows import check_rows, score_rows

    refuse(context, "certainty", "max_draws", "typical", "maps", "baselines", "against", "picture")
    out, method = context.params["scores"], context.params["method"]
    if out is None:
        raise ValueError("a part of the scores goes beside a file, got --shard without --scores FILE.csv; add it")
    check_rows(method, asked)

    def work(rows: range) -> Mapping[str, "Tensor"]:
        numbers = torch.arange(rows.start, rows.stop)
        chances = chances_of_steps(model, unseen, asked)[0] if method == "bound" else None
        with bar("scoring") as watch:
            found = score_rows(model, unseen.select(numbers), numbers, method, asked, chances, watch)
        calls = torch.full((len(rows),), found.network_evaluations / len(rows), dtype=torch.float64)
        scores = {"value": found.log_likelihoods, "error": found.errors, "null": found.null_log_likelihoods}
        if found.units is not None:
            scores["units"] = found.units
        return {**scores, "calls": calls, "id": _letters(unseen.ids_of(numbers), width)}

    width = max(len(name.encode()) for name in unseen.ids)
    make(context, model, out, len(unseen), model.batch_size(), unseen.fingerprint, work)


def sample(context: Context, model: "Model", asked: Any) -> None:
    """Draw a part of the samples."""
    from quasistatic.cli.terminal import bar
    from quasistatic.model import inputs
    from quasistatic.runtime.digest import digest

    refuse(context, "checked")
    told = model.conditions(asked.condition)
    _check_one(model, asked.condition)

    def work(rows: range) -> Mapping[str, "Tensor"]:
        with bar("sampling") as watch:
            return {"values": model.sample(**vars(replace(asked, n=len(rows), first=rows.start)), watch=watch)}

    data = "" if told is None else digest(told)
    make(
        context, model, Path(context.params["out"]), inputs.count(asked.n, asked.label), model.batch_size(), data, work
    )


def infer(context: Context, model: "Model", seen: "Seen", method: str, options: Any) -> None:
    """Complete a part of the examples."""
    import torch

    from quasistatic.cli.terminal import bar
    from quasistatic.model.complete import complete
    from quasistatic.runtime.digest import digest

    refuse(context, "report")
    if seen.runs is not None:
        raise ValueError("parts are of rows, got a table whose examples are several rows; leave --shard out")
    if seen.carried:
        err.print(f"note: what is not learned ({', '.join(seen.carried)}) is left out of parts; join it by row")

    def work(rows: range) -> Mapping[str, "Tensor"]:
        numbers = torch.arange(rows.start, rows.stop)
        with bar("inferring") as watch:
            found = complete(model, seen.given.take(numbers), method, options, watch)
        beside = {} if seen.truth is None else {"truth": seen.truth[numbers]}
        return {"draws": found.draws, "values": seen.values[numbers], "known": seen.known[numbers], **beside}

    at_once = max(1, model.batch_size() // max(options.particles, 1)) if method == "particle" else model.batch_size()
    data, batch = digest(seen.values, seen.known), at_once // gcd(at_once, options.draws)
    make(context, model, Path(str(context.params["out"])), len(seen.values), batch, data, work)


# ---- on a cluster


def evaluate_on_ray(context: Context, run: Path, data: str, asked: Any) -> None:
    """Score the rows of Parquet files."""
    from quasistatic.batch import Scorer

    whole = "certainty", "max_draws", "typical", "maps", "baselines", "against", "picture", "limit", "condition"
    refuse(context, *whole, "as_json", "data_dir", by="--ray")
    if context.params["scores"] is None:
        raise ValueError("scores go into a folder of Parquet parts, got --ray without --scores FOLDER; add it")
    work = Scorer(run.resolve(), context.params["method"], asked)
    _on_ray(context, work, Path(context.params["scores"]), data, ("row", "log_likelihood", "error"))


def sample_on_ray(context: Context, run: Path, asked: Any) -> None:
    """Draw samples into a folder of Parquet parts."""
    from quasistatic.batch import Sampler
    from quasistatic.model import inputs

    refuse(context, "checked", "ids", by="--ray")
    work = Sampler(run.resolve(), replace(asked, condition=_found(asked.condition)))
    _check_one(work.model, asked.condition)
    _on_ray(context, work, Path(context.params["out"]), inputs.count(asked.n, asked.label))


def infer_on_ray(context: Context, run: Path, observed: str, method: str | None, options: Any) -> None:
    """Complete the rows of Parquet files."""
    from quasistatic.batch import Completer

    areas = "mask", "half", "box", "super_resolution", "denoise", "longest"
    refuse(context, *areas, "report", "hide", "as_json", "form", "limit", "data_dir", by="--ray")
    counts = {name: context.params[name] for name in ("particles", "islands")}
    if method is None and any(count is not None for count in counts.values()):
        raise ValueError("particles and islands are for --method particle, got no method; name it, or leave them out")
    options = replace(options, **({} if method is None else counts_for(method, **counts)))
    work = Completer(run.resolve(), method, replace(options, condition=_found(options.condition)))
    _check_one(work.model, options.condition)
    _on_ray(context, work, Path(context.params["out"]), observed, ("row", "draw"))


def _found(condition: Any) -> Any:
    """Return a condition; a file by its whole path, as workers begin elsewhere."""
    return str(Path(condition).resolve()) if isinstance(condition, str) and Path(condition).is_file() else condition


def _check_one(model: "Model", condition: Any) -> None:
    """Raise ValueError if a condition has several rows."""
    told = model.conditions(condition)
    if told is not None and len(told) > 1:
        raise ValueError(f"parts are of rows given one condition, got {len(told)}; do one at a time")


def _on_ray(context: Context, work: Any, out: Path, rows: str | int, taken: Sequence[str] = ()) -> None:
    """Do ``work`` on rows of Parquet files, or on so many numbered rows; names that are ``taken`` are the result's."""
    from quasistatic.batch import engine, parts
    from quasistatic.cli.terminal import bar

    if is_given(context, "shard"):
        raise ValueError("work is spread by --ray or by --shard, got both; leave one out")
    if is_given(context, "precision"):
        raise ValueError("workers use the model as it is, got --precision with --ray; leave it out")
    files = [] if isinstance(rows, int) else _parquet_files(Path(path_or_name(rows)))
    pieces = engine.numbered(rows) if isinstance(rows, int) else engine.pieces_of(files, taken=taken)
    options = {name: _plain(value) for name, value in context.params.items() if name not in {*NEEDED, "observed"}}
    data = [[file.name, file.stat().st_size, engine.footer(file)] for file in files]
    made_of = {"verb": context.info_name, "model": parts.print_of(work.model), "data": data, "options": options}
    left = engine.begin(out, made_of, pieces)
    if left:
        with bar(f"working on {context.params['ray']}") as watch:
            engine.on_ray(work, left, out.resolve(), context.params["ray"], watch)
    total = sum(piece.count for piece in pieces)
    err.print(f"{total:,} rows in {len(pieces)} parts in {out}" + ("" if left else ", which were there already"))


def _parquet_files(place: Path) -> list[Path]:
    """Return a Parquet file, or those of a folder, in order.

    Raises:
        FileNotFoundError: if there are none.
    """
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if not files or not all(file.is_file() for file in files):
        raise FileNotFoundError(f"--ray reads a Parquet file or a folder of them, and there is none at {place}")
    return [file.resolve() for file in files]


def join(run: Path, out: str, as_json: bool) -> None:
    """Join the parts of an output, and write it as the verb would."""
    from quasistatic import plotting
    from quasistatic.batch import parts
    from quasistatic.cli import arguments, output, terminal

    whole = parts.merged(Path(out))
    made_of, arrays = whole.made_of, whole.arrays
    if as_json and made_of["verb"] != "evaluate":
        raise ValueError(f"--json prints a score, got parts of {made_of['verb']}; leave it out")
    model = arguments.model(run, made_of["precision"])
    if parts.print_of(model) != made_of["model"]:
        raise ValueError(f"the parts of {out} are of another model than {run}; name theirs")
    codec = model.specification.codec
    if made_of["verb"] == "evaluate":
        score = _score(model, made_of, arrays)
        output.scores_file(Path(out), [bytes(row).rstrip(b"\0").decode() for row in arrays["id"].tolist()], score)
        return terminal.print_score(score, None, as_json)
    if made_of["verb"] == "sample":
        codec = output.with_ids(codec, made_of["ids"])
        output.write(arrays["values"], out, codec, lambda part: plotting.save_examples(arrays["values"], part, codec))
    else:
        seen = Seen(None, arrays["values"], arrays["known"], arrays.get("truth"))  # type: ignore[arg-type]
        output.write_completions(model, seen, arrays["draws"], made_of["observed"], out, made_of["form"])
    err.print(f"{whole.total} rows in {out}")


def _score(model: "Model", made_of: Mapping[str, Any], arrays: Mapping[str, "Tensor"]) -> "Score":
    from quasistatic.evaluation import Score
    from quasistatic.model.evaluate.summary import in_unit

    values, errors, null = (arrays[name] for name in ("value", "error", "null"))
    calls = round(arrays["calls"].sum().item())
    score = Score.of(made_of["method"], values, errors, null, model.specification.dimensions, made_of["steps"], calls)
    return in_unit(score, model.specification.codec, arrays.get("units"))


def _letters(names: Sequence[str], width: int) -> "Tensor":
    """Return names as bytes, filled up with zeros."""
    import torch

    return torch.tensor([list(name.encode().ljust(width, b"\0")) for name in names], dtype=torch.uint8)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else [str(one) for one in value]
