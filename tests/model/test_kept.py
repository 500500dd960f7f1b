"""How well methods covered is kept with the model, and later draws are warned of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quasistatic.evaluation.calibration import Average, calibration
from quasistatic.inference import Known, Noisy, super_resolution
from quasistatic.model.complete.check import MethodCheck
from quasistatic.model.complete.kept import CALIBRATION, kind_of, record, warning


def check(width: float, examples: int = 100) -> MethodCheck:
    """Draws ``width`` times as far apart as those of the true law."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(examples, 4, generator=generator)
    draws = width * torch.randn(examples, 39, 4, generator=generator)
    there, categories = torch.ones(examples, 4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)
    return MethodCheck("heuristic", 10.0, calibration(draws, truth, there, categories, generator))


def test_a_method_that_covers_too_little_is_told_of(tmp_path: Path) -> None:
    record(tmp_path, 7, {"hold": check(0.5), "condition": check(1.0)}, "values", "--half bottom hidden")
    found = warning(tmp_path, 7, "hold", "values")
    assert found.startswith("hold: when it was checked with --half bottom hidden, intervals of ")
    assert found.endswith("do not take them at their word")
    assert warning(tmp_path, 7, "condition", "values") == warning(tmp_path, 7, "guide", "values") == ""


def test_what_was_measured_at_another_step_says_nothing(tmp_path: Path) -> None:
    record(tmp_path, 7, {"hold": check(0.5)}, "values", "30% hidden")
    assert warning(tmp_path, 8, "hold", "values") == warning(tmp_path, None, "hold", "values") == ""
    record(tmp_path, 8, {"guide": check(0.5)}, "values", "30% hidden")
    assert (warning(tmp_path, 7, "hold", "values"), warning(tmp_path, 8, "hold", "values")) == ("", "")
    assert warning(tmp_path, 8, "guide", "values")


def test_checks_of_other_methods_stay(tmp_path: Path) -> None:
    record(tmp_path, None, {"hold": check(0.5)}, "values", "30% hidden")
    record(tmp_path, None, {"guide": check(2.0)}, "values", "50% hidden")
    assert "30% hidden" in warning(tmp_path, None, "hold", "values")
    assert "50% hidden" in warning(tmp_path, None, "guide", "values")


@pytest.mark.parametrize("examples", [1, 5])
def test_few_examples_warn_of_nothing(tmp_path: Path, examples: int) -> None:
    own = check(0.01, examples)
    record(tmp_path, 1, {"hold": own}, "values", "30% hidden")
    assert warning(tmp_path, 1, "hold", "values") == ""
    many = tuple(replace(one, found=Average(one.found.value, 0.001, 100)) for one in own.calibration.coverage)
    record(
        tmp_path, 1, {"hold": replace(own, calibration=replace(own.calibration, coverage=many))}, "values", "30% hidden"
    )
    assert warning(tmp_path, 1, "hold", "values")


def test_what_is_printed_is_printable(tmp_path: Path) -> None:
    record(tmp_path, 1, {"hold": check(0.5)}, "values", "\x1b[31mred")
    assert "with [31mred, intervals" in warning(tmp_path, 1, "hold", "values")
    huge = '{"step": 1, "methods": {"hold": {"values": {"with": "", "examples": 100, "coverage": [[0.9, %s, 1]]}}}}' % (
        "9" * 400
    )
    (tmp_path / CALIBRATION).write_text(huge)
    assert warning(tmp_path, 1, "hold", "values") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"step": 1}',
        '{"step": 1, "methods": {"hold": 3}}',
        '{"step": 1, "methods": {"hold": {"values": 3}}}',
        '{"step": 1, "methods": {"hold": {"values": {"coverage": [[1]]}}}}',
        '{"step": 1, "methods": {"hold": {"coverage": [[1]]}}}',
    ],
)
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / CALIBRATION).write_text(text)
    assert warning(tmp_path, 1, "hold", "values") == ""
    record(tmp_path, 1, {"hold": check(0.5)}, "values", "30% hidden")
    assert warning(tmp_path, 1, "hold", "values")


def test_each_kind_of_observation_has_a_check_of_its_own(tmp_path: Path) -> None:
    record(tmp_path, 1, {"guide": check(0.5)}, "means", "means over 4×4 pixels")
    record(tmp_path, 1, {"guide": check(1.0)}, "values", "30% hidden")
    assert "when it was checked with means over 4×4 pixels, intervals" in warning(tmp_path, 1, "guide", "means")
    assert warning(tmp_path, 1, "guide", "values") == warning(tmp_path, 1, "guide", "noise") == ""
    known = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    kinds = {
        "values": Known(known, torch.zeros(1, 1, 2, 2)),
        "noise": Noisy(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), known),
        "means": super_resolution(torch.zeros(1, 1, 1, 1), 2, 0.1),
    }
    assert {kind_of(observation) for observation in kinds.values()} == set(kinds)
    assert all(kind_of(observation) == kind for kind, observation in kinds.items())
