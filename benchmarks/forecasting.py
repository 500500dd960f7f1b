"""Forecasts of two real series: CRPS and coverage, beside the seasonal naive forecast and an autoregression.

    pip install statsmodels
    python benchmarks/forecasting.py --minutes 2 --json docs/measured/forecasting.json

elnino    monthly temperature of the sea surface, 1950 to 2010: the last 12 of 60 months are forecast
sunspots  yearly numbers of sunspots, 1700 to 2008: the last 11 of 55 years

Windows begin at every place of the first part of a series; those that are forecast lie in the last part, a horizon
apart, and share no value with the first. Ours: the recipe `signals` by `condition`. Naive: the last season again, with
what it missed by in the first part, drawn in blocks of a horizon. Autoregression: as many lags as two seasons, least
squares on the first part, paths with normal noise. All give --draws paths.

CRPS is the mean over a window's forecast values of E|X − y| − E|X − X'|/2, with a standard error over windows.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from statsmodels.datasets import elnino, sunspots
from statsmodels.tsa.ar_model import AutoReg

import quasistatic as qs

FORECAST = Callable[[np.ndarray, int], np.ndarray]
"""(known values (n, known), draws) → paths (n, draws, horizon)."""

SEASON = {"elnino": 12, "sunspots": 11}
WINDOW = 5
"""Length of a window, in seasons; the last season is forecast."""


def series(name: str) -> np.ndarray:
    """Return a series as one row of numbers."""
    if name == "elnino":
        return elnino.load_pandas().data.drop(columns="YEAR").to_numpy(dtype=float).ravel()
    return sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(dtype=float)


def ours(first: np.ndarray, season: int, minutes: float, folder: Path) -> FORECAST:
    """Train on all windows of the first part."""
    windows = np.lib.stride_tricks.sliding_window_view(first, WINDOW * season)
    np.save(folder / "windows.npy", windows.astype(np.float32))
    model = qs.fit(folder / "windows.npy", folder / "run", minutes=minutes, axes=1, progress=False)

    def forecast(known: np.ndarray, draws: int) -> np.ndarray:
        raw = torch.zeros(len(known), 1, WINDOW * season)
        raw[:, 0, : known.shape[1]] = torch.from_numpy(known)
        mask = (torch.arange(raw.shape[-1]) < known.shape[1]).expand_as(raw)
        drawn = model.infer(raw, mask, draws=draws, steps=50)
        return drawn[:, :, 0, known.shape[1] :].double().numpy()

    return forecast


def naive(first: np.ndarray, season: int) -> FORECAST:
    """The last season again, and errors of the same forecast in the first part."""
    missed = np.lib.stride_tricks.sliding_window_view(first[season:] - first[:-season], season)
    rng = np.random.default_rng(0)
    return lambda known, draws: known[:, None, -season:] + missed[rng.integers(len(missed), size=(len(known), draws))]


def autoregression(first: np.ndarray, season: int) -> FORECAST:
    """Least squares on two seasons of lags; paths step by step."""
    fitted = AutoReg(first, 2 * season).fit()
    constant, weights, spread = fitted.params[0], fitted.params[1:], math.sqrt(fitted.sigma2)
    rng = np.random.default_rng(0)

    def forecast(known: np.ndarray, draws: int) -> np.ndarray:
        path = np.repeat(known[:, None], draws, 1)
        for _ in range(season):
            mean = constant + path[..., -1 : -1 - len(weights) : -1] @ weights
            path = np.concatenate([path, (mean + spread * rng.normal(size=mean.shape))[..., None]], -1)
        return path[..., known.shape[1] :]

    return forecast


def crps(paths: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the CRPS of each window, without bias from the number of draws."""
    draws = paths.shape[1]
    apart = np.abs(paths[:, :, None] - paths[:, None]).sum((1, 2)) / (draws * (draws - 1))
    return (np.abs(paths - truth[:, None]).mean(1) - apart / 2).mean(-1)


def scored(paths: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return CRPS with its standard error over windows, and how often the 90 % interval covers."""
    values = crps(paths, truth)
    low, high = np.quantile(paths, (0.05, 0.95), axis=1)
    covered = ((truth >= low) & (truth <= high)).mean()
    return {
        "crps": float(values.mean()),
        "error": float(values.std(ddof=1) / math.sqrt(len(values))),
        "covers_90": float(covered),
        "windows": len(values),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training for each series")
    parser.add_argument("--share", type=float, default=0.6, help="first part of a series")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--only", nargs="*", choices=SEASON, default=list(SEASON), help="series")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(2)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in given.only:
        season = SEASON[name]
        values, length = series(name), WINDOW * season
        split = round(given.share * len(values))
        first = values[:split]
        starts = range(split, len(values) - length + 1, season)
        windows = np.stack([values[start : start + length] for start in starts])
        known, truth = windows[:, :-season], windows[:, -season:]
        with tempfile.TemporaryDirectory() as folder:
            methods = {
                "signals": ours(first, season, given.minutes, Path(folder)),
                "seasonal naive": naive(first, season),
                "autoregression": autoregression(first, season),
            }
            found[name] = {method: scored(forecast(known, given.draws), truth) for method, forecast in methods.items()}
        print(json.dumps({name: found[name]}), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
