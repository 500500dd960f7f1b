"""Plots of signals: small multiples, and completions with their intervals."""

from pathlib import Path

import torch
from jaxtyping import Bool, Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from quasistatic.plotting.chart import framed, save_figure
from quasistatic.plotting.picture import AMBER, BLUE, GREY, INK

MOST = 24
"""Maximum number of signals in a picture."""

COLOURS = (BLUE, AMBER, GREY, INK)
"""Colours of channels, in turn."""

INTERVALS = (0.9, 0.5)
"""Probabilities of the intervals of a completion."""


def signals(raw: Shaped[Tensor, "n channels length"], path: str | Path) -> None:
    """Plot each signal in a panel of its own, one line for each channel; at most `MOST` of them."""
    shown = raw[:MOST].double().cpu()
    for row, axes in zip(shown, _panels(len(shown), figure := Figure(dpi=150, layout="constrained")), strict=True):
        for channel, line in enumerate(row):
            axes.plot(line.numpy(), color=COLOURS[channel % len(COLOURS)], linewidth=1)
    save_figure(figure, path)


def signal_completions(
    observed: Shaped[Tensor, "n channels length"],
    known: Bool[Tensor, "n channels length"],
    draws: Shaped[Tensor, "n k channels length"],
    truth: Shaped[Tensor, "n channels length"] | None,
    path: str | Path,
) -> None:
    """Plot what is known of each signal, the draws' median with its 50 and 90 % intervals, and the truth if given.

    Args:
        observed: signals in raw units; unknown values are not read.
        known: True where a value is known.
        draws: k completions of each.
        truth: the complete signals, or None.
        path: the PNG to write.
    """
    count = min(len(observed), MOST)
    figure = Figure(dpi=150, layout="constrained")
    for row, axes in enumerate(_panels(count, figure)):
        place = torch.arange(observed.shape[-1])
        for channel in range(observed.shape[1]):
            seen, drawn = known[row, channel], draws[row, :, channel].double()
            gap, colour = _widened(~seen), COLOURS[channel % len(COLOURS)]
            if truth is not None:
                axes.plot(place, _where(truth[row, channel], gap), color=GREY, linewidth=1, linestyle="--")
            for share in INTERVALS:
                low, high = drawn.quantile((1 - share) / 2, 0), drawn.quantile((1 + share) / 2, 0)
                axes.fill_between(place, _where(low, gap), _where(high, gap), color=colour, alpha=0.2, linewidth=0)
            axes.plot(place, _where(drawn.quantile(0.5, 0), gap), color=colour, linewidth=1.2)
            axes.plot(place, _where(observed[row, channel], seen), color=INK, linewidth=1.2)
    save_figure(figure, path)


def _panels(count: int, figure: Figure) -> list[Axes]:
    """Return axes in one column for up to four signals, else in three columns."""
    columns = 1 if count <= 4 else 3
    rows = -(-count // columns)
    figure.set_size_inches(8 if columns == 1 else 10, 1.7 * rows + 0.3)
    grid = figure.add_gridspec(rows, columns)
    return [framed(figure, grid[number // columns, number % columns], "", "") for number in range(count)]


def _where(values: Tensor, shown: Tensor) -> Float[Tensor, " length"]:
    return torch.where(shown, values.double().cpu(), torch.nan)


def _widened(gap: Bool[Tensor, " length"]) -> Bool[Tensor, " length"]:
    """Return the gap with a neighbour on each side, so that its lines meet those of what is known."""
    beyond = torch.nn.functional.pad(gap, (1, 1))
    return beyond[:-2] | beyond[1:-1] | beyond[2:]
