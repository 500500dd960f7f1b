"""Completes partly observed examples: reads the observation, draws completions, writes them."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import DataDir, Label, Out, Precision, Run, Scale, Seed
from quasistatic.cli.terminal import bar, err

if TYPE_CHECKING:
    from torch import Tensor

    from quasistatic.model import Model
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.complete import Completion, Given

AREA = "of each image to infer"


def infer(
    run: Run,
    observed: Annotated[
        str,
        typer.Argument(metavar="OBSERVED", help="Data with NaN, text with ?, tables with empty cells, or images."),
    ],
    out: Out,
    mask: Annotated[Path | None, typer.Option(help="Mask: an image (white = unknown) or a boolean array.")] = None,
    half: Annotated[str | None, typer.Option(help=f"Half {AREA}: top, bottom, left or right.")] = None,
    box: Annotated[str | None, typer.Option(metavar="R0,C0,R1,C1", help=f"Rectangle {AREA}.")] = None,
    super_resolution: Annotated[
        int | None,
        typer.Option(help="OBSERVED holds means over square blocks of this side in pixels."),
    ] = None,
    denoise: Annotated[
        float | None, typer.Option(metavar="STD", help="Standard deviation of OBSERVED's noise, in raw units.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Completions of each example.")] = 1,
    method: Annotated[
        str | None,
        typer.Option(help="hold, guide, particle, reveal or condition; default: best at a sample's cost."),
    ] = None,
    particles: Annotated[
        int | None, typer.Option(help="Particles per example, for --method particle; default 64.")
    ] = None,
    islands: Annotated[
        int | None,
        typer.Option(help="Particle groups; 2 or more estimate the evidence's error; default 1."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the chain.")] = 250,
    resamplings: Annotated[int, typer.Option(help="Passes over each stretch (hold); more is slower, less biased.")] = 1,
    label: Label = None,
    scale: Scale = 1.0,
    report: Annotated[
        bool, typer.Option("--report", help="Also measure the method's bias on a closed-form posterior.")
    ] = False,
    form: Annotated[str, typer.Option(help="Layout of a table's draws: long (stacked rows) or wide.")] = "long",
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples.")] = None,
    seed: Seed = 0,
    precision: Precision = "no",
    data_dir: DataDir = None,
) -> None:
    """Complete examples that are partly known, noisy or low-resolution."""
    from quasistatic.cli import output
    from quasistatic.inference import FewParticles
    from quasistatic.model import complete
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.methods import METHODS

    output.check_target(Path(out), out)
    output.check_form(form)
    model = arguments.model(run, precision)
    if model.config.data.conditional and label is None:
        err.print("note: inferring without labels; --label NAME is the class of all examples")
    areas = {"--mask": mask, "--half": half, "--box": box}
    seen = _seen(model, observed, areas, super_resolution, denoise, data_dir, limit)
    method = complete.method_for(model, seen.given, method)
    counts: dict[str, Any] = {name: n for name, n in (("particles", particles), ("islands", islands)) if n is not None}
    if unused := counts.keys() - METHODS[method].takes:
        raise ValueError(f"--{min(unused)} is for --method particle, got {method}; leave it out or choose particle")
    options = replace(DrawOptions(draws, steps, resamplings, label=label, scale=scale, seed=seed), **counts)
    if report:
        _report(model, seen, method, options)
    with bar("inferring") as watch, warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", FewParticles)
        found = complete.complete(model, seen.given, method, options, watch)
    for note in notes:
        err.print(f"note: {note.message}")
    _write(model, seen, found, observed, out, form)
    err.print(
        f"{draws} draws for each of {seen.given.count} examples in {out} (method {found.method}: {found.exactness})"
    )
    _say_evidence(found)


class Seen(NamedTuple):
    """An observation and what to draw it with: values, known mask, and the ground truth if there is one."""

    given: "Given"
    values: "Tensor"
    known: "Tensor"
    truth: "Tensor | None"


def _seen(
    model: "Model",
    source: str,
    areas: dict[str, Any],
    factor: int | None,
    std: float | None,
    data_dir: Path | None,
    limit: int | None,
) -> Seen:
    """Read the observation.

    Raises:
        ValueError: if nothing or more than one option says what is unknown, or the data do not fit the model.
    """
    import torch

    from quasistatic.data.observed import AREAS, INCOMPLETE
    from quasistatic.data.source.guard import one_sentence

    chosen = [name for name, value in areas.items() if value is not None]
    if limit is not None and limit < 1:
        raise ValueError(f"inference is of one example or more, got --limit {limit}")
    ways = [*chosen, *(["--super-resolution"] if factor is not None else [])]
    if len(ways) > 1:
        raise ValueError(f"one option says what is unknown, got {' and '.join(ways)}; choose one")
    path = Path(source)
    if path.suffix in INCOMPLETE and path.is_file():
        with one_sentence(path.name):
            incomplete = INCOMPLETE[path.suffix](path, model.specification.codec, model.specification.shape)
        if incomplete is not None:
            if ways:
                raise ValueError(f"{source} marks what is unknown itself, got {ways[0]} as well; leave it out")
            values, known = (part[:limit] for part in incomplete)
            return Seen(_given(model, values, known, std), values, known, None)
    if factor is not None:
        return _coarse(model, source, factor, std, data_dir, limit)
    dataset = model.held_out(arguments.read_data(source, data_dir, model.config.data))
    model.specification.check_shape(dataset.shape, source)
    values = dataset.batch(torch.arange(len(dataset))[:limit])
    if chosen:
        known = AREAS[chosen[0]](areas[chosen[0]], dataset)[: len(values)]
    elif std is not None:
        known = torch.ones_like(values, dtype=torch.bool)
    else:
        raise ValueError(
            f"{source} has no unknown values; mark them with NaN, or give --mask (white = unknown), --half, --box, "
            "--super-resolution or --denoise"
        )
    return Seen(_given(model, values, known, std), values, known, values if std is None else None)


def _given(model: "Model", values: "Tensor", known: "Tensor", std: float | None) -> "Given":
    """Return the observation of ``values``: exact, or with noise of the given ``std``."""
    from quasistatic.model import complete

    if std is None:
        return complete.known(model, values, known)
    return complete.noisy(model, values, std, known)


def _coarse(
    model: "Model", source: str, factor: int, std: float | None, data_dir: Path | None, limit: int | None
) -> Seen:
    """Read block means; full-size images are averaged first."""
    import torch
    from torch.nn.functional import avg_pool2d, interpolate

    from quasistatic.data import LevelsCodec
    from quasistatic.model import complete

    codec, shape = model.specification.codec, model.specification.shape
    complete.check_factor(factor, shape)
    if std is None:
        if not isinstance(codec, LevelsCodec):
            raise ValueError("means of values other than levels have noise of their own; give its std by --denoise")
        # Rounding a mean to whole levels adds noise of std 0.29 levels; half a level covers it.
        std = codec.step / 2
    dataset = model.held_out(arguments.read_data(source, data_dir, replace(model.config.data, size=None)))
    values, truth = dataset.batch(torch.arange(len(dataset))[:limit]), None
    if values.ndim == 4 and values.shape[1] != shape[0] == values.shape[3]:
        values = values.movedim(3, 1)  # a file of few rows was taken for channels first
    if tuple(values.shape[1:]) == shape and factor > 1:
        err.print(f"note: {source} has the model's own size: its means over {factor}×{factor} pixels are observed")
        truth, values = values, avg_pool2d(values.float(), factor)
    given = complete.low_resolution(model, values, factor, std)
    shown = interpolate(values.float(), scale_factor=factor)
    return Seen(given, shown, torch.ones_like(shown, dtype=torch.bool), truth)


def _write(model: "Model", seen: Seen, found: "Completion", observed: str, out: str, form: str) -> None:
    from quasistatic import plotting
    from quasistatic.cli import output
    from quasistatic.data import SymbolsCodec, TableCodec
    from quasistatic.data.observed import ending_kept
    from quasistatic.data.table.write import Interval

    codec, raw = model.specification.codec, found.draws
    if Path(observed).suffix == Path(out).suffix == ".txt" and isinstance(codec, SymbolsCodec):
        length = len(ending_kept(Path(observed), codec))
        output.write_text(raw, Path(out), length)
        return
    if isinstance(codec, TableCodec) and Path(out).suffix in (".csv", ".parquet"):
        kept = raw.where(~seen.known[:, None], seen.values[:, None].to(raw))
        beside = output.write_imputations(kept, seen.known, Path(out), codec, form)
        if beside is not None:
            err.print(f"means, intervals and most frequent categories in {beside}")
            numbers = [not column.states for column in codec.columns]
            if bool((~seen.known[:, numbers]).any()):
                err.print(f"note: {Interval.of(raw.shape[1])}")
        return
    # Observed values may be noisy or means: draw each as the nearest value of the codec.
    values = seen.values if not seen.values.is_floating_point() else _nearest(model, seen)
    flat = raw if Path(out).suffix in (".npy", ".npz") else raw.flatten(0, 1)
    output.write(flat, out, codec, lambda part: plotting.completions(values, seen.known, raw, seen.truth, part, codec))


def _nearest(model: "Model", seen: Seen) -> "Tensor":
    from quasistatic.data import LevelsCodec
    from quasistatic.model import complete

    codec = model.specification.codec
    if not isinstance(codec, LevelsCodec):
        return seen.values
    finite = seen.values.where(seen.known, codec.low)
    return codec.decode(complete.as_states(codec, finite)[0])


def _say_evidence(found: "Completion") -> None:
    if found.log_evidence is None or found.error is None or found.effective is None:
        return
    value, error = found.log_evidence.mean().item(), found.error.mean().item()
    told = f" ± {error:.2f} (an example's)" if error == error else ""
    err.print(
        f"log-probability of what was observed: {value:.2f}{told} nats on average; "
        f"effective particles at least {found.effective.min().item():.1f}"
    )


def _report(model: "Model", seen: Seen, method: str, options: "DrawOptions") -> None:
    """Print the method's bias on a known posterior, before the draws, as a guide to reading them."""
    from quasistatic.inference import FewParticles
    from quasistatic.model.draw import bias

    if bool(seen.known.all()):
        raise ValueError("a report is for known and unknown elements; give --mask, --half, --box or NaN")
    known = seen.known[0]
    with bar("measuring the bias") as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        measured = bias(model.config.process, known, method, replace(options, draws=64), watch=watch)
    print(f"{method} on a mixture of normals of {'×'.join(map(str, known.shape))} elements, {options.steps} steps:")
    print(measured)
