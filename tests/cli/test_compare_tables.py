"""`compare` of two tables: what is printed and drawn, and which request is refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    command: Callable[..., int], capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    """Run compare with words, in a folder with some files: (status, stdout, stderr in one line)."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("real", "samples", "training")):
        write(f"{name}.csv", rows(seed))
    write("few.csv", rows(3)[:49])
    write("other.csv", [{"age": row["age"], "job": row["job"]} for row in rows(4)])
    write("same.csv", [{**row, "income": "low"} for row in rows(5)])
    np.save("array.npy", np.random.default_rng(0).normal(size=(60, 2)))

    def called(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = command("compare", *words)
        shown = capfd.readouterr()
        return status, shown.out, " ".join(shown.err.split())

    return called


def rows(seed: int) -> list[dict[str, object]]:
    """Ages, jobs with empty cells and a name that a picture must not read as markup, incomes."""
    draws = np.random.default_rng(seed)
    found: list[dict[str, object]] = []
    for _ in range(80):
        age, job = int(draws.integers(18, 80)), draws.choice(["", "cook", "clerk <b>", "$x$", "職人"])
        income = "high" if age + draws.normal(0, 10) > 50 else "low"
        found.append({"age": age, "job": job, "weight": round(float(draws.normal(70, 9)), 1), "income": income})
    return found


def write(name: str, table: list[dict[str, object]]) -> None:
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def test_json(call: Call) -> None:
    words = ("real.csv", "samples.csv", "--training", "training.csv", "--target", "income", "--json")
    status, out, _ = call(*words)
    assert status == 0
    found = json.loads(out)
    assert set(found) == {
        *("shape", "trend", "auc", "detection", "task", "copies", "columns", "pairs", "trees"),
        *("examples", "other_examples"),
    }
    for name in ("shape", "trend", "detection"):
        assert set(found[name]) == {"samples", "real"}
        assert 0.5 < found[name]["samples"]["value"] <= 1
        assert found[name]["samples"]["standard_error"] > 0
    assert [one["name"] for one in found["columns"]] == ["age", "job", "weight", "income"]
    assert len(found["pairs"]) == 6
    assert (found["task"]["target"], found["task"]["measure"]) == ("income", "AUC")
    assert found["task"]["score"]["samples"]["value"] > 0.7
    assert 0.2 < found["copies"]["nearer_to_training"]["value"] < 0.8
    assert found["copies"]["copies"]["samples"]["value"] == 0
    assert found["examples"] == [80, 80]


def test_text(call: Call) -> None:
    status, out, err = call("real.csv", "samples.csv", "--target", "weight", "--limit", 70)
    assert status == 0
    assert out.split()[:4] == ["samples", "real,", "other", "rows"]
    for title in ("shape (similarity of columns)", "trend (similarity of pairs)", "R2 of weight"):
        assert title in out
    assert "detection (" in out
    assert "least similar columns: " in out
    assert "least similar pairs: " in out
    assert "copies" not in out
    assert "70 real rows and 70 samples; next to them 35 and 35 real rows" in err
    assert "copies are not looked for: give the model's training data as --training" in err


def test_pictures(call: Call) -> None:
    assert call("real.csv", "samples.csv", "--picture", "shown.png")[0] == 0
    with Image.open("shown.png") as image:
        assert image.size[0] > 500
        assert image.size[1] > 500
    assert call("real.csv", "samples.csv", "--picture", "shown.html")[0] == 0
    page = Path("shown.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "samples.csv compared with real.csv" in page
    assert "<script" not in page
    assert 'src="http' not in page


MISTAKES = {
    "features": (["real.csv", "samples.csv", "--features", "pca:2"], "column by column (--features raw), got pca:2"),
    "target of an array": (
        ["array.npy", "array.npy", "--target", "age"],
        "--target is for two tables of named columns, got other data; leave it out",
    ),
    "picture of an array": (["real.csv", "array.npy", "--picture", "a.png"], "--picture is for two tables of named"),
    "picture of another kind": (
        ["real.csv", "samples.csv", "--picture", "a.pdf"],
        "a picture of a comparison ends in .png or .html, got a.pdf; name another file",
    ),
    "picture nowhere": (["real.csv", "samples.csv", "--picture", "no/a.png"], "there is no folder no to write a.png"),
    "no such target": (["real.csv", "samples.csv", "--target", "pay"], "the target is a column of both tables (age, "),
    "target of one value": (
        ["same.csv", "samples.csv", "--target", "income"],
        "needs two values or more in the real rows, got 1 in the column 'income'",
    ),
    "training of other columns": (
        ["real.csv", "samples.csv", "--training", "other.csv"],
        "other.csv: the columns of real.csv are needed (age, job, weight, income), got none called 'weight', 'income'",
    ),
    "training that is no table": (
        ["real.csv", "samples.csv", "--training", "array.npy"],
        "tables are compared with tables of the same columns, got array.npy",
    ),
    "few rows": (["real.csv", "few.csv"], "needs at least 50 rows of each, got 49 in few.csv; give more"),
    "held-out rows that were trained on": (
        ["real.csv", "samples.csv", "--training", "real.csv"],
        "got 80 of 80 that equal a training row; give held-out rows as REAL",
    ),
    "limit": (["real.csv", "samples.csv", "--limit", "0"], "limit must be at least 1, got 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(name: str, call: Call) -> None:
    words, sentence = MISTAKES[name]
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
