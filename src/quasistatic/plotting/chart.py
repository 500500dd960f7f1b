"""Charts with axes: scatter plots, the bound's cost against time, histograms of works, training curves."""

import io
import json
import math
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from torch import Tensor

from quasistatic.evaluation import BoundTerms, Ordered, Works, mean_and_error
from quasistatic.plotting.picture import AMBER, BLUE, GREY, INK, PALE, check_points, write_bytes
from quasistatic.schedule import Schedule


def points(
    raw: Shaped[Tensor, " n *shape"], path: str | Path, data: Shaped[Tensor, " m *shape2"] | None = None
) -> None:
    """Draw a scatter plot of 2-D points (n, 2), on top of ``data`` if given.

    Raises:
        ValueError: if the points are not two columns of finite values.
    """
    figure = Figure(figsize=(5, 5), dpi=150, layout="constrained")
    axes = framed(figure, figure.add_gridspec(1, 1)[0], "first column", "second column")
    for values, colour, name in ((data, GREY, "data"), (raw, BLUE, "model")):
        if values is not None:
            check_points(values)
            x, y = values.double().cpu().T.numpy()
            area = min(14.0, max(2.0, 8000 / len(values)))
            axes.scatter(x, y, area, color=colour, alpha=0.6, linewidths=0, label=name)
    axes.grid(axis="x", color="#eceff2")
    axes.set_aspect("equal", adjustable="datalim")
    if data is not None:
        figure.legend(
            loc="outside upper right",
            ncols=2,
            frameon=False,
            fontsize=10,
            labelcolor=INK,
            markerscale=2,
            handletextpad=0,
        )
    save_figure(figure, path)


