"""Prints the command's output: progress on stderr, reports and scores on stdout."""

import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from quasistatic.runtime.progress import can_redraw, followed, on_stderr

if TYPE_CHECKING:
    from quasistatic.evaluation import Score
    from quasistatic.evaluation.baselines import Baseline
    from quasistatic.inference.report import Bias
    from quasistatic.model.complete import Completion
    from quasistatic.model.measured import Measured
    from quasistatic.runtime.doctor import Diagnosis
    from quasistatic.types import Watch

# Names may hold brackets, so rich must not read output as markup.
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
err = on_stderr()


@contextmanager
def bar(title: str) -> Iterator["Watch"]:
    """Show a progress bar with rate and time left on stderr; yields a function of (done, total)."""
    if not can_redraw(err):
        yield lambda done, total: None
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def notes(category: type[Warning]) -> Iterator[None]:
    """Print warnings of a ``category`` as notes, once the work is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        yield
    for note in caught:
        err.print(f"note: {note.message}")


def training(begin: Callable[[Callable[[str], None]], Iterator[Any]], title: str, out: Path) -> None:
    """Show a run's progress, with one line per evaluation on the held-out set.

    Args:
        begin: (doing) → the run's progress; ``doing`` is called with what the run does other than steps.
        title: what is learned from.
        out: the run's folder.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        for _ in begin(lambda _: None):
            pass
        return
    err.print(f"learning {title}")
    last = followed(begin, err)
    if last is None:
        err.print(f"nothing left to do: {out} has all its steps (ask for more with --steps or --minutes)")
    elif last.step < last.steps:
        err.print(f"stopped at step {last.step:,} of {last.steps:,}; --resume goes on from {out}")
        raise typer.Exit(1)
    else:
        err.print(
            f"learned in {last.seconds:.0f} s and {last.steps:,} steps (--steps {last.steps} takes as many): {out}"
        )


def report(found: dict[str, Any]) -> None:
    """Print the report of a data set."""
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    hidden = ("problems", "ready", "plan", *(["columns"] if found["plan"] else []))
    for name, value in found.items():
        if value in ({}, [], (), "", None) or name in hidden:
            continue
        if isinstance(value, dict):
            shown = [f"{key}: {item}" for key, item in list(value.items())[:12]]
            value = ", ".join(shown) + (f", … ({len(value)} in all)" if len(value) > len(shown) else "")
        table.add_row(
            name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        )
    Console(**PLAIN).print(table)
    if found["plan"]:
        columns(found["plan"])
    for problem in found["problems"]:
        err.print(f"problem: {problem}")
    err.print("ready for training" if found["ready"] else "not ready for training")


def columns(plan: Sequence[Mapping[str, Any]]) -> None:
    """Print what is learned of each column of a table."""
    from rich.table import Table

    table = Table(*(name.replace("content", "what is in it") for name in plan[0]), box=None, padding=(0, 2, 0, 0))
    for line in plan:
        table.add_row(*(str(cell) if cell else "" for cell in line.values()))
    Console(**PLAIN).print(table)


def show_score(result: dict[str, Any]) -> None:
    """Print a score and its terms; infinite values are printed in words."""
    if math.isfinite(result["value"]):
        value = _number(result["value"], result["standard_error"]).strip()
        each = f"{result['bits_per_example']:.2f} bits each"
    else:
        value, each = "infinite", f"{result['impossible']} of them with probability 0 under the model"
    print(
        f"{value} {result['unit']} ({result['method']}, lower is better; {result['examples']} examples of "
        f"{result['dimensions']} values{', given its label' * result['conditional']}, {each})"
    )
    for name, value in result["terms"].items():
        print(f"  {name:<23}{_number(value)}")
    for band in result["bands"]:
        print(f"    {_band(band['low'], band['high']):<21}{_number(band['value'], band['standard_error'])}")
    none = "probability 0: the prior holds no such data"
    null = result["null"]["value"]
    print(f"  {'null model':<23}{null:9.4f}" if math.isfinite(null) else f"  {'null model':<23} {none}")
    if result["marginal_null"]:
        print(f"  {'each value by itself':<23}{_number(result['marginal_null']['value'])}  (marginal null model)")
    for name, row in result.get("baselines", {}).items():
        print(f"  {name:<23}{_number(row['value'], row['standard_error'])}")
    if gap := result["chain_gap"]:
        print(f"  {'chain gap':<23}{_number(gap['value'], gap['standard_error'])}  (bits per example)")
    if ranking := result["ranking"]:
        print(f"  {'ranking':<23} {_sure(ranking)}")


