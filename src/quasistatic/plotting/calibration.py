"""Pictures of calibration: rank histograms of each method, and coverage against the level that is said."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import bdtr

from quasistatic.evaluation.calibration import Calibration
from quasistatic.plotting.chart import framed, save_figure
from quasistatic.plotting.picture import AMBER, BLUE, GREY

BARS = 20
"""Maximum number of bars of a rank histogram."""

BAND = (0.005, 0.995)
"""Quantiles of a bar's height if ranks are even."""


def save_calibration(found: Mapping[str, Calibration], path: str | Path) -> None:
    """Draw the ranks and the coverage of each method, one row for each.

    Raises:
        ValueError: if no numbers were hidden: categories have no ranks.
    """
    shown = {name: one for name, one in found.items() if one.histogram}
    if not shown:
        raise ValueError("a picture of calibration needs hidden numbers, got categories only; leave --out away")
    figure = Figure(figsize=(8, 2.6 * len(shown)), dpi=150, layout="constrained")
    grid = figure.add_gridspec(len(shown), 2)
    for row, (name, one) in enumerate(shown.items()):
        _ranks(framed(figure, grid[row, 0], f"rank of the truth ({name})", "examples"), one)
        _coverage(framed(figure, grid[row, 1], "level", "coverage"), one)
    save_figure(figure, path)


def _ranks(axes: Axes, found: Calibration) -> None:
    """Bars of ranks, and the band that even ranks stay in."""
    counts, total = found.histogram, sum(found.histogram)
    size = -(-len(counts) // BARS)
    starts = range(0, len(counts), size)
    heights = [sum(counts[start : start + size]) for start in starts]
    widths = [min(size, len(counts) - start) for start in starts]
    axes.bar(starts, heights, widths, align="edge", color=BLUE, edgecolor="white", linewidth=0.6, zorder=2)
    for start, width in zip(starts, widths, strict=True):
        cumulated = bdtr(np.arange(total + 1), total, width / len(counts))  # scipy.stats takes seconds to import
        low, high = (np.searchsorted(cumulated, share) for share in BAND)
        axes.fill_between([start, start + width], low, high, color=GREY, alpha=0.35, linewidth=0, zorder=1)


def _coverage(axes: Axes, found: Calibration) -> None:
    """The coverage of each level with its error, and the diagonal."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    levels = [one.level for one in found.coverage]
    values, errors = [one.found.value for one in found.coverage], [2 * one.found.error for one in found.coverage]
    axes.errorbar(levels, values, errors, fmt="o", color=AMBER, markersize=4, linewidth=1.2)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