def bits_by_time(
    terms: BoundTerms, dimensions: int, bins: int | None = None
) -> tuple[Float[Tensor, " edges"], Float[Tensor, " bins"]]:
    """Sum the diffusion cost in equal bins of time.

    Args:
        terms: the bound's terms of many examples.
        dimensions: values per example.
        bins: number of bins; by default at most 40, with equally many steps of an even grid in each.

    Returns:
        The edges of the bins, from 0 to 1, and the cost of each bin in bits/dim. The costs sum to the mean diffusion
        cost.

    Raises:
        ValueError: if ``bins`` is below 1.
    """
    if bins is not None and bins < 1:
        raise ValueError(f"costs are shared out over one bin or more, got {bins}")
    times, costs = terms.times.flatten().cpu(), terms.step_costs.flatten().cpu().double()
    gaps = times.unique().diff()
    steps = round(1 / gaps.min().item()) if len(gaps) else 1
    bins = bins or max((b for b in range(10, 41) if steps % b == 0), default=min(40, max(1, steps // 4)))
    # a step that ends at an edge belongs to the bin below; the margin absorbs rounding of the times
    place = ((times * bins - 1e-6).ceil().long() - 1).clamp(0, bins - 1)
    shares = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, costs)
    looked = costs.sum().item()
    scale = terms.diffusion.sum().item() / looked if looked else 0.0
    nats = shares * scale / len(terms.diffusion)
    return torch.linspace(0, 1, bins + 1, dtype=torch.float64), nats / (dimensions * math.log(2))


def bound_by_time(terms: BoundTerms, schedule: Schedule | None, dimensions: int, path: str | Path) -> None:
    """Plot the bound's terms: prior, diffusion and reconstruction as bars, and the diffusion cost against time.

    Args:
        terms: the bound's terms of many examples, in nats of their raw units.
        schedule: gives the log-SNR axis on top; None for a product of several schedules, drawn without that axis.
        dimensions: values per example.
        path: the PNG to write.

    Raises:
        ValueError: if a cost is infinite, which means that an example has probability 0.
    """
    scale = 1 / (dimensions * math.log(2))
    _check_possible(terms.value)
    value, error = mean_and_error(-terms.value.cpu() * scale)
    edges, bits = bits_by_time(terms, dimensions)
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    figure.suptitle(
        f"{value:.3f}{f' ± {error:.3f}' if math.isfinite(error) else ''} bits/dim, and where they go", color=INK
    )
    parts = figure.add_gridspec(1, 2, width_ratios=(1, 2.6), wspace=0.06)

    axes = framed(figure, parts[0], "bits/dim", "")
    for name, colour in {"prior": GREY, "diffusion": BLUE, "reconstruction": AMBER}.items():
        cost = getattr(terms, name).mean().item() * scale
        axes.barh(name, cost, 0.6, color=colour)
        axes.annotate(
            f"{cost:.3f}", (max(cost, 0.0), name), (4, 0), textcoords="offset points", va="center", size=10, color=INK
        )
    axes.axvline(0, color=PALE, linewidth=0.8)
    axes.grid(visible=False)
    axes.margins(x=0.3)

    axes = framed(figure, parts[1], "time t, from data to noise", f"bits/dim in each 1/{len(bits)} of time")
    axes.bar(
        edges[:-1].numpy(), bits.numpy(), 1 / len(bits), align="edge", color=BLUE, edgecolor="white", linewidth=0.6
    )
    axes.set_xlim(0, 1)
    if schedule is not None:
        _log_snr_axis(axes, schedule)
    save_figure(figure, path)


def _log_snr_axis(axes: Axes, schedule: Schedule) -> None:
    """Add an axis of the log-SNR on top of an axis of time."""
    above = axes.secondary_xaxis("top")
    marks = _log_snr_marks(schedule)
    above.set_xticks([t for _, t in marks], [f"{mark:+.0f}".replace("-", "−").replace("+0", "0") for mark, _ in marks])
    above.set_xlabel("log-SNR", size=9, color=GREY)
    above.tick_params(labelsize=8, color=PALE, labelcolor=GREY)
    above.spines["top"].set_visible(False)


def _log_snr_marks(schedule: Schedule) -> list[tuple[float, float]]:
    """Round values of the log-SNR and their times, spaced widely enough for labels."""
    values = torch.tensor([12.0, 9, 6, 4, 3, 2, 1, 0, -1, -2, -3, -4, -6, -9, -12], dtype=torch.float64)
    first, last = schedule.log_snr(torch.tensor([0.005, 0.995], dtype=torch.float64)).tolist()
    marks: list[tuple[float, float]] = []
    for value, t in zip(values.tolist(), schedule.time_of(values).tolist(), strict=True):
        if last < value < first and t - (marks[-1][1] if marks else -1) > 0.04:
            marks.append((value, t))
    return marks


def bits_by_element(found: Ordered, path: str | Path) -> None:
    """Plot what each element costs, by its place in the example, and the histogram of the examples' scores.

    Args:
        found: exact scores of many examples; several axes of an example are laid out one after another.
        path: the PNG to write.

    Raises:
        ValueError: if an example has probability 0.
    """
    bits = -found.elements.flatten(1).cpu().double() / math.log(2)
    _check_possible(bits.sum(1))
    value, error = mean_and_error(bits.mean(1))
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    figure.suptitle(
        f"{value:.3f}{f' ± {error:.3f}' if math.isfinite(error) else ''} bits/dim, and where they go", color=INK
    )
    parts = figure.add_gridspec(1, 2, width_ratios=(1, 1.6), wspace=0.06)
    middle = bits.mean(1).median().item()
    marks = {f"median {middle:.3f}": (middle, INK), f"mean {value:.3f}": (value, AMBER)}
    _histogram(framed(figure, parts[0], "bits/dim", "examples"), bits.mean(1), marks)
    axes = framed(figure, parts[1], "place of the element", "bits, mean over examples")
    axes.step(range(bits.shape[1]), bits.mean(0).numpy(), where="mid", color=BLUE, linewidth=1.2)
    axes.set_ylim(bottom=0 if bits.mean(0).min() >= 0 else None)
    axes.margins(x=0.01)
    save_figure(figure, path)


def _check_possible(scores: Tensor) -> None:
    """Raise ValueError if a score is infinite, which means that its example has probability 0."""
    never = int((~scores.isfinite()).sum())
    if never:
        raise ValueError(
            f"a picture of where bits go needs finite costs, and {never} of {len(scores)} examples have "
            "probability 0; leave them out"
        )


def works(found: Works, dimensions: int, path: str | Path) -> None:
    """Plot the histogram of −W over all paths, and mark the bound (its mean) and the estimate log (1/N) Σ e^{−W}.

    With several examples, a second histogram shows each path's −W minus its example's bound. It separates the spread
    between paths from the spread between examples. The estimate exceeds the bound by the average gain of N paths.

    Args:
        found: the works of many examples, in nats of their raw units.
        dimensions: values per example.
        path: the PNG to write.

    Raises:
        ValueError: if no example has only possible paths.
    """
    values = found.minus_work.cpu()
    paths, examples = values.shape
    possible = values.isfinite().all(0)
    if not bool(possible.any()):
        raise ValueError(
            f"a histogram of works needs an example whose paths are all possible, got none of {examples}; "
            "the model gives these data probability 0"
        )
    inner = Works(values[:, possible])
    bound, value = inner.bound, inner.value
    scale = -1 / (dimensions * math.log(2))
    left_out = f"; {examples - len(bound):,} examples left out, W = ∞" if len(bound) < examples else ""
    figure = Figure(figsize=(9 if len(bound) > 1 else 5.4, 3.6), dpi=150, layout="constrained")
    figure.suptitle(
        f"works of {len(bound):,} examples, {paths:,} path{'s' * (paths > 1)} each{left_out}", color=INK, size=11
    )
    parts = figure.add_gridspec(1, 2 if len(bound) > 1 else 1, wspace=0.06)
    middle, estimate = bound.mean().item(), value.mean().item()
    marks = {
        f"bound  {middle * scale:.4g} bits/dim": (middle, INK),
        f"from {paths:,} path{'s' * (paths > 1)}  {estimate * scale:.4g} bits/dim": (estimate, AMBER),
    }
    _histogram(framed(figure, parts[0], "−W, nats", "paths"), inner.minus_work, marks)
    if len(bound) > 1:
        gains = {"bound": (0.0, INK), f"gain of {estimate - middle:.3g} nats": (estimate - middle, AMBER)}
        _histogram(framed(figure, parts[1], "−W − the example's bound, nats", ""), inner.minus_work - bound, gains)
    save_figure(figure, path)


def _histogram(axes: Axes, values: Tensor, marks: dict[str, tuple[float, str]]) -> None:
    """A histogram with named vertical lines."""
    flat = values.flatten().double().numpy()
    axes.hist(flat, bins=min(80, max(10, round(len(flat) ** 0.5))), color=BLUE, edgecolor="white", linewidth=0.3)
    for (name, (place, colour)), style in zip(marks.items(), ("--", "-"), strict=True):
        axes.axvline(place, color=colour, linestyle=style, linewidth=1.6, label=name)
    axes.margins(y=0.2)
    axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=INK)


def training_curve(metrics: str | Path, path: str | Path) -> None:
    """Plot the loss and the held-out bits/dim against steps, from a run's ``metrics.jsonl``.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if a line other than an unfinished last one is damaged, or there is no report yet.
    """
    if not Path(metrics).is_file():
        raise FileNotFoundError(f"the course of a run is in its metrics.jsonl, and there is no {metrics}")
    lines = Path(metrics).read_text().splitlines()
    losses: dict[int, float] = {}
    scores: dict[int, float] = {}
    for number, line in enumerate(lines, 1):
        try:
            report = json.loads(line)
            losses[report["step"]] = report["loss"]
            if report.get("held_out") is not None:
                scores[report["step"]] = report["held_out"]
        except (json.JSONDecodeError, KeyError, TypeError):
            if number < len(lines):
                raise ValueError(f"{metrics} should hold a report per line, and line {number} is damaged") from None
    if not losses:
        raise ValueError(f"{metrics} holds no report yet; draw it once the run has made some steps")
    panels = 2 if scores else 1
    figure = Figure(figsize=(8, 2.6 * panels), dpi=150, layout="constrained")
    parts = figure.add_gridspec(panels, 1)
    axes = framed(figure, parts[0], "step", "training loss")
    _curve(axes, losses, BLUE)
    if scores:
        axes.set_xlabel("")
        below = framed(figure, parts[1], "step", "held out, bits/dim")
        below.sharex(axes)
        _curve(below, scores, AMBER, "o")
        axes.tick_params(labelbottom=False)
        best = min(scores, key=lambda step: scores[step])
        text, place = f"best {scores[best]:.3f} at step {best:,}", (best, scores[best])
        below.annotate(text, place, (0, 6), textcoords="offset points", ha="center", va="bottom", size=10, color=INK)
    save_figure(figure, path)


def _curve(axes: Axes, values: dict[int, float], colour: str, marker: str = "") -> None:
    """Plot a curve; the y-limits ignore the first 5 % of the points, which would flatten the rest."""
    steps = sorted(step for step, value in values.items() if math.isfinite(value))
    shown = [values[step] for step in steps]
    axes.plot(steps, shown, color=colour, marker=marker, markersize=4, linewidth=1.4)
    later = shown[len(shown) // 20 :]
    if later:
        room = max(max(later) - min(later), 1e-3 * abs(min(later)), 1e-9)
        axes.set_ylim(min(later) - 0.1 * room, max(later) + 0.2 * room)


def framed(figure: Figure, place: SubplotSpec, below: str, beside: str) -> Axes:
    """Return axes in the house style, with what is below and beside them."""
    axes = figure.add_subplot(place)
    axes.set_xlabel(below, size=10, color=INK)
    axes.set_ylabel(beside, size=10, color=INK)
    axes.tick_params(labelsize=9, color=PALE, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(PALE)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#eceff2")
    return axes


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; the file is replaced atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    write_bytes(buffer.getvalue(), path)
