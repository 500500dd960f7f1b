"""Draws a finite Markov chain: a circle of states, with an arrow for each possible move.

width of an arrow ∝ its probability;  colour = its start state;  dashed outline = transient state
"""

import math
from collections.abc import Sequence
from os import PathLike

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.path import Path
from torch import Tensor

from quasistatic.markov import structure

COLOURS = ("#2a6f97", "#c8553d", "#588157", "#8e6c8a", "#b9770e", "#3d7c7c", "#a23b72", "#5c677d")

LABELLED = 8
"""Up to this many states, arrows are labelled with probabilities; with more, labels would cover the arrows."""

Point = tuple[float, float]


def draw_diagram(
    transition: Float[Tensor, "states states"], states: Sequence[str], path: str | PathLike[str] | None = None
) -> Figure:
    """Draw a transition matrix, and save the picture if a ``path`` is given (``.png``, ``.svg``, ``.pdf``).

    With more than four states, moves of probability below 0.005 are thin lines without labels.
    """
    count = len(states)
    places = _places(count)
    radius = 0.30 if count <= 2 else min(0.26, 0.85 * math.sin(math.pi / count) / 2)
    left, right = min(x for x, _ in places) - 3.3 * radius, max(x for x, _ in places) + 3.3 * radius
    room = (1.7 if count == 2 else 3.3) * radius
    low, high = min(y for _, y in places) - (1.3 * radius if count == 1 else room), max(y for _, y in places) + room
    inch = {1: 1.8, 2: 2.1}.get(count, min(3.6, 1.5 + 0.22 * count))
    figure = Figure(figsize=(inch * (right - left), inch * (high - low)))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(low, high))
    axes.set_axis_off()

    moves = [(chance, x, y) for x, row in enumerate(transition.tolist()) for y, chance in enumerate(row) if chance > 0]
    used: list[Point] = []
    for chance, x, y in sorted(moves, reverse=True):
        curve = _loop(places[x], radius, count) if x == y else _bend(places[x], places[y], radius, count)
        _arrow(axes, curve, chance, _colour(x), faint=count > LABELLED)
        if count <= 4 or (count <= LABELLED and chance >= 0.005):
            used.append(_free(curve, used) if x != y else _at(curve, 0.5))
            _number(axes, used[-1], chance, _colour(x), 11 if count <= 4 else 10 if count <= 6 else 9)
    passing = {x for members, closed in structure.classes(transition) if not closed for x in members}
    for x, name in enumerate(states):
        _node(axes, places[x], name, _colour(x), radius, x in passing, 72 * inch)
    if path is not None:
        figure.savefig(path, dpi=200)
    return figure


def _places(count: int) -> list[Point]:
    if count == 1:
        return [(0.0, 0.0)]
    if count == 2:
        return [(-0.75, 0.0), (0.75, 0.0)]
    turns = [math.pi / 2 - 2 * math.pi * x / count for x in range(count)]
    return [(math.cos(turn), math.sin(turn)) for turn in turns]


def _colour(x: int) -> str:
    return COLOURS[x % len(COLOURS)]


def _node(axes: Axes, place: Point, name: str, colour: str, radius: float, passing: bool, points: float) -> None:
    face, ink, line = ("white", colour, (0, (3, 2))) if passing else (colour, "white", "-")
    axes.add_patch(Circle(place, radius, facecolor=face, edgecolor=colour, linewidth=2, linestyle=line, zorder=3))
    shown = name if len(name) <= 12 else name[:11] + "…"
    size = min(15.0, 1.75 * radius * points / (0.64 * max(3, len(shown))))  # a letter is about 0.64 em wide
    axes.text(*place, shown, size=size, color=ink, ha="center", va="center_baseline", zorder=4)


def _arrow(axes: Axes, curve: list[Point], chance: float, colour: str, faint: bool) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=Path(curve, [Path.MOVETO] + [Path.CURVE4] * 3),
            arrowstyle="-|>",
            mutation_scale=6 + 10 * chance,
            linewidth=0.4 + 4.6 * chance,
            color=colour,
            alpha=min(1.0, 2 * chance) * 0.85 + 0.1 if faint else min(1.0, 4 * chance) * 0.5 + 0.45,
            capstyle="butt",
            joinstyle="miter",
            zorder=1 + chance,
        )
    )


def _number(axes: Axes, place: Point, chance: float, colour: str, size: int) -> None:
    digits = 3 if size > 10 else 2
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
    shown = f"{chance:.{digits}g}"
    axes.text(*place, shown, size=size, color=colour, ha="center", va="center", bbox=box, zorder=2.5)


def _free(curve: list[Point], used: list[Point]) -> Point:
    """Return the point of a curve that is farthest from earlier labels; the middle if there is room."""
    spots = [_at(curve, u) for u in (0.5, 0.43, 0.36, 0.29, 0.57, 0.22, 0.64)]
    gaps = [min((math.hypot(0.7 * (x - p), y - q) for p, q in used), default=1.0) for x, y in spots]
    return next((spot for spot, gap in zip(spots, gaps, strict=True) if gap > 0.15), spots[gaps.index(max(gaps))])


def _bend(start: Point, end: Point, radius: float, count: int) -> list[Point]:
    """Return an arc between two nodes, bent to the left, so that the two directions do not overlap."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    along, back, aside = (dx / length, dy / length), (-dx / length, -dy / length), (dy / length, -dx / length)
    # chords of a regular polygon leave a corner π/count apart: both moves of a pair fit between two others
    port = 0.40 if count == 2 else math.pi / (4 * count)
    rim, pull = 1.04 * radius, 0.36 * (length - 2 * radius)
    leave, arrive = _turned(along, aside, port, rim, start), _turned(back, aside, port, rim, end)
    first = _turned(along, aside, 1.5 * port, rim + pull, start)
    second = _turned(back, aside, 1.5 * port, rim + pull, end)
    return [leave, first, second, arrive]


def _loop(place: Point, radius: float, count: int) -> list[Point]:
    """Return a loop on the outer side of a node."""
    length = math.hypot(*place)
    out = (0.0, 1.0) if count == 1 else (place[0] / length, place[1] / length)
    aside = (out[1], -out[0])
    return [
        _turned(out, aside, -0.50, 1.04 * radius, place),
        _turned(out, aside, -0.62, 3.0 * radius, place),
        _turned(out, aside, 0.62, 3.0 * radius, place),
        _turned(out, aside, 0.50, 1.04 * radius, place),
    ]


def _turned(along: Point, aside: Point, angle: float, reach: float, origin: Point) -> Point:
    c, s = reach * math.cos(angle), reach * math.sin(angle)
    return origin[0] + c * along[0] + s * aside[0], origin[1] + c * along[1] + s * aside[1]


def _at(curve: list[Point], u: float) -> Point:
    weights = [(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3]
    return (
        sum(w * p[0] for w, p in zip(weights, curve, strict=True)),
        sum(w * p[1] for w, p in zip(weights, curve, strict=True)),
    )
