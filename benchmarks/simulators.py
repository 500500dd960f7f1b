"""Posteriors of simulators' parameters θ given their output x, beside `sbi` (NPE) where it is installed.

    python benchmarks/simulators.py --json docs/measured/simulators.json
    python benchmarks/simulators.py --tasks two-moons --pairs 10000 --minutes 1

    two-moons   θ uniform on a square, x on a half-moon that θ moves; the posterior has two moons; exact draws
    linear      θ ~ N(0, 0.1), x ~ N(θ, 0.1), ten numbers each; the posterior is a Normal
    slcp        θ of five numbers gives mean and covariance of four points in a plane; four modes; draws by parallel
                Markov chains, differential evolution with flips of sign

The tasks are those of Lueckmann et al. 2021 (arXiv:2101.04653). Every method learns from the same pairs on one thread,
and draws as many θ as the reference for each of ten observed x, which are drawn from the prior. Where the prior is even
on a box, draws outside of it are thrown away by every method.

    C2ST     accuracy of a perceptron that tells draws from the reference's, cross-validated: 0.5 is perfect
    ranks    χ² of the rank of the truth among 39 draws for 500 held-out pairs, over all parameters: smallest p
    log p    mean log p(θ | x) of these pairs, nats: ours by the flow's equation, sbi's by its density
"""

import argparse
import importlib
import importlib.util
import json
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import chisquare
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

import quasistatic as qs
from quasistatic.config import Specification, override
from quasistatic.recipes import recipe
from quasistatic.training.loop import Training

Array = np.ndarray
DRAWS, OBSERVED, HELD_OUT, RANKED = 2000, 10, 500, 39


