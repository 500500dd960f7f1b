"""Runs the demo: trains a model of handwritten digits, then samples, completes and scores.

report.json        bits/dim with its standard error, for the model and for baselines; times
samples.png        completions.png        forward.png        reverse.gif        bound.png        training.png
report.html        the run's report: all of it in one file
model/             the run folder, for `quasistatic sample`, `infer` and `evaluate`
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from quasistatic import plotting, recipes
from quasistatic.config import override
from quasistatic.data import Dataset, load
from quasistatic.evaluation import Score, baselines
from quasistatic.evaluation.baselines import Baseline
from quasistatic.model import Model
from quasistatic.model.baselines import baselines as fitted_baselines
from quasistatic.model.evaluate import bound
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.runtime.progress import following
from quasistatic.serve.report import write_report
from quasistatic.training import checkpoint


def run(out: Path, console: Console, minutes: float | None = None) -> dict[str, Any]:
    """Run the demo in the folder ``out`` and return its report.

    Args:
        out: a new or empty folder, or the folder of an earlier demo.
        console: shows progress.
        minutes: training time; default: the recipe's.

    Raises:
        FileExistsError: if ``out`` holds something else.
    """
    _make_room(out)
    times: dict[str, float] = {}
    dataset = load("digits")
    changes = [] if minutes is None else [f"training.minutes={minutes}"]
    config = override(recipes.recipe("demo", dataset, "digits"), changes)
    with timed(times, "learn"):
        steps = _learn(partial(checkpoint.train, config, dataset, out / "model"), console)
    model = Model.from_pretrained(out / "model", device="auto")
    unseen = model.held_out(dataset)
    with timed(times, "evaluate"), console.status("scoring held-out digits"):
        terms, null = bound(model, unseen, EvaluateOptions(draws=16))
        score = Score.of_bound(terms, null, dataset.dimensions, 1000)
    with timed(times, "baselines"), console.status("scoring baselines"):
        others = _baselines(dataset, model)
    with timed(times, "sample"), console.status("sampling"):
        codec, schedule = model.specification.codec, model.config.process.schedule
        plotting.save_examples(model.sample(64, steps=100), out / "samples.png", codec)
        plotting.reverse_gif(model.trajectory(16, steps=100, frames=30), out / "reverse.gif", codec)
    with timed(times, "infer"), console.status("completing half-hidden digits"):
        truth = unseen.batch(torch.arange(6))
        known = torch.ones_like(truth, dtype=torch.bool)
        known[..., truth.shape[-2] // 2 :, :] = False
        draws = model.infer(truth, known, draws=6, steps=100, resamplings=3)
        plotting.completions(truth, known, draws, truth, out / "completions.png", codec)
    plotting.forward(model.config.process, unseen.batch(torch.arange(4)), out / "forward.png", codec)
    plotting.bound_by_time(terms, schedule, dataset.dimensions, out / "bound.png")
    plotting.training_curve(out / "model" / "metrics.jsonl", out / "training.png")
    report = {
        "data": dataset.describe(),
        "trained_on": len(dataset) - len(unseen),
        "held_out": len(unseen),
        "training_steps": steps,
        "score": score.to_dict(),
        "baselines": others,
        "seconds": {name: round(value, 1) for name, value in times.items()},
        "machine": {"threads": torch.get_num_threads(), "cores": os.cpu_count(), "device": str(model.device)},
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    with console.status("writing the report"):
        write_report(out / "model", out / "report.html")
    _tell(report, out, console)
    return report


def _make_room(out: Path) -> None:
    if (out / "report.json").exists() and (out / "model" / "config.json").exists():
        shutil.rmtree(out / "model")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"the demo needs a new folder or that of an earlier demo, and {out} holds other files")
    out.mkdir(parents=True, exist_ok=True)


def _learn(begin: Callable[..., Iterator[Any]], console: Console) -> int:
    steps = 0
    with following("learning digits", console) as (doing, show):
        for progress in begin(doing=doing):
            show(progress, f"learning digits  loss {progress.loss:.3f} bits/dim")
            steps = progress.step
    return steps


def _baselines(dataset: Dataset, model: Model) -> dict[str, dict[str, float]]:
    train, test = dataset.split(model.config.data.held_out, model.config.seed)
    found = fitted_baselines(model, test, dataset)
    known, asked = (part.batch(torch.arange(len(part))).flatten(1) for part in (train, test))
    found["autoregressive forest"] = Baseline.of(baselines.forest(known, asked, 17), dataset.dimensions)
    return {name: baseline.to_dict() for name, baseline in found.items()}


@contextmanager
def timed(times: dict[str, float], name: str) -> Iterator[None]:
    """Record how many seconds the block takes."""
    start = time.monotonic()
    yield
    times[name] = time.monotonic() - start


def _tell(report: dict[str, Any], out: Path, console: Console) -> None:
    score = report["score"]
    console.print(f"held-out digits, bits/dim (lower is better; {report['held_out']} examples):")
    rows = {"this model (upper bound)": score, **report["baselines"]}
    rows["the prior (null)"] = {"value": score["null"]["value"], "standard_error": float("nan")}
    for name, row in rows.items():
        error = row["standard_error"]
        console.print(f"  {name:<36}{row['value']:.3f}" + (f" ± {error:.3f}" if error == error else ""))
    console.print(f"pictures, report and model in {out} ({sum(report['seconds'].values()):.0f} s)")
    console.print(f"open {out / 'report.html'} in a browser, or run: quasistatic serve {out}")
