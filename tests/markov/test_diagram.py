"""The picture of a chain: an arrow for each possible move, its width in proportion, its number beside it."""

from pathlib import Path

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from PIL import Image

from quasistatic.markov import MarkovChain, RateMatrix

HEALTH = MarkovChain([[0.9, 0.1, 0], [0.5, 0.3, 0.2], [0, 0, 1]], ["well", "ill", "dead"])


def arrows(figure: Figure) -> list[FancyArrowPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def test_every_possible_move_has_an_arrow_and_a_number() -> None:
    figure = HEALTH.diagram()
    assert len(arrows(figure)) == 6
    words = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(words) == sorted(["well", "ill", "dead", "0.9", "0.1", "0.5", "0.3", "0.2", "1"])


def test_width_is_affine_in_probability() -> None:
    widths = sorted(arrow.get_linewidth() for arrow in arrows(HEALTH.diagram()))
    chances = sorted([0.9, 0.1, 0.5, 0.3, 0.2, 1.0])
    slopes = [(w - widths[0]) / (p - chances[0]) for w, p in zip(widths[1:], chances[1:], strict=True)]
    assert slopes == pytest.approx([slopes[0]] * 5)
    assert slopes[0] > 0


def test_transient_states_have_a_dashed_rim() -> None:
    rims = [patch.get_linestyle() for patch in HEALTH.diagram().axes[0].patches if isinstance(patch, Circle)]
    assert [rim in ("-", "solid") for rim in rims] == [False, False, True]


@pytest.mark.parametrize("states", [1, 2, 4, 8, 15])
def test_pictures_of_all_sizes_are_drawn(states: int, tmp_path: Path) -> None:
    chain = MarkovChain.from_generator(RateMatrix.uniform(states))
    path = tmp_path / "chain.png"
    chain.diagram(path)
    with Image.open(path) as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert len(colours) > 20
    assert max(count for count, _ in colours) < 0.99 * sum(count for count, _ in colours)


def test_nodes_and_numbers_stay_inside_the_picture() -> None:
    figure = MarkovChain(torch.full((5, 5), 0.2, dtype=torch.float64), ["a long name indeed", *"bcde"]).diagram()
    renderer = FigureCanvasAgg(figure).get_renderer()
    frame = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent(renderer)
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
