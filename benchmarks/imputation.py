"""Imputation and sampling of small tables, against the methods of `imputers.py` and a Gaussian copula.

    python benchmarks/imputation.py --seeds 0,1,2,3                       wine, breast-cancer, diabetes
    python benchmarks/imputation.py --tables wine --inner --seeds 0       choose settings on training rows alone

Of each seed's shuffled rows a quarter has 30 % of its cells hidden, at random or in blocks (a run of neighbouring
columns of each row). With --cache, also 2,000 rows each of Adult and Magic (see `tables.py`). Every method learns from
one table, the other rows and those with holes, and fills the holes.
A model that learned the other rows alone is scored on the quarter, complete, and sampled.

    error       root mean square of (guess − truth) / std over hidden numbers, std that of the learned rows; the guess
                of a model is the mean of its draws
    accuracy    of hidden categories, by the most frequent draw
    CRPS        mean |draw − truth| − half the mean distance of two draws; of one guess, its distance
    50 %, 90 %  share of hidden numbers between two draws of equal rank from below and above: exactly 50 and 90 % of 199
                or 19 draws of the true law
    AUC         of a random forest that tells held-out rows from as many sampled ones, cross-validated: 0.5 is best
"""

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import torch
from scipy.stats import norm, rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import tables as benchmark_tables
from imputers import Spread, filled_by
from quasistatic.config import Config, Specification, override
from quasistatic.data import Dataset, TableCodec
from quasistatic.data.contents import DataOptions
from quasistatic.data.dataset import Held
from quasistatic.data.table.column import IntegerColumn, NumberColumn
from quasistatic.data.table.column.bins import Bins
from quasistatic.data.table.read import table_of
from quasistatic.model import Model
from quasistatic.recipes import recipe
from quasistatic.training.duration import with_steps
from quasistatic.training.loop import Training

HIDDEN = 0.3

SUBSET = 2000
"""Rows of Adult and of Magic."""


def tables(cache: Path | None) -> dict[str, Dataset]:
    """The tables with their class or target as a column; whole numbers are kept whole."""
    wine, cancer = load_wine(), load_breast_cancer()
    diabetes = load_diabetes(scaled=False)
    found = {}
    for name, data in (("wine", wine), ("breast-cancer", cancer), ("diabetes", diabetes)):
        columns = {str(c).replace(" ", "_"): v for c, v in zip(data.feature_names, data.data.T, strict=True)}
        if name == "diabetes":
            columns["sex"] = np.where(columns["sex"] == 1, "one", "two")
            columns["target"] = data.target
        else:
            columns["class"] = np.array([str(data.target_names[t]) for t in data.target])
        whole = {c: v.astype(np.int64) for c, v in columns.items() if v.dtype.kind == "f" and (v % 1 == 0).all()}
        found[name] = table_of(name, pyarrow.table({**columns, **whole})).dataset(DataOptions())
    for name in ("adult", "magic") if cache else ():
        rows = benchmark_tables.split(benchmark_tables.SOURCES[name], cache, 0)[0].iloc[:SUBSET]
        table = pyarrow.Table.from_pandas(rows, preserve_index=False)
        found[name] = table_of(name, table).dataset(DataOptions())
    return found


def split(dataset: Dataset, seed: int, inner: bool) -> tuple[Dataset, Dataset]:
    """Learned and held-out rows, bins of the learned ones; ``inner`` splits the learned rows once more."""
    learned, held_out = dataset.split(0.25, seed)
    if inner:
        learned, held_out = learned.split(0.25, seed)
    codec = dataset.codec
    assert isinstance(codec, TableCodec)
    rows = learned.batch(torch.arange(len(learned)))
    columns = []
    for column, raw in zip(codec.columns, rows.T.numpy(), strict=True):
        if isinstance(column, NumberColumn | IntegerColumn):
            column = replace(column, bins=Bins.of(raw, int(column.bins.step)))
        columns.append(column)
    own = replace(codec, columns=tuple(columns))
    return replace(learned, codec=own), replace(held_out, codec=own)