def two_moons(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Pairs of two moons."""
    theta = generator.uniform(-1, 1, (count, 2))
    moved = np.stack([-np.abs(theta.sum(1)), theta[:, 1] - theta[:, 0]], 1) / math.sqrt(2)
    return theta, moon(count, generator) + moved


def moon(count: int, generator: np.random.Generator) -> Array:
    """Points on a half-moon."""
    angle = generator.uniform(-np.pi / 2, np.pi / 2, count)
    radius = generator.normal(0.1, 0.01, count)
    return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], 1)


def two_moons_posterior(x: Array, count: int, generator: np.random.Generator) -> Array:
    """Exact draws: θ is what moves a point of the half-moon to x, on either side of the diagonal, in the square."""
    found = np.empty((0, 2))
    while len(found) < count:
        moved = math.sqrt(2) * (x - moon(4 * count, generator))
        moved = moved[moved[:, 0] <= 0]
        total, gap = -moved[:, 0] * generator.choice([-1, 1], len(moved)), moved[:, 1]
        theta = np.stack([(total - gap) / 2, (total + gap) / 2], 1)
        found = np.concatenate([found, theta[(np.abs(theta) <= 1).all(1)]])
    return found[:count]


def linear(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Pairs of the linear task."""
    theta = generator.normal(0, math.sqrt(0.1), (count, 10))
    return theta, theta + generator.normal(0, math.sqrt(0.1), (count, 10))


def linear_posterior(x: Array, count: int, generator: np.random.Generator) -> Array:
    """Draws of N(x / 2, 0.05)."""
    return x / 2 + generator.normal(0, math.sqrt(0.05), (count, 10))


def slcp(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Pairs of the task with a simple likelihood and a complex posterior."""
    theta = generator.uniform(-3, 3, (count, 5))
    noise = generator.standard_normal((count, 4, 2))
    first, second, rho = theta[:, 2, None] ** 2, theta[:, 3, None] ** 2, np.tanh(theta[:, 4, None])
    own = np.stack([first * noise[..., 0], second * (rho * noise[..., 0] + np.sqrt(1 - rho**2) * noise[..., 1])], -1)
    return theta, (theta[:, None, :2] + own).reshape(count, 8)


def slcp_log_likelihood(theta: Array, x: Array) -> Array:
    """log p(x | θ) up to a constant; −∞ outside the prior's box."""
    first, second = (theta[:, place, None] ** 2 + 1e-9 for place in (2, 3))
    rho = np.tanh(theta[:, 4, None])
    gap = x.reshape(4, 2) - theta[:, None, :2]
    a, b = gap[..., 0] / first, gap[..., 1] / second
    each = -0.5 * (a**2 - 2 * rho * a * b + b**2) / (1 - rho**2) - np.log(first * second) - 0.5 * np.log(1 - rho**2)
    return np.where((np.abs(theta) <= 3).all(1), each.sum(1), -np.inf)


def slcp_posterior(x: Array, count: int, generator: np.random.Generator, chains: int = 1000) -> Array:
    """Draws of chains that begin at weighted draws of the prior, each tenth of a thousand steps after five hundred."""
    prior = generator.uniform(-3, 3, (1_000_000, 5))
    log_p = slcp_log_likelihood(prior, x)
    weight = np.exp(log_p - log_p.max())
    theta = prior[generator.choice(len(prior), chains, p=weight / weight.sum())]
    log_p, kept = slcp_log_likelihood(theta, x), []
    for step in range(1500):
        one, other = generator.permutation(chains), generator.permutation(chains)
        size = generator.uniform(0.2, 0.8, (chains, 1))
        size[generator.random((chains, 1)) < 0.1] = 1.0
        moved = generator.random((chains, 5)) < 0.6
        new = theta + moved * size * (theta[one] - theta[other]) + generator.normal(0, 1e-3, theta.shape)
        new[:, 2:4] *= generator.choice([-1, 1], (chains, 2))
        log_new = slcp_log_likelihood(new, x)
        taken = np.log(generator.random(chains)) < log_new - log_p
        theta, log_p = np.where(taken[:, None], new, theta), np.where(taken, log_new, log_p)
        if step >= 500 and step % 100 == 99:
            kept.append(theta)
    return generator.permutation(np.concatenate(kept))[:count]


Draw = Callable[[int, np.random.Generator], tuple[Array, Array]]
Exact = Callable[[Array, int, np.random.Generator], Array]
TASKS: dict[str, tuple[Draw, Exact, float]] = {
    "two-moons": (two_moons, two_moons_posterior, 1.0),
    "linear": (linear, linear_posterior, math.inf),
    "slcp": (slcp, slcp_posterior, 3.0),
}
"""Pairs, the posterior, and half the side of the prior's box around 0."""


def told_apart(truth: Array, made: Array) -> float:
    """C2ST of draws against those of the reference: 0.5 is perfect."""
    values = (np.concatenate([truth, made]) - truth.mean(0)) / truth.std(0)
    labels = np.repeat([0, 1], [len(truth), len(made)])
    width = 10 * truth.shape[1]
    judge = MLPClassifier((width, width), max_iter=1000, random_state=0)
    folds = KFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(judge, values, labels, cv=folds, scoring="accuracy").mean())


def evenness(truth: Array, draws: Array) -> float:
    """Smallest p of the parameters' ranks, times their number (Bonferroni); at most 1."""
    ranks = (draws < truth[:, None]).sum(1)
    own = [chisquare(np.bincount(column, minlength=RANKED + 1).reshape(8, -1).sum(1)).pvalue for column in ranks.T]
    return min(1.0, float(min(own)) * len(own))


class Ours:
    """The recipe `points`, told x."""

    def __init__(self, theta: Array, x: Array, box: float, minutes: float, changes: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "theta.npy"), theta)
            np.save(Path(folder, "x.npy"), x)
            data = qs.load(f"{folder}/theta.npy", condition=f"{folder}/x.npy")
        config = override(recipe(None, data, "theta"), [f"training.minutes={minutes}", *changes])
        training, self.data = Training(config, Specification.of(data)), data
        for _ in training.run(data.split(config.data.held_out, 0)[0]):
            pass
        self.model, self.box = training.model, box

    def draw(self, x: Array, count: int) -> Array:
        """Draws (x, count, parameters)."""
        found = np.full((len(x), count, self.data.shape[0]), np.nan)
        for seed in range(100):
            lacking = np.isnan(found).any(2)
            if not lacking.any():
                return found
            rows = np.flatnonzero(lacking.any(1))
            each = int(lacking.sum(1).max())
            made = (
                self.model.sample(each, condition=x[rows], steps=100, seed=seed).unflatten(0, (len(rows), each)).numpy()
            )
            for row, own in zip(rows, made, strict=True):
                own = own[(np.abs(own) <= self.box).all(1)][: lacking[row].sum()]
                found[row, np.flatnonzero(lacking[row])[: len(own)]] = own
        raise ValueError("nearly all draws lie outside of the prior")

    def log_prob(self, theta: Array, x: Array) -> float:
        """Mean log p(θ | x), by the flow."""
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "theta.npy"), theta)
            np.save(Path(folder, "x.npy"), x)
            data = qs.load(f"{folder}/theta.npy", condition=f"{folder}/x.npy")
        return -self.model.evaluate(data, method="flow").bits_per_example * math.log(2)


