"""A condition on the command line: trained with, sampled given, scored and checked; and what is no condition."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., int]) -> Path:
    folder, generator = tmp_path_factory.mktemp("condition"), np.random.default_rng(0)
    theta = generator.normal(size=(200, 2))
    np.save(folder / "theta.npy", theta)
    rows = [
        f"{a + 0.5 * e:.4f},{'high' if b > 0 else 'low'}"
        for (a, b), e in zip(theta, generator.normal(size=200), strict=True)
    ]
    (folder / "x.csv").write_text("\n".join(["a,side", *rows]) + "\n")
    changes = ["network.width=32", "network.depth=1", "training.batch=32", f"data.condition={folder / 'x.csv'}"]
    sets = [word for change in changes for word in ("--set", change)]
    assert command("train", folder / "theta.npy", "-o", folder / "run", "--steps", 40, *sets) == 0
    return folder


def test_samples_are_given_a_condition(folder: Path, command: Callable[..., int]) -> None:
    (folder / "two.csv").write_text("a,side\n0.5,high\n-1,low\n")
    for condition, rows in (("a=0.5,side=high", 3), ("side=low", 3), (str(folder / "two.csv"), 6)):
        out = folder / "draws.npy"
        assert command("sample", folder / "run", "-o", out, "-n", 3, "--steps", 4, "--condition", condition) == 0
        assert np.load(out).shape == (rows, 2)


def test_scores_take_a_condition_or_say_that_they_have_none(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", folder / "run", folder / "theta.npy", "--json", "--draws", 2)
    assert command(*words, "--condition", folder / "x.csv") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["conditional"]
    assert "scoring the 20 examples held out" in told.err
    assert command(*words) == 0
    alone = capsys.readouterr()
    assert not json.loads(alone.out)["conditional"]
    assert "has no condition: the model is used without one; --condition FILE gives it" in " ".join(alone.err.split())


def test_samples_are_checked_against_their_conditions(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("infer", folder / "run", folder / "theta.npy", "--check", "--steps", 5, "--draws", 19)
    assert command(*words, "--json", "--condition", folder / "x.csv") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["methods"]) == ["sample"]
    assert found["methods"]["sample"]["calibration"]["draws"] == 19
    assert (
        json.loads((folder / "run" / "calibration.json").read_text())["methods"]["sample"]["condition"]["with"]
        == "everything hidden"
    )
    for other in (("--hide", 0.5), ("--label", 1), ("--resamplings", 2), ("--method", "hold")):
        assert command(*words, "--condition", folder / "x.csv", *other) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert f"all of an example is hidden and sampled, got {other[0]} too" in told


def test_typical_examples_of_the_same_data_have_the_same_condition(folder: Path, command: Callable[..., int]) -> None:
    words = ("--condition", folder / "x.csv", "--typical", folder / "theta.npy", "--scores", folder / "scores.csv")
    assert command("evaluate", folder / "run", folder / "theta.npy", *words, "--max-draws", 8) == 0
    assert (folder / "scores.csv").exists()


def test_completions_have_one_condition(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(folder / "seen.npy", np.array([[0.1, np.nan], [np.nan, 0.3]]))
    words = ("infer", folder / "run", folder / "seen.npy", "-o", folder / "filled.npy", "--draws", 2, "--steps", 3)
    assert command(*words, "--condition", "a=1,side=low") == 0
    assert np.load(folder / "filled.npy").shape == (2, 2, 2)
    capsys.readouterr()
    assert command(*words) == 0
    assert "inferring without a condition" in capsys.readouterr().err
    assert command(*words, "--condition", folder / "x.csv") == 2
    assert "one condition and no label, got 200 rows" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("a=1,b=2", "a condition names columns of a, side, got 'b'"),
        ("side=middle", "got the category 'middle', never seen in training"),
        ("nowhere.csv", "and there is no nowhere.csv"),
    ],
)
def test_bad_conditions_end_with_a_sentence(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str], condition: str, message: str
) -> None:
    out = folder / "none.npy"
    assert command("sample", folder / "run", "-o", out, "-n", 2, "--steps", 2, "--condition", condition) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_condition_is_inspected_with_its_data(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check", folder / "theta.npy", "--condition", folder / "x.csv") == 0
    assert "told of each example: a table of a, side" in " ".join(capsys.readouterr().out.split())
    (folder / "few.csv").write_text("a\n1\n2\n")
    assert command("check", folder / "theta.npy", "--condition", folder / "few.csv", "--json") == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "a row for each example, 200, got 2 rows" in problem
