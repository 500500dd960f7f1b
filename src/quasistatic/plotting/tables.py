"""Draws a comparison of two tables, as one .png or .html: each column's distribution, the similarity of each pair.

bars         shares of categories, or of numbers of few values; an empty cell is one more
densities    histograms of other numbers, between the quantiles 0.005 and 0.995 of the real rows
heat map     similarity of each pair of columns; of each column on the diagonal

Real rows are grey, samples blue. Of many columns, the least similar are drawn.
"""

import base64
import html
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity.estimate import Estimate
from quasistatic.evaluation.tabular.tables import NamedColumn, Tables, matched
from quasistatic.evaluation.tabular.verdict import TableFidelity
from quasistatic.plotting.picture import BLUE, GREY, INK, PALE, write_bytes

PANELS, PANELS_A_ROW = 48, 4
"""Maximum number of columns that are drawn, and how many side by side."""

BARS = 12
"""Maximum number of bars of a column."""

BINS = 30
"""Maximum number of bins of a histogram."""

ENDS = (0.005, 0.995)
"""Quantiles of the real rows between which a histogram is drawn."""

NAMED = 40
"""Maximum number of columns whose names stand at the heat map."""

LONGEST = 22
"""Characters of a name or a category in a picture."""

STYLE = """body { font: 15px/1.5 system-ui, sans-serif; color: #22303c }
body { max-width: 1100px; margin: 2em auto; padding: 0 1em }
td, th { padding: 0.1em 1.2em 0.1em 0; text-align: left; font-weight: normal } th { color: #7d8a97 }
img { max-width: 100%; height: auto }"""


def check_comparison(path: Path) -> None:
    """Check that a picture can be written, before any work is done.

    Raises:
        ValueError: if the ending is neither .png nor .html.
        FileNotFoundError: if the parent folder does not exist.
    """
    if path.suffix.lower() not in (".png", ".html"):
        raise ValueError(f"a picture of a comparison ends in .png or .html, got {path}; name another file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} to; make it first")


def save_comparison(found: TableFidelity, real: Dataset, made: Dataset, path: str | Path) -> None:
    """Write the picture of a comparison of the samples ``made`` with ``real`` rows.

    Raises:
        ValueError: if the ending is neither .png nor .html, or the tables do not match.
        FileNotFoundError: if the parent folder does not exist.
    """
    check_comparison(Path(path))
    tables = matched(real, made)
    pictures = {"Columns": _png(_columns(found, tables))}
    if found.pairs:
        pictures["Pairs of columns"] = _png(_pairs(found))
    if Path(path).suffix.lower() == ".png":
        write_bytes(_stacked(list(pictures.values())), path)
    else:
        write_bytes(_page(found, f"{made.name} compared with {real.name}", pictures).encode(), path)


