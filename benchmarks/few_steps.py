"""What few steps cost: the bound by number of steps, path and variance; samples by sampler; evaluations for an error.

    python benchmarks/few_steps.py RUN DATA --out FILE.json                     all parts; those in FILE are kept
    python benchmarks/few_steps.py RUN DATA --out FILE.json --parts bound cost
    python benchmarks/few_steps.py --page docs/choosing-a-sampler.md FILE.json …     the page, from such files

bound     bits/dim of held-out data in 10 to 1,000 steps: even path and planned path, each with every variance
flow      the same examples by the bound in 1,000 steps and by the probability flow
cost      evaluations per example for a standard error of 0.01 bits/dim of the mean, against all T steps
samplers  Fréchet distance and coverage of samples, by sampler and evaluations, against ancestral in 1,000 steps

A planned path and the analytic variance are measured on training data, as `quasistatic plan` does; RUN is not changed.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from machine import keep
from quasistatic import Model
from quasistatic.config import DataConfig
from quasistatic.data import Dataset, load
from quasistatic.data.dataset import spread
from quasistatic.evaluation import fidelity
from quasistatic.evaluation.steps.variance import VARIANCES
from quasistatic.model.plan import plan_paths

STEPS = (10, 25, 50, 100, 1000)
BUDGETS = (5, 10, 20, 50)
TARGET = 0.01
SAMPLERS = ("ancestral", "ddim", "heun", "dpm++", "dpm++sde", "unipc")
CONSOLE = Console(stderr=True)


def bound(model: Model, unseen: Dataset, trained: Dataset, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Score the same examples with the same noise along both paths with every variance."""
    planned = [count for count in STEPS if count <= options.candidates]
    rows = []
    for variance in VARIANCES:
        plans, _ = plan_paths(
            model, trained, planned, variance=variance, candidates=options.candidates, examples=options.pilot
        )
        model.measured = plans
        for steps in STEPS:
            for grid in ("time", *(["planned"] if steps in planned else [])):
                score = model.evaluate(
                    unseen, steps=steps, grid=grid, variance=variance, draws=options.draws, limit=options.examples
                )
                row = {"steps": steps, "grid": grid, "variance": variance}
                rows.append(row | {"value": score.value, "standard_error": score.standard_error})
                CONSOLE.print(f"{steps} steps, {grid}, {variance}: {score.value:.4f} ± {score.standard_error:.4f}")
    return rows


