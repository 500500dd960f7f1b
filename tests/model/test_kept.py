"""How well methods covered is kept with the model, and later draws are warned of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quasistatic.evaluation.calibration import Average, calibration
from quasistatic.model.complete.check import MethodCheck
from quasistatic.model.complete.kept import CALIBRATION, record, warning


def check(width: float, examples: int = 100) -> MethodCheck:
    """Draws ``width`` times as far apart as those of the true law."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(examples, 4, generator=generator)
    draws = width * torch.randn(examples, 39, 4, generator=generator)
    there, categories = torch.ones(examples, 4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)
    return MethodCheck("heuristic", 10.0, calibration(draws, truth, there, categories, generator))


def test_a_method_that_covers_too_little_is_told_of(tmp_path: Path) -> None:
    record(tmp_path, 7, {"hold": check(0.5), "condition": check(1.0)}, "--half bottom")
    found = warning(tmp_path, 7, "hold")
    assert found.startswith("hold: when it was checked with --half bottom hidden, intervals of ")
    assert found.endswith("do not take them at their word")
    assert warning(tmp_path, 7, "condition") == warning(tmp_path, 7, "guide") == ""


def test_what_was_measured_at_another_step_says_nothing(tmp_path: Path) -> None:
    record(tmp_path, 7, {"hold": check(0.5)}, "30%")
    assert warning(tmp_path, 8, "hold") == warning(tmp_path, None, "hold") == ""
    record(tmp_path, 8, {"guide": check(0.5)}, "30%")
    assert (warning(tmp_path, 7, "hold"), warning(tmp_path, 8, "hold")) == ("", "")
    assert warning(tmp_path, 8, "guide")


def test_checks_of_other_methods_stay(tmp_path: Path) -> None:
    record(tmp_path, None, {"hold": check(0.5)}, "30%")
    record(tmp_path, None, {"guide": check(2.0)}, "50%")
    assert "30% hidden" in warning(tmp_path, None, "hold")
    assert "50% hidden" in warning(tmp_path, None, "guide")


@pytest.mark.parametrize("examples", [1, 5])
def test_few_examples_warn_of_nothing(tmp_path: Path, examples: int) -> None:
    own = check(0.01, examples)
    record(tmp_path, 1, {"hold": own}, "30%")
    assert warning(tmp_path, 1, "hold") == ""
    many = tuple(replace(one, found=Average(one.found.value, 0.001, 100)) for one in own.calibration.coverage)
    record(tmp_path, 1, {"hold": replace(own, calibration=replace(own.calibration, coverage=many))}, "30%")
    assert warning(tmp_path, 1, "hold")


def test_what_is_printed_is_printable(tmp_path: Path) -> None:
    record(tmp_path, 1, {"hold": check(0.5)}, "\x1b[31mred")
    assert "with [31mred hidden" in warning(tmp_path, 1, "hold")
    huge = '{"step": 1, "methods": {"hold": {"hidden": "", "examples": 100, "coverage": [[0.9, %s, 1]]}}}' % ("9" * 400)
    (tmp_path / CALIBRATION).write_text(huge)
    assert warning(tmp_path, 1, "hold") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"step": 1}',
        '{"step": 1, "methods": {"hold": 3}}',
        '{"step": 1, "methods": {"hold": {"coverage": [[1]]}}}',
    ],
)
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / CALIBRATION).write_text(text)
    assert warning(tmp_path, 1, "hold") == ""
    record(tmp_path, 1, {"hold": check(0.5)}, "30%")
    assert warning(tmp_path, 1, "hold")
