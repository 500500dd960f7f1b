"""Checks methods of inference on held-out examples, and prints how well they are calibrated."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quasistatic.cli import arguments, terminal
from quasistatic.cli.terminal import bar, err

if TYPE_CHECKING:
    from quasistatic.data import Dataset
    from quasistatic.evaluation.calibration import Average
    from quasistatic.model import Model
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.complete.check import MethodCheck, Trial

DRAWS, EXAMPLES, SHARE = 39, 200, 0.3
"""Draws of each example, examples, and the share of elements that is hidden, if nothing else is asked for."""


class Asked(NamedTuple):
    """What is checked.

    Attributes:
        source: the data; held-out examples of them if the model was trained on them.
        areas: the value of each option that names a hidden area, by option; None if not given.
        factor: side of the blocks whose means are observed, in pixels.
        std: of the noise that everything is observed with, in raw units.
        share: of the elements of each example that is hidden at random.
        limit: maximum number of examples.
        method: the only one that is checked.
        out: the picture, or None.
    """

    source: str
    areas: dict[str, Any]
    factor: int | None
    std: float | None
    share: float | None
    limit: int | None
    method: str | None
    out: str | None

    @property
    def ways(self) -> list[str]:
        """The options that say what is observed.

        Raises:
            ValueError: if there are several.
        """
        others = {"--hide": self.share, "--super-resolution": self.factor, "--denoise": self.std}
        found = [name for name, value in (self.areas | others).items() if value is not None]
        if len(found) > 1:
            raise ValueError(f"one option says what is hidden, got {' and '.join(found)}; choose one")
        return found

    @property
    def words(self) -> str:
        """What is observed."""
        if self.factor is not None:
            return f"means over {self.factor}×{self.factor} pixels"
        if self.std is not None:
            return f"noise of std {self.std:g}"
        named = [f"{name} {value}" for name, value in self.areas.items() if value is not None]
        return f"{named[0] if named else format(SHARE if self.share is None else self.share, '.0%')} hidden"


USELESS = ("report", "particles", "islands", "form")
"""Options of `infer` that a check does not take."""


def refuse(context: arguments.Context) -> None:
    """Refuse options that a check does not take.

    Raises:
        ValueError: if one was given, or the method walks with particles.
    """
    used = [f"--{name.replace('_', '-')}" for name in USELESS if arguments.is_given(context, name)]
    if used:
        raise ValueError(
            f"--check draws what it hides, or spoils, by methods at the cost of a sample, got {used[0]}; leave it out"
        )
    if context.params["method"] == "particle":
        raise ValueError("--check is for methods with independent draws, got particle, whose draws are often copies")


def draws(context: arguments.Context) -> int:
    """Return the draws of each example: as many as have all levels exactly, unless a number was given.

    Raises:
        ValueError: see `refuse`.
    """
    refuse(context)
    return context.params["draws"] if arguments.is_given(context, "draws") else DRAWS


def target(out: str | None, hide: float | None, as_json: bool) -> str:
    """Return the target of an inference.

    Raises:
        ValueError: if there is none, or there are options of a check.
    """
    if hide is not None or as_json:
        raise ValueError(f"{'--hide' if hide is not None else '--json'} is for --check; add it, or leave it out")
    if out is None:
        raise ValueError("infer writes its draws to a file, got no --out; name one, as in --out filled.csv")
    return out


def check_calibration(
    run: Path, model: "Model", asked: Asked, options: "DrawOptions", data_dir: Path | None, as_json: bool
) -> None:
    """Check methods of inference, print what was found, keep it in the model's folder, and draw it.

    Raises:
        ValueError: if options contradict each other, or the data do not fit the model.
    """
    import torch

    from quasistatic.data.table.align import aligned
    from quasistatic.model.complete import check, kept

    arguments.check_file(None if asked.out is None else Path(asked.out), ".png")
    ways = asked.ways
    if asked.limit is not None and asked.limit < 1:
        raise ValueError(f"inference is of one example or more, got --limit {asked.limit}")
    dataset = model.held_out(arguments.read_for(model, asked.source, data_dir, options.condition))
    dataset = aligned(dataset, model.specification.codec)
    model.specification.check_shape(dataset.shape, asked.source)
    dataset = dataset.select(torch.arange(min(len(dataset), asked.limit or EXAMPLES)))
    if options.condition is not None:
        others = {"--method": asked.method, "--label": options.label, "--resamplings": options.resamplings != 1}
        used = [*ways, *(name for name, value in others.items() if value)]
        if used:
            raise ValueError(f"with --condition all of an example is hidden and sampled, got {used[0]} too")
        kind, words = "condition", "everything hidden"
        with bar("checking") as watch:
            found = check.check_samples(model, dataset, options, watch)
    else:
        trial = _trial(model, dataset, asked, options.seed)
        kind, words = kept.kind_of(trial.given.observation), asked.words
        methods = [asked.method] if asked.method else check.usual_methods(model, trial.given)
        with bar("checking") as watch:
            found = check.check_methods(model, trial, methods, options, watch)
    if as_json:
        numbers = {name: asdict(one) for name, one in found.items()}
        terminal.as_json({"examples": len(dataset), "methods": numbers})
    else:
        print_check(found, len(dataset))
    with suppress(OSError):  # a folder that cannot be written keeps nothing
        kept.record(run, model.step, found, kind, words)
    if asked.out is not None:
        from quasistatic.plotting import save_calibration

        save_calibration({name: one.calibration for name, one in found.items()}, asked.out)
        err.print(f"ranks and coverage in {asked.out}")


def _trial(model: "Model", dataset: "Dataset", asked: Asked, seed: int) -> "Trial":
    """Observe the examples as was asked."""
    import torch

    from quasistatic.data.observed import AREAS
    from quasistatic.model.complete import check

    truth = dataset.batch(torch.arange(len(dataset)))
    if asked.factor is not None:
        return check.of_means(model, truth, asked.factor)
    if asked.std is not None:
        return check.of_noise(model, truth, asked.std, seed)
    area = next((name for name, value in asked.areas.items() if value is not None), None)
    if area is not None:
        known = AREAS[area](asked.areas[area], dataset)[: len(truth)].expand(truth.shape)
    else:
        known = check.hidden_at_random(truth, SHARE if asked.share is None else asked.share, seed)
    return check.of_known(model, truth, known)


def print_check(found: Mapping[str, "MethodCheck"], examples: int) -> None:
    """Print a table, and what is wrong."""
    from rich import print as show
    from rich.table import Table

    from quasistatic.evaluation.calibration import worst

    names = list(found)
    rows: dict[str, list[str]] = {"exactness": [one.exactness for one in found.values()]}
    rows["evaluations a draw"] = [f"{one.evaluations:.0f}" for one in found.values()]
    own = [one.calibration for one in found.values()]
    for place, level in enumerate(one.level for one in own[0].coverage):
        rows[f"{level:.0%} intervals"] = [_percent(one.coverage[place].found) for one in own]
    if own[0].uniform is not None:
        rows["ranks even: p"] = [f"{one.uniform:.2g}" for one in own]
        rows["joint ranks: p"] = [f"{one.joint:.2g}" for one in own]
        rows["CRPS"] = [_plain(one.crps) for one in own]
        rows["energy score"] = [_plain(one.energy) for one in own]
    if own[0].brier is not None:
        rows["Brier score"] = [_plain(one.brier) for one in own]
        rows["calibration error"] = [f"{one.ece:.3f}" for one in own]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"{examples} examples × {own[0].draws}", no_wrap=True)
    for name in names:
        table.add_column(name)
    for name, cells in rows.items():
        table.add_row(name, *cells)
    show(table)
    for name, one in found.items():
        off = worst(one.calibration.coverage)
        if off is not None:
            err.print(
                f"note: {name}: intervals of {off.level:.0%} cover {_percent(off.found)} of the truth; "
                "do not take them at their word"
            )


def _percent(value: "Average") -> str:
    return f"{100 * value.value:.1f} ± {100 * value.error:.1f} %"


def _plain(value: "Average | None") -> str:
    return "" if value is None else f"{value.value:.4g} ± {value.error:.2g}"