class NPE:
    """Neural posterior estimation by `sbi`, with its own settings: a masked autoregressive or a spline flow."""

    def __init__(self, theta: Array, x: Array, box: float, density: str) -> None:
        inference = importlib.import_module("sbi.inference")
        ends = torch.full((theta.shape[1],), box)
        prior = importlib.import_module("sbi.utils").BoxUniform(-ends, ends) if math.isfinite(box) else None
        trainer = inference.NPE(prior, density_estimator=density, show_progress_bars=False)
        pairs = torch.from_numpy(theta).float(), torch.from_numpy(x).float()
        self.estimator = trainer.append_simulations(*pairs).train()
        self.posterior = trainer.build_posterior()

    def draw(self, x: Array, count: int) -> Array:
        """Draws (x, count, parameters)."""
        one = (torch.from_numpy(each).float() for each in x)
        return np.stack([self.posterior.sample((count,), x=each, show_progress_bars=False).numpy() for each in one])

    def log_prob(self, theta: Array, x: Array) -> float:
        """Mean log p(θ | x), before draws outside the prior are thrown away."""
        own, told = torch.from_numpy(theta).float()[None], torch.from_numpy(x).float()
        with torch.no_grad():
            return self.estimator.log_prob(own, told).mean().item()


def measured(task: str, given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All numbers of a task, by method."""
    simulate, posterior, box = TASKS[task]
    generator = np.random.default_rng(given.seed)
    theta, x = simulate(given.pairs, generator)
    _, observed = simulate(OBSERVED, generator)
    held_out = simulate(HELD_OUT, generator)
    references = [posterior(one, DRAWS, generator) for one in observed]
    again = [told_apart(one, posterior(own, DRAWS, generator)) for own, one in zip(observed, references, strict=True)]
    found = {"another reference": summary(again)}
    methods: dict[str, Callable[[], Ours | NPE]] = {
        "quasistatic": lambda: Ours(theta, x, box, given.minutes, [f"seed={given.seed}", *given.set])
    }
    if importlib.util.find_spec("sbi"):
        methods |= {f"sbi, {one}": lambda one=one: NPE(theta, x, box, one) for one in given.densities}
    for name, learn in methods.items():
        torch.manual_seed(given.seed)
        began = time.perf_counter()
        method = learn()
        seconds = time.perf_counter() - began
        draws = method.draw(observed, DRAWS)
        own = summary([told_apart(one, made) for one, made in zip(references, draws, strict=True)])
        ranks = evenness(held_out[0], method.draw(held_out[1], RANKED))
        found[name] = {**own, "ranks": ranks, "log_p": method.log_prob(*held_out), "seconds": seconds}
        print(task, name, found[name], flush=True)
    return found


def summary(values: list[float]) -> dict[str, float]:
    """Mean over the observed x, and its standard error."""
    return {"c2st": float(np.mean(values)), "error": float(np.std(values, ddof=1) / math.sqrt(len(values)))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="two-moons,linear,slcp")
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=2.0, help="of our training; sbi stops by itself")
    parser.add_argument("--densities", nargs="*", default=["maf", "nsf"], help="of sbi")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--json", type=Path, help="write every number there")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    results = {"pairs": given.pairs, "minutes": given.minutes, "tasks": {}}
    for task in given.tasks.split(","):
        results["tasks"][task] = measured(task, given)
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