def _sure(ranking: dict[str, Any]) -> str:
    """Say how certain a ranking is, and what it took."""
    draws = ranking["draws"]
    took = f"{draws['least']} to {draws['most']}" if draws["least"] < draws["most"] else f"{draws['most']}"
    if math.isnan(ranking["certainty"]):
        return f"one example, no order; {took} draws"
    return f"{ranking['certainty']:.1%} of pairs in the right order, as expected from their errors; {took} draws each"


def _band(low: float, high: float) -> str:
    if math.isinf(low):
        return f"log-SNR below {high:.0f}"
    return f"log-SNR above {low:.0f}" if math.isinf(high) else f"log-SNR {low:.0f} to {high:.0f}"


def _number(value: float, error: float = math.nan) -> str:
    """Format a value with its standard error, if known; an infinite value becomes a word."""
    if not math.isfinite(value):
        return " infinite"
    return f"{value:9.4f}" + (f" ± {error:.4f}" if math.isfinite(error) else "")


MEASURES = {
    "frechet": "Fréchet distance, without bias",
    "frechet_plain": "Fréchet distance, as commonly printed",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "auc": "classifier's AUC",
    "accuracy": "classifier's accuracy",
}
JUDGED = {
    "sure": "share that the judge is sure of",
    "accuracy": "share judged as labelled",
    "evenness": "evenness of classes",
    "class_distance": "distance of class shares",
    "nearer_to_training": "share nearer to training data",
    "close_copies": "share of close copies",
}


def fidelity(result: dict[str, Any]) -> None:
    """Print how close samples are to real examples, next to how close other real examples are."""
    from rich.table import Table

    reference, judge, copies = (result[name] for name in ("reference", "judge", "copies"))
    pairs = {**(judge or {}), **(copies or {})}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column("samples", justify="right")
    if reference or pairs:
        table.add_column("real, other examples", justify="right")
    for name, title in JUDGED.items():
        if name in pairs:
            table.add_row(title, _estimate(pairs[name]["samples"]), _estimate(pairs[name]["real"]))
    for name, title in MEASURES.items():
        table.add_row(title, *(_estimate(one[name]) for one in (result, reference) if one))
    Console(**PLAIN).print(table)
    if judge:
        err.print(
            f"the judge learned {judge['classes']} classes from {judge['learned_from']} real examples; samples are "
            f"compared with {judge['held_out']} others"
        )
    if copies:
        err.print(f"copies: searched in {copies['training']} training and {copies['held_out']} held-out examples")
    elif judge:
        err.print("copies are not looked for: give the model's training data as --training, and held-out data as REAL")
    other = f", {reference['examples']} in the reference" if reference else ", too few real ones for a reference"
    err.print(
        f"{result['examples']} examples of each{other}; {result['dimensions']} features ({result['features']}), "
        f"{result['neighbours']} neighbours"
    )


def _estimate(estimate: dict[str, float] | None) -> str:
    """Format an estimate with its standard error; a dash if there is none."""
    return f"{estimate['value']:.4f} ± {estimate['standard_error']:.4f}" if estimate else "–"


def diagnosis(found: "Diagnosis") -> None:
    """Print what was found of the machine and the installation."""
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in found.versions.items())
    lines = {
        "versions": versions,
        "system": f"{found.system}, {found.cores} cores, {found.memory:g} GiB",
        "device": f"{found.device} ({found.device_name}), {found.precision}",
        "units": ", ".join(found.units) or "none that are known",
        "compiler": found.compiler or "none",
        "extras": ", ".join(f"{name}: {'no' if lacking else 'yes'}" for name, lacking in found.extras.items())
        or "none",
    }
    for name, text in lines.items():
        print(f"{name:<9} {text}")
    for sentence in found.advice:
        print(f"note: {sentence}")