def flow(model: Model, unseen: Dataset, trained: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Score a few examples by the flow and by the bound; the difference is paired, example by example."""
    few = unseen.select(spread(len(unseen), options.flowed))
    by_flow = model.evaluate(few, method="flow", draws=4)
    by_bound = model.evaluate(few, draws=256)
    scale = 1 / (unseen.dimensions * math.log(2))
    gap = (by_flow.log_likelihoods - by_bound.log_likelihoods) * scale
    return {
        "examples": len(few),
        "flow": by_flow.value,
        "flow_standard_error": by_flow.standard_error,
        "bound": by_bound.value,
        "bound_standard_error": by_bound.standard_error,
        "gap": gap.mean().item(),
        "gap_standard_error": gap.std().item() / math.sqrt(len(few)),
        "evaluations_per_example": by_flow.network_evaluations / len(few),
    }


def cost(model: Model, unseen: Dataset, trained: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Reach the target error, and see what it took; beside it a few examples with every step looked at."""
    cheap = model.evaluate(unseen, target_error=TARGET)
    full = model.evaluate(unseen, draws=None, limit=options.full)
    same = model.evaluate(unseen, draws=256, limit=options.full, seed=1)
    scale = 1 / (unseen.dimensions * math.log(2))
    gap = (same.log_likelihoods - full.log_likelihoods) * scale
    return {
        "target": TARGET,
        "value": cheap.value,
        "standard_error": cheap.standard_error,
        "examples": cheap.examples,
        "evaluations_per_example": cheap.network_evaluations / cheap.examples,
        "full_sum_per_example": full.network_evaluations / full.examples,
        "ratio": full.network_evaluations / full.examples / (cheap.network_evaluations / cheap.examples),
        "full_examples": full.examples,
        "full_less_cheap": gap.mean().item(),
        "full_less_cheap_standard_error": gap.std().item() / math.sqrt(full.examples),
    }


def samplers(model: Model, unseen: Dataset, trained: Dataset, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare samples with all real examples, held out or not, in one feature space."""
    real = load(options.data, data_dir=options.data_dir)
    codec, rows = model.specification.codec, []
    states = codec.encode(real.batch(spread(len(real), 2 * options.samples)))
    runs = [("ancestral", 1000, 1000)]
    for name in SAMPLERS:
        runs += [(name, count, (count + 1) // 2 if name == "heun" else count) for count in BUDGETS]
    for name, evaluations, steps in runs:
        started = time.monotonic()
        drawn = model.sample(options.samples, steps=steps, sampler=name)
        found = fidelity.compare(states, codec.encode(drawn), options.features)
        row = {"sampler": name, "evaluations": evaluations, "seconds": time.monotonic() - started}
        for measure_name in ("frechet", "coverage", "auc"):
            estimate = getattr(found, measure_name)
            row |= {measure_name: estimate.value, f"{measure_name}_error": estimate.standard_error}
        row["features"] = found.features
        rows.append(row)
        CONSOLE.print(f"{name}, {evaluations}: Fréchet {row['frechet']:.3f} ± {row['frechet_error']:.3f}")
    return rows


PARTS: dict[str, Callable[[Model, Dataset, Dataset, argparse.Namespace], Any]] = {
    "bound": bound,
    "flow": flow,
    "cost": cost,
    "samplers": samplers,
}


def run(options: argparse.Namespace) -> None:
    """Measure the parts that are asked for and not in the file yet; the file is written after each."""
    out = Path(options.out)
    found = json.loads(out.read_text()) if out.exists() else {}
    model = Model.from_pretrained(options.files[0], device="auto")
    options.data = options.files[1]
    dataset = load(options.data, data_dir=options.data_dir)
    found |= {"data": DataConfig(options.data).source, "threads": torch.get_num_threads(), "torch": torch.__version__}
    found |= {"held_out": len(model.held_out(dataset)), "head": str(model.config.head)}
    for name in options.parts:
        if name not in found:
            started = time.monotonic()
            found[name] = PARTS[name](model, model.held_out(dataset), model.trained_on(dataset), options)
            found.setdefault("seconds", {})[name] = round(time.monotonic() - started)
            keep(found, out)


# ---- the page


def page(files: list[str]) -> str:
    """Return the page that shows what was measured."""
    parts = [HEAD]
    for file in files:
        found = json.loads(Path(file).read_text())
        parts.append(f"## {found['data']}\n\n{found['held_out']:,} examples held out. The head: `{found['head']}`.\n")
        for name, show in SHOWN.items():
            if name in found:
                parts.append(show(found))
        took = ", ".join(f"{name} {seconds} s" for name, seconds in found["seconds"].items())
        parts.append(f"Measured with {found['threads']} thread(s), torch {found['torch']}: {took}.\n")
    return "\n".join(parts)


def show_samplers(found: dict[str, Any]) -> str:
    """Samples: a row for each sampler, a column for each budget."""
    by = {(row["sampler"], row["evaluations"]): row for row in found["samplers"]}
    goal = by["ancestral", 1000]
    lines = [
        "### Samples\n",
        f"Bias-corrected Fréchet distance ({goal['features']} features) from samples to all real examples, by network "
        f"evaluations. Ancestral in 1,000 steps: **{goal['frechet']:.3f} ± "
        f"{goal['frechet_error']:.3f}**. Bold: within two standard errors of that, or better.\n",
        "| sampler | " + " | ".join(map(str, BUDGETS)) + " |",
        "|---|" + "---|" * len(BUDGETS),
    ]
    for name in SAMPLERS:
        cells = []
        for count in BUDGETS:
            row = by[name, count]
            error = math.hypot(row["frechet_error"], goal["frechet_error"])
            text = f"{row['frechet']:.3f} ± {row['frechet_error']:.3f}"
            cells.append(f"**{text}**" if row["frechet"] <= goal["frechet"] + 2 * error else text)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def show_bound(found: dict[str, Any]) -> str:
    """The bound: a row for each path and variance, a column for each number of steps."""
    by = {(row["grid"], row["variance"], row["steps"]): row for row in found["bound"]}
    error = by["time", "own", 1000]["standard_error"]
    lines = [
        "### Likelihood\n",
        f"Bits/dim of held-out data (± {error:.3f}, mostly a common error: same examples and seeds), by number of "
        "steps. A plan chooses among `--candidates` times, so longer paths have no plan. With all 1,000 times there is "
        "nothing to choose: the even path is the planned one.\n",
        "| path | variance | " + " | ".join(f"{count:,}" for count in STEPS) + " |",
        "|---|---|" + "---|" * len(STEPS),
    ]
    for grid, title in (("time", "even"), ("planned", "planned")):
        for variance in VARIANCES:
            cells = [by.get((grid, variance, count)) for count in STEPS]
            shown = " | ".join("" if cell is None else f"{cell['value']:.3f}" for cell in cells)
            lines.append(f"| {title} | {variance} | {shown} |")
    return "\n".join(lines) + "\n"


def show_flow(found: dict[str, Any]) -> str:
    """The flow beside the bound."""
    row = found["flow"]
    return (
        f"By the probability flow {row['flow']:.3f} ± {row['flow_standard_error']:.3f} on {row['examples']} examples "
        f"({row['evaluations_per_example']:.0f} evaluations each); by the bound {row['bound']:.3f} ± "
        f"{row['bound_standard_error']:.3f}. The flow's likelihood is higher by {row['gap']:.3f} ± "
        f"{row['gap_standard_error']:.3f} bits/dim. The flow and the chain are two models, which agree only "
        "where the guess is exact.\n"
    )


def show_cost(found: dict[str, Any]) -> str:
    """What a standard error costs."""
    row = found["cost"]
    return (
        f"`--target-error {row['target']}`: {row['value']:.4f} ± {row['standard_error']:.4f} bits/dim from "
        f"{row['examples']:,} examples with {row['evaluations_per_example']:.1f} evaluations each, pilot "
        f"included. Evaluating every step takes {row['full_sum_per_example']:.0f}: **{row['ratio']:.0f} times as "
        f"many**. On {row['full_examples']} examples scored in both ways, the two differ by "
        f"{row['full_less_cheap']:.4f} ± {row['full_less_cheap_standard_error']:.4f} bits/dim.\n"
    )


SHOWN: dict[str, Callable[[dict[str, Any]], str]] = {
    "samplers": show_samplers,
    "bound": show_bound,
    "flow": show_flow,
    "cost": show_cost,
}

HEAD = """# Choosing a sampler, and a number of steps

| you want | use |
|---|---|
| samples in few steps, Gaussian data | `--sampler unipc` or `dpm++`, 10 to 20 steps; noise is drawn only at the start |
| samples of the distribution that is scored | `--sampler ancestral`, 250 steps or more |
| few steps with fresh noise | `--sampler dpm++sde`, 20 to 50 steps |
| samples of bits, states or text | `--sampler ancestral`; a step costs one evaluation and reduces the error |
| a bound in few steps | `quasistatic plan RUN DATA --steps K`, then `evaluate RUN DATA --steps K` |
| a bound cheaply | `evaluate RUN DATA --target-error 0.01` |

Heun takes two evaluations per step, except for the last. Each sampler has its own default grid; `--grid` sets
another. All grids start at exactly t = 1. No sampler clips the guess. UniPC's first corrector step has the exact
coefficient of a line in λ, (b/c − 1)/b with c = −h and b = e^c − 1: 0.54 for h = ½, 0.58 for h = 1. The reference
code uses its limit ½.

`benchmarks/few_steps.py` writes this page from the numbers that it measured; its first lines say how.
"""


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="RUN DATA, or FILE.json …")
    parser.add_argument("--out", metavar="FILE.json")
    parser.add_argument("--page", metavar="FILE.md")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--examples", type=int, default=500, help="that the bound is taken on")
    parser.add_argument("--draws", type=int, default=8, help="looks at each")
    parser.add_argument("--candidates", type=int, default=100, help="times that a plan chooses from")
    parser.add_argument("--pilot", type=int, default=256, help="training examples that a plan is measured on")
    parser.add_argument("--flowed", type=int, default=32, help="examples for the flow")
    parser.add_argument("--full", type=int, default=16, help="examples with every step looked at")
    parser.add_argument("--samples", type=int, default=720, help="for each sampler and budget")
    parser.add_argument("--features", default="raw")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.page:
        Path(options.page).write_text(page(options.files))
    elif len(options.files) == 2 and options.out:
        run(options)
    else:
        parser.error("give RUN, DATA and --out FILE.json, or --page FILE.md and the files to show")


if __name__ == "__main__":
    main()
