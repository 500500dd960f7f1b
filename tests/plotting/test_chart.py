"""Charts: where the bits go, and the course of a run."""

import math
from pathlib import Path

import pytest
import torch

from quasistatic.evaluation import BoundTerms
from quasistatic.plotting import (
    bits_by_time,
    bound_by_time,
    training_curve,
)
from quasistatic.schedule import Cosine, Linear, Reciprocal
from sheets import array, report, some_terms


@pytest.mark.parametrize("bins", [None, 1, 7])
@pytest.mark.parametrize(("steps", "draws"), [(1000, 16), (50, 49), (7, 3), (2, 1)])
def test_bars_sum_to_the_diffusion_cost(steps: int, draws: int, bins: int | None) -> None:
    terms = some_terms(steps, draws)
    edges, bits = bits_by_time(terms, 64, bins)
    assert len(edges) == len(bits) + 1
    assert (edges[0], edges[-1]) == (0, 1)
    assert bits.sum().item() == pytest.approx(terms.diffusion.mean().item() / (64 * math.log(2)), rel=1e-12)


def test_equal_steps_make_equal_bars_but_for_the_last_step() -> None:
    """50 steps, all looked at: 25 bars of two, of which the first has one, for its other is the reconstruction."""
    _, bits = bits_by_time(some_terms(50, 49), 1)
    assert bits.tolist() == pytest.approx([0.25 / math.log(2)] + [0.5 / math.log(2)] * 24)


def test_a_chain_oftake_step_has_no_diffusion() -> None:
    none, one = torch.zeros(0, 3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    _, bits = bits_by_time(BoundTerms(one, 0 * one, one, none, none), 2)
    assert bits.tolist() == [0.0]


@pytest.mark.parametrize("schedule", [Cosine(), Linear(), Reciprocal()], ids=repr)
def test_the_bound_is_drawn_under_any_clock(schedule: Cosine | Linear | Reciprocal, tmp_path: Path) -> None:
    bound_by_time(some_terms(100, 16), schedule, 64, tmp_path / "a.png")
    assert array(tmp_path / "a.png").shape == (540, 1350, 3)


def test_the_course_of_a_run_is_drawn(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("\n".join([report(0), report(10), report(20)]))
    training_curve(metrics, tmp_path / "loss.png")
    metrics.write_text("\n".join([report(0), report(10, 2.5), report(20, 2.25), '{"step": 30, "lo']))
    training_curve(metrics, tmp_path / "both.png")
    assert array(tmp_path / "both.png").shape[0] == 2 * array(tmp_path / "loss.png").shape[0]