def learn(dataset: Dataset, seed: int, steps: int | None, changes: list[str]) -> Model:
    """Train the recipe's model of all rows of ``dataset``."""
    config: Config = override(recipe("table", dataset, dataset.name), [f"seed={seed}", *changes])
    if steps is not None:
        config = with_steps(config, steps)
    training = Training(config, Specification.of(dataset))
    for _ in training.run(dataset):
        pass
    return training.model


def holes(shape: tuple[int, int], pattern: str, seed: int) -> torch.Tensor:
    """True where a cell is known: 30 % are hidden, at random or as one run of columns of each row."""
    generator = np.random.default_rng(1000 + seed)
    if pattern == "random":
        return torch.from_numpy(generator.random(shape) >= HIDDEN)
    width = round(HIDDEN * shape[1])
    start = generator.integers(0, shape[1] - width + 1, (shape[0], 1))
    place = np.arange(shape[1])
    return torch.from_numpy((place < start) | (place >= start + width))


def states_of(codec: TableCodec) -> list[int]:
    """Number of categories of each column; 0 of numbers."""
    return [0 if column.ranges else column.count for column in codec.columns]


def copula(learned: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of a Gaussian copula: correlations of normal scores, and the learned values of each column by rank."""
    generator = np.random.default_rng(seed)
    jittered = learned + 1e-9 * generator.standard_normal(learned.shape)  # ties, as of categories, in random order
    scores = norm.ppf((rankdata(jittered, axis=0) - 0.5) / len(learned))
    correlation = np.corrcoef(scores.T)
    z = generator.multivariate_normal(np.zeros(len(correlation)), correlation, count)
    place = np.minimum((norm.cdf(z) * len(learned)).astype(int), len(learned) - 1)
    return np.take_along_axis(np.sort(learned, 0), place, 0)


def told_apart(real: np.ndarray, made: np.ndarray, seed: int) -> float:
    """Cross-validated area under the curve of a forest that tells ``made`` rows from ``real`` ones."""
    x, y = np.concatenate([real, made]), np.repeat([0, 1], [len(real), len(made)])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=seed)
    return float(roc_auc_score(y, cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]))


def filled(
    model: Model, learned: np.ndarray, truth: torch.Tensor, known: torch.Tensor, given: argparse.Namespace
) -> dict:
    """Every measure of the model and the others where cells are not ``known``."""
    codec = model.specification.codec
    assert isinstance(codec, TableCodec)
    states = states_of(codec)
    spread = Spread(states, learned)
    observed, numbers = np.where(known.numpy(), truth.numpy(), np.nan), np.array(states) == 0
    made = model.infer(truth, known, draws=given.draws, steps=given.chain).numpy()
    right = np.where(numbers, (truth.numpy() - spread.center) / spread.scale, truth.numpy())
    ours = np.where(numbers, (made - spread.center) / spread.scale, made)
    found = {}
    for name, draws in {"quasistatic": ours, **filled_by(learned, observed, spread)}.items():
        found[name] = measures(draws, right, ~known.numpy() & numbers, ~known.numpy() & ~numbers)
    return found


def measures(draws: np.ndarray, right: np.ndarray, numbers: np.ndarray, texts: np.ndarray) -> dict[str, float]:
    """Measures of ``draws`` (rows, draws, columns) against what is ``right``, over hidden numbers and texts."""
    count = draws.shape[1]
    own, truth = draws.transpose(0, 2, 1)[numbers], right[numbers][:, None]
    found = {"error": float(np.sqrt(np.mean((own.mean(1) - truth[:, 0]) ** 2)))}
    # E|x − x'| over pairs of draws: Σ (2i − K − 1) x_(i) over sorted draws, twice over K (K − 1)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    apart = 2 * (np.sort(own, 1) @ ranks) / (count * max(count - 1, 1))
    found["CRPS"] = float((np.abs(own - truth).mean(1) - apart / 2).mean())
    if texts.any():
        votes = draws.transpose(0, 2, 1)[texts]
        most = np.array([np.bincount(one.astype(int)).argmax() for one in votes])
        found["accuracy"] = float((most == right[texts]).mean())
    for share in (50, 90) if count >= 19 else ():
        rank = round((count + 1) * (100 - share) / 200)
        ends = np.sort(own, 1)[:, [rank - 1, -rank]]
        found[f"{share} %"] = float(((truth[:, 0] >= ends[:, 0]) & (truth[:, 0] <= ends[:, 1])).mean())
    return found


def run(name: str, dataset: Dataset, seed: int, given: argparse.Namespace) -> dict:
    """All numbers of one table and seed."""
    learned, held_out = split(dataset, seed, given.inner)
    rows, truth = (part.batch(torch.arange(len(part))) for part in (learned, held_out))
    seconds, found = [], {}
    for pattern in ("random", "block"):
        known = holes(tuple(truth.shape), pattern, seed)
        both = Held(torch.cat([rows, torch.where(known, truth, torch.nan)]))
        started = time.process_time()
        model = learn(replace(learned, storage=both, index=None), seed, given.steps, given.set)
        seconds.append(time.process_time() - started)
        found[pattern] = filled(model, rows.numpy(), truth, known, given)
    model = learn(learned, seed, given.steps, given.set)
    score = model.evaluate(held_out, draws=16, seed=seed)
    sampled = model.sample(len(truth), steps=given.chain, seed=seed).numpy()
    real = truth.numpy()
    areas = {
        "quasistatic": told_apart(real, sampled, seed),
        "copula": told_apart(real, copula(rows.numpy(), len(real), seed), seed),
        "learned rows": told_apart(real, rows[: len(real)].numpy(), seed),
    }
    return {
        "table": name,
        "seed": seed,
        "seconds": float(np.mean(seconds)),
        "bits_per_row": score.bits_per_example,
        "auc": areas,
        "filled": found,
    }


def mean_and_error(values: list[float]) -> str:
    """Mean ± standard error over the seeds."""
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.3f} ± {error:.3f}"


def show(results: list[dict]) -> None:
    """Print a line for each table, pattern and measure."""
    for name in dict.fromkeys(result["table"] for result in results):
        own = [result for result in results if result["table"] == name]
        print(
            f"\n{name}: {len(own)} seeds, {np.mean([r['seconds'] for r in own]):.0f} s of training each, "
            f"{mean_and_error([r['bits_per_row'] for r in own])} bits/row held out"
        )
        for pattern in ("random", "block"):
            methods = own[0]["filled"][pattern]
            for measure in ("error", "CRPS", "accuracy", "50 %", "90 %"):
                line = [
                    f"{method} {mean_and_error([r['filled'][pattern][method][measure] for r in own])}"
                    for method in methods
                    if all(measure in r["filled"][pattern][method] for r in own)
                ]
                if line:
                    print(f"  {pattern:<7}{measure:<10}{'   '.join(line)}")
        print(
            "  AUC              "
            + "   ".join(f"{m} {mean_and_error([r['auc'][m] for r in own])}" for m in own[0]["auc"])
        )
    print("\nall tables and patterns")
    every = [filled for result in results for filled in result["filled"].values()]
    for measure in ("error", "CRPS", "accuracy", "50 %", "90 %"):
        for method in every[0]:
            own = [one[method][measure] for one in every if measure in one.get(method, {})]
            if own:
                part = "" if len(own) == len(every) else f"  in {len(own)} of {len(every)}"
                print(f"  {measure:<10}{method:<18}{np.mean(own):.3f}{part}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="wine,breast-cancer,diabetes")
    parser.add_argument("--cache", type=Path, help="folder for the wheels with Adult and Magic")
    parser.add_argument("--seeds", default="0,1,2,3")
    parser.add_argument("--steps", type=int, help="of training; default: the recipe's")
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--chain", type=int, default=25, help="steps of the chain")
    parser.add_argument("--inner", action="store_true", help="split the learned rows again, to choose settings")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--json", type=Path, help="write every number there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found, results = tables(given.cache), []
    for name in given.tables.split(","):
        for seed in map(int, given.seeds.split(",")):
            results.append(run(name, found[name], seed, given))
            if given.json:
                given.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


if __name__ == "__main__":
    main()