def as_json(content: dict[str, Any]) -> None:
    """Print one JSON object; numbers that are not finite become null."""
    print(json.dumps(_finite(content)))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_score(found: "Score", baselines: Mapping[str, "Baseline"] | None, as_object: bool) -> None:
    """Print a score and those of the baselines, as JSON or as text."""
    result = found.to_dict()
    if baselines is not None:
        result["baselines"] = {name: baseline.to_dict() for name, baseline in baselines.items()}
    (as_json if as_object else show_score)(result)


def score_notes(score: "Score", target_error: float | None, unused: Sequence[str] = ()) -> None:
    """Print notes on options without effect, on a target error or a certainty that was missed, on impossible examples.

    ``unused`` are options that an exact score does not take.
    """
    if unused:
        err.print(f"note: the score is that of an order, exact without draws, so {' and '.join(unused)} had no effect")
    if target_error is not None and not score.standard_error <= target_error:
        err.print(f"note: {score.examples} examples do not reach an error of {target_error}; more of them would")
    ranking = score.ranking
    if ranking and ranking["certainty"] < ranking["target"]:
        err.print(
            f"note: {ranking['certainty']:.1%} of pairs are in order, not {ranking['target']:.1%}, after up to "
            f"{ranking['draws']['most']} draws; raise --max-draws, or take close scores as equal"
        )
    if score.impossible:
        err.print(f"{score.impossible} of {score.examples} examples have probability 0 under the model: log p = −∞")


def completion(found: "Completion", out: str, warning: str = "") -> None:
    """Print where completions are, by which method, how exact that is, a warning, and the evidence if it is known."""
    count, draws = found.draws.shape[:2]
    err.print(f"{draws} draws for each of {count} examples in {out} (method {found.method}: {found.exactness})")
    if warning:
        err.print(f"note: {warning}")
    if found.log_evidence is None or found.error is None or found.effective is None:
        return
    value, error = found.log_evidence.mean().item(), found.error.mean().item()
    shown = "" if math.isnan(error) else f" ± {error:.2f} (an example's)"
    err.print(
        f"log-probability of what was observed: {value:.2f}{shown} nats on average; "
        f"effective particles at least {found.effective.min().item():.1f}"
    )


def print_bias(measured: "Bias", method: str, shape: Sequence[int], steps: int) -> None:
    """Print a method's bias on a known posterior."""
    print(f"{method} on a mixture of normals of {'×'.join(map(str, shape))} elements, {steps} steps:")
    print(measured)


def plan(measured: "Measured") -> None:
    """Print the score of each planned path."""
    for count, bits in sorted(measured.bits_per_dim.items()):
        if math.isfinite(bits):
            shown = f"about {bits:.3f} bits/dim on the training data; --steps {count} now takes this path"
        else:
            shown = "no path gives all training data a probability above 0; plan for more steps"
        err.print(f"{count} steps: {shown}")


def chain(found: dict[str, Any], steps: int) -> None:
    """Print the summary of a finite Markov chain, as returned by `MarkovChain.summary`."""
    law = lambda masses: ", ".join(f"{name} {p:.6g}" for name, p in masses.items())  # noqa: E731
    print(f"after {steps} step{'s' * (steps != 1)}     {law(found['prediction'])}")
    for masses in found["stationary"]:
        print(f"stationary      {law(masses)}")
    for part in found["classes"]:
        kind = "closed" if part["closed"] else "transient"
        print(f"class           {', '.join(part['states'])} ({kind}, period {part['period']})")
    second = found["second_eigenvalue"]
    shown = f"{second[0]:.6g} + {second[1]:.6g}i" if isinstance(second, list) else f"{second:.6g}"
    print(f"2nd eigenvalue  {shown}")
    mixing = found["mixing_time"]
    print(f"mixing time     {'never: it depends on where it starts' if mixing is None else f'{mixing} steps'}")