def _columns(found: TableFidelity, tables: Tables) -> Figure:
    """Draw a panel for each column."""
    order = sorted(range(len(tables.columns)), key=lambda place: found.columns[place].similarity.value)
    drawn = sorted(order[:PANELS])
    rows = math.ceil(len(drawn) / PANELS_A_ROW)
    figure = Figure(figsize=(3 * min(PANELS_A_ROW, len(drawn)), 0.4 + 2.4 * rows), dpi=100, layout="constrained")
    for number, place in enumerate(drawn, 1):
        axes = figure.add_subplot(rows, min(PANELS_A_ROW, len(drawn)), number)
        column, similar = tables.columns[place], found.columns[place].similarity.value
        _panel(axes, column, tables.real[:, place], tables.made[:, place])
        axes.set_title(f"{_short(column.name)}  {similar:.3f}", size=9, color=INK, parse_math=False)
    figure.legend(
        handles=[Patch(color=PALE, label="real rows"), Patch(color=BLUE, label="samples")],
        loc="outside upper right",
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    return figure


def _panel(axes: Axes, column: NamedColumn, real: Float[np.ndarray, " real"], made: Float[np.ndarray, " made"]) -> None:
    """Draw the bars or the histograms of a column."""
    values = np.unique(np.concatenate([real, made]))
    if column.categories is not None or len(values) <= BARS:
        _bars(axes, column, values, [real, made])
    else:
        _histograms(axes, real, made)
    axes.tick_params(labelsize=7, color=PALE, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(PALE)


def _bars(axes: Axes, column: NamedColumn, values: np.ndarray, sets: Sequence[np.ndarray]) -> None:
    """Draw the share of each value, the most frequent first for categories; those that do not fit as one."""
    shares = np.stack([_counts(cells, values) / len(cells) for cells in sets])
    labels = [_label(column, value) for value in values.tolist()]
    if column.categories is not None:
        order = np.argsort(-shares.sum(0), kind="stable")
        shares, labels = shares[:, order], [labels[place] for place in order]
    if len(labels) > BARS:
        rest = shares[:, BARS - 1 :].sum(1, keepdims=True)
        labels = [*labels[: BARS - 1], f"{len(labels) - BARS + 1} others"]
        shares = np.concatenate([shares[:, : BARS - 1], rest], 1)
    heights = np.arange(len(labels))
    axes.barh(heights, shares[0], 0.8, color=PALE)
    axes.barh(heights, shares[1], 0.35, color=BLUE)
    axes.set_yticks(heights, labels, parse_math=False)
    axes.invert_yaxis()


def _counts(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    found, counts = np.unique(cells, return_counts=True)
    total = np.zeros(len(values))
    total[np.searchsorted(values, found)] = counts  # NaN is the last of both
    return total


def _label(column: NamedColumn, value: float) -> str:
    if math.isnan(value):
        return "(empty)"
    return f"{value:g}" if column.categories is None else _short(column.categories[int(value)])


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


def _histograms(axes: Axes, real: Float[np.ndarray, " real"], made: Float[np.ndarray, " made"]) -> None:
    """Draw the share of all rows in each bin."""
    edges = _edges(real[~np.isnan(real)], made[~np.isnan(made)])
    shares = [np.histogram(cells[~np.isnan(cells)], edges)[0] / len(cells) for cells in (real, made)]
    axes.stairs(shares[0], edges, fill=True, color=PALE)
    axes.stairs(shares[1], edges, color=BLUE, linewidth=1.3)
    axes.set_ylim(bottom=0)


def _edges(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return the edges of bins; those of whole numbers hold equally many of them."""
    seen = real if len(real) else made
    low, high = np.quantile(seen, ENDS)
    if low == high:
        low, high = seen.min(), seen.max()
    if low == high:
        both = np.concatenate([real, made])
        low, high = both.min(), both.max()
    if bool((seen % 1 == 0).all()) and high - low < 2**31:
        step = max(1, math.ceil((high - low + 1) / BINS))
        return np.arange(math.floor(low), math.ceil(high) + step + 1, step) - 0.5
    return np.linspace(low, high, BINS + 1)


def _pairs(found: TableFidelity) -> Figure:
    """Draw the similarity of each pair of columns as a heat map."""
    names = [column.name for column in found.columns]
    matrix = np.diag([column.similarity.value for column in found.columns])
    places = {name: place for place, name in enumerate(names)}
    for pair in found.pairs:
        i, j = (places[name] for name in pair.names)
        matrix[i, j] = matrix[j, i] = pair.similarity.value
    side = min(12.0, 3 + 0.25 * len(names))
    figure = Figure(figsize=(side + 1, side), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(matrix, cmap="viridis", vmin=min(0.9, float(matrix.min())), vmax=1, interpolation="nearest")
    axes.set_title("similarity of each pair of columns", size=10, color=INK)
    if len(names) <= NAMED:
        labels = [_short(name) for name in names]
        axes.set_xticks(range(len(names)), labels, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), labels, parse_math=False)
    axes.tick_params(labelsize=8, color=PALE, labelcolor=INK)
    figure.colorbar(shown, ax=axes, shrink=0.8).ax.tick_params(labelsize=8, labelcolor=GREY)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # names may hold letters that the font lacks
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def _stacked(pictures: Sequence[bytes]) -> bytes:
    """Return pictures below one another as one PNG."""
    images = [Image.open(io.BytesIO(content)).convert("RGB") for content in pictures]
    whole = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, ((whole.width - image.width) // 2, top))
        top += image.height
    buffer = io.BytesIO()
    whole.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _page(found: TableFidelity, title: str, pictures: dict[str, bytes]) -> str:
    """Return one page without links to other files."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_number(own)}</td><td>{_number(other)}</td></tr>\n"
        for name, (own, other) in found.rows().items()
    )
    images = "".join(
        f'<h2>{heading}</h2>\n<img alt="{heading}" src="data:image/png;base64,{base64.b64encode(content).decode()}">\n'
        for heading, content in pictures.items()
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n<table>\n"
        f"<tr><th></th><th>samples</th><th>real, other rows</th></tr>\n{rows}</table>\n{images}</html>\n"
    )


def _number(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.4f} ± {estimate.standard_error:.4f}"
