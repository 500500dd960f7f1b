"""Tables through the command: learn a file with gaps, draw rows, fill cells, score records; mistakes exit 2."""

import csv
import json
from pathlib import Path

import fsspec
import numpy as np
import pytest
from pyarrow import parquet

NAMES = ["height", "legs", "kind", "wild"]
SMALL = [
    *("--set", "network.width=8"),
    *("--set", "network.depth=1"),
    *("--set", "training.batch=16"),
    *("--set", "training.held_out_every=1e9"),
]


def made(count: int = 240, seed: int = 0) -> list[list[str]]:
    """Cats of 4 legs and about 30 cm, hens of 2 and about 60; a tenth of the cells empty."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        cat = generator.random() < 0.5
        height = generator.normal(30 if cat else 60, 4)
        cells = [f"{height:.3f}", "4" if cat else "2", "cat" if cat else "hen", "true" if cat else "false"]
        rows.append([cell if generator.random() > 0.1 else "" for cell in cells])
    return rows


def write(path: Path, rows: list[list[str]], names: list[str] = NAMES) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(command, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """A short run; tests read it only. Its file lies beside it."""
    place = tmp_path_factory.mktemp("tables")
    data = write(place / "animals.csv", made())
    assert command("train", data, "--out", place / "run", "--steps", 20, *SMALL) == 0
    return place / "run"


def test_check_describes_a_table(command, run: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    assert command("check", run.parent / "animals.csv") == 0
    shown = capfd.readouterr()
    assert "240" in shown.out
    assert "ready for training" in shown.err
    assert command("check", run.parent / "animals.csv", "--json") == 0
    columns = json.loads(capfd.readouterr().out)["columns"]
    assert columns["kind"].startswith("2 categories: cat, hen, ")
    assert columns["legs"].startswith("whole numbers, 2 to 4 by 2, ")
    write(run.parent / "flat.csv", [["1", ""], ["2", ""]], ["a", "b"])
    assert command("check", run.parent / "flat.csv", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert [(line["column"], line["kind"]) for line in found["plan"]] == [("a", "integer"), ("b", "constant")]


def test_samples_have_the_columns_and_types(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("rows.csv", "rows.parquet"):
        assert command("sample", run, "-n", 100, "--steps", 25, "--out", tmp_path / name) == 0
    rows = read(tmp_path / "rows.csv")
    assert list(rows[0]) == NAMES
    assert len(rows) == 100
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "height": "double",
        "legs": "int64",
        "kind": "string",
        "wild": "bool",
    }
    assert [row["legs"] for row in rows] == [str(legs) for legs in table["legs"].to_pylist()]
    assert [float(row["height"]) for row in rows] == pytest.approx(table["height"].to_pylist(), rel=1e-6)
    assert {row["legs"] for row in rows} == {"2", "4"}
    fits = [(row["kind"] == "cat") == (float(row["height"]) < 45) for row in rows]
    assert sum(fits) > 85  # chance is 50


def test_empty_cells_are_filled_and_known_ones_kept(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """Long: K rows for each row; the summary has a line for each empty cell; wide: a column for each draw."""
    gaps = write(tmp_path / "gaps.csv", [["28.5", "", "", "true"], ["61.25", "2", "hen", ""], ["", "4", "cat", "true"]])
    words = ("infer", run, gaps, "--draws", 20, "--steps", 25)
    assert command(*words, "--out", tmp_path / "full.csv") == 0
    shown = capfd.readouterr().err.replace("\n", " ")
    assert "method reveal: exact given the model's guesses" in shown
    assert "low and high cover the truth with probability 90.5%" in shown
    rows = read(tmp_path / "full.csv")
    assert list(rows[0]) == ["row", "draw", *NAMES]
    assert len(rows) == 60
    assert {(row["height"], row["wild"]) for row in rows[:20]} == {("28.5", "true")}
    assert all(all(row.values()) for row in rows)
    told = read(tmp_path / "full-summary.csv")
    assert [(line["row"], line["column"]) for line in told] == [
        ("0", "legs"), ("0", "kind"), ("1", "wild"), ("2", "height")
    ]  # fmt: skip
    assert told[1]["value"] == "cat"
    assert float(told[1]["share"]) > 0.8
    assert (told[2]["value"], told[2]["low"]) == ("false", "")
    assert 18 < float(told[3]["low"]) < float(told[3]["value"]) < float(told[3]["high"])
    assert float(told[3]["value"]) < 45
    assert [line["level"] for line in told] == ["0.9048", "", "", "0.9048"]
    assert command("infer", run, gaps, "--draws", 3, "--steps", 5, "--out", tmp_path / "few.csv") == 0
    assert "50.0% if the draws are of the true law; 90 % needs 19 draws, got 3" in capfd.readouterr().err.replace(
        "\n", " "
    )
    assert command(*words, "--form", "wide", "--out", tmp_path / "wide.parquet") == 0
    wide = parquet.read_table(tmp_path / "wide.parquet")
    assert wide.num_rows == 3
    assert wide.num_columns == 4 * 20
    assert wide["kind.19"].to_pylist()[1:] == ["hen", "cat"]


@pytest.mark.parametrize("method", ["hold", "guide", "particle"])
def test_other_methods_fill_cells_too(command, run: Path, tmp_path: Path, method: str) -> None:  # type: ignore[no-untyped-def]
    gaps = write(tmp_path / "gaps.csv", [["28.5", "", "", "true"], ["", "2", "hen", "false"]])
    words = ("--draws", 2, "--steps", 10, "--method", method)
    assert command("infer", run, gaps, *words, "--out", tmp_path / "full.csv") == 0
    rows = read(tmp_path / "full.csv")
    assert [(row["height"], row["wild"]) for row in rows[:2]] == [("28.5", "true")] * 2
    assert [(row["legs"], row["kind"], row["wild"]) for row in rows[2:]] == [("2", "hen", "false")] * 2
    assert all(all(row.values()) for row in rows)


def test_one_draw_has_no_summary(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    gaps = write(tmp_path / "gaps.csv", [["28.5", "", "cat", "true"]])
    assert command("infer", run, gaps, "--steps", 5, "--out", tmp_path / "full.parquet") == 0
    assert parquet.read_table(tmp_path / "full.parquet").column_names == ["row", "draw", *NAMES]
    assert not (tmp_path / "full-summary.csv").exists()


def test_strange_records_score_high(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """A hen of 30 cm and one with four legs cost more bits than any plain record, and a gap costs none.

    Each record comes 16 times and is scored by its mean: an example's own estimate errs by some bits.
    """
    plain = [["30.5", "4", "cat", "true"], ["59", "2", "hen", "false"], ["61", "2", "", "false"]]
    odd = [["30.5", "2", "hen", "false"], ["59", "4", "hen", "false"]]
    data = write(tmp_path / "records.csv", [*plain, *odd] * 16)
    words = ("--steps", 200, "--draws", 100, "--scores", tmp_path / "s.csv", "--json")
    assert command("evaluate", run, data, *words) == 0
    found = json.loads(capfd.readouterr().out)
    bits = [float(row["bits_per_example"]) for row in read(tmp_path / "s.csv")]
    means = np.reshape(bits, (16, 5)).mean(0)
    assert min(means[3:]) > max(means[:3]) + 1
    assert found["bits_per_example"] == pytest.approx(np.mean(bits), abs=1e-5)
    assert found["bits_per_example"] == pytest.approx(found["value"] * 4, rel=1e-9)
    write(tmp_path / "records.csv", [["30.5", "3", "cat", "true"]])
    assert command("evaluate", run, data) == 2
    assert "'legs' holds whole numbers from 2 by 2, got 3" in capfd.readouterr().err
    write(tmp_path / "records.csv", [["30.5", "8", "cat", "true"]])
    assert command("evaluate", run, data, "--steps", 10, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["impossible"] == 0  # numbers beyond the observed ones have small masses
    assert found["bits_per_example"] > 10


def test_the_null_model_of_a_table(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """A mask is no prior of a cell, so columns count by themselves: 2 bits of two even categories."""
    data = write(tmp_path / "records.csv", [["", "", "cat", "true"], ["", "", "hen", "false"]] * 200)
    assert command("evaluate", run, data, "--steps", 10, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["null"]["value"] is None
    assert found["marginal_null"]["value"] * 4 == pytest.approx(2, abs=0.02)


def test_the_training_file_is_scored_where_it_was_held_out(command, run: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("evaluate", run, run.parent / "animals.csv", "--steps", 20) == 0
    assert "scoring the 24 examples held out" in capfd.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("rows", "names", "sentence"),
    [
        ([["", "4", "cat"]], NAMES[:3], "got none called 'wild'"),
        ([["", "4", "cat", "true"]], ["Height", *NAMES[1:]], "none called 'height' and unknown ones called 'Height'"),
        ([["", "4", "cow", "true"]], NAMES, "the category 'cow', never seen in training, in row 0"),
        ([["30", "4", "cat", "true"]], NAMES, "has no empty cells"),
        ([], NAMES, "needs at least one row and one column, got none"),
        ([["", "", "", ""]], NAMES, "got nothing known; use `sample` for none"),
    ],
)
def test_bad_requests_are_one_sentence(command, run: Path, tmp_path: Path, capfd, rows, names, sentence) -> None:  # type: ignore[no-untyped-def]
    gaps = write(tmp_path / "gaps.csv", rows, names)
    assert command("infer", run, gaps, "--out", tmp_path / "full.csv") == 2
    shown = capfd.readouterr().err
    assert sentence in shown.replace("\n", " ")
    assert "Traceback" not in shown


def test_tables_that_cannot_be_learned(command, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    cases = [
        ([["1.5", ""], ["1.5", ""]] * 5, "one or none in a, b; drop what is constant"),
        ([], "a table needs at least one row and one column, got none"),
        ([["1.5", "x"], ["2.5"]], "rows with a cell for each named column are needed"),
    ]
    for number, (rows, sentence) in enumerate(cases):
        data = write(tmp_path / "bad.csv", rows, ["a", "b"])
        assert command("train", data, "--out", tmp_path / f"run{number}") == 2
        assert sentence in capfd.readouterr().err.replace("\n", " ")


def test_other_endings_and_forms_are_refused(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("sample", run, "--out", tmp_path / "rows.txt", "--steps", 2) == 2
    assert "the model's data are a table of height, legs, kind, wild" in capfd.readouterr().err.replace("\n", " ")
    gaps = write(tmp_path / "gaps.csv", [["28.5", "", "cat", "true"]])
    assert command("infer", run, gaps, "--out", tmp_path / "f.csv", "--form", "tall") == 2
    assert "imputations are written in the form long or wide, got 'tall'" in capfd.readouterr().err
    assert command("evaluate", run, run.parent / "animals.csv", "--baselines") == 2
    assert "got a table; leave baselines out" in capfd.readouterr().err
    assert command("evaluate", run, run.parent / "animals.csv", "--method", "flow") == 2


def test_a_table_works_in_its_own_precision(command, run: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """Its network solves linear systems in float64."""
    assert command("sample", run, "-n", 3, "--precision", "bf16", "-o", run.parent / "no.csv") == 2
    assert "a network with parts in float64 works as it is" in capfd.readouterr().err
    assert not (run.parent / "no.csv").exists()
    assert command("sample", run, "-n", 3, "--precision", "auto", "-o", run.parent / "drawn.csv") == 0


def test_rows_under_conditions(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    words = ("sample", run, "-n", 60, "--out", tmp_path / "rows.csv")
    assert command(*words, "--where", "kind=hen", "--where", "height>=60", "--where", "height<66") == 0
    shown = capfd.readouterr().err.replace("\n", " ")
    chance = float(shown.split("hold in ")[1].split(" of the model's rows")[0])
    assert 0.05 < chance < 0.4  # half of a half, or a little less
    rows = read(tmp_path / "rows.csv")
    assert {row["kind"] for row in rows} == {"hen"}
    assert all(60 <= float(row["height"]) < 66 for row in rows)
    assert sum(row["legs"] == "2" for row in rows) > 50
    assert command(*words, "--check", "height+legs<=64", "--check", "height>legs", "--seed", 1) == 0
    shown, rows = capfd.readouterr().err.replace("\n", " "), read(tmp_path / "rows.csv")
    share = np.mean([float(row["height"]) + float(row["legs"]) <= 64 for row in rows])
    assert f"height+legs<=64 holds in {share:.2%} of the rows; --where 'height+legs<=64' draws others" in shown
    assert "height>legs holds in 100.00% of the rows" in shown
    assert command(*words, "--where", "height+legs<=40") == 0
    assert all(float(row["height"]) + float(row["legs"]) <= 40 for row in read(tmp_path / "rows.csv"))
    assert command(*words, "--where", "height<=legs") == 2
    assert "draws a row; drop one" in capfd.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        (["size>3"], "a condition is COLUMN, one of"),
        (["kind=cow"], "the column 'kind' holds 2 categories: cat, hen, got 'cow'"),
        (["height>50", "height<40"], "the conditions on 'height' leave no value"),
    ],
)
def test_conditions_that_cannot_be_are_one_sentence(
    command, run: Path, tmp_path: Path, capfd, conditions, sentence
) -> None:  # type: ignore[no-untyped-def]
    words = [word for condition in conditions for word in ("--where", condition)]
    assert command("sample", run, "-n", 5, *words, "--out", tmp_path / "rows.csv") == 2
    shown = capfd.readouterr().err.replace("\n", " ")
    assert sentence in shown
    assert not (tmp_path / "rows.csv").exists()


def test_strange_cells_are_named(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = write(
        tmp_path / "records.csv", [["30.5", "4", "cat", "true"], ["300", "4", "cat", "true"], ["", "4", "cat", ""]]
    )
    assert command("evaluate", run, data, "--steps", 10, "--draws", 2, "--scores", tmp_path / "s.csv") == 0
    found = read(tmp_path / "s.csv")
    assert [name for name in found[0] if name.startswith("bits of ")] == [f"bits of {name}" for name in NAMES]
    assert float(found[1]["bits of height"]) > float(found[0]["bits of height"]) + 3
    assert found[2]["bits of height"] == "nan"
    assert found[0]["strange"] == ""


def test_loosely_known_cells_are_filled_inside_their_limits(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """A height of 20 to 30 is a cat's; a height seen as 60 ± 2 a hen's; other cells stay as they are."""
    gaps = write(tmp_path / "gaps.csv", [["20..30", "", "", ""], ["60±2", "", "", ""], ["28.5", ">=3", "", "true"]])
    assert command("infer", run, gaps, "--draws", 40, "--out", tmp_path / "full.csv") == 0
    assert "exact given the model's guesses" in capfd.readouterr().err.replace("\n", " ")
    rows = read(tmp_path / "full.csv")
    first, second, third = (rows[start : start + 40] for start in (0, 40, 80))
    assert all(20 <= float(row["height"]) <= 30 for row in first)
    assert sum(row["kind"] == "cat" for row in first) > 30
    heights = np.array([float(row["height"]) for row in second])
    assert abs(heights.mean() - 60) < 1.5  # the law of hens is N(60, 16): the posterior N(60, 3.2)
    assert 1 < heights.std() < 2.6
    assert {row["legs"] for row in third} == {"4"}
    assert {row["height"] for row in third} == {"28.5"}
    assert command("infer", run, gaps, "--method", "hold", "--out", tmp_path / "no.csv") == 2
    assert "are for reveal, got hold; leave the method out" in capfd.readouterr().err.replace("\n", " ")
    assert command("infer", run, gaps, "--denoise", 1, "--out", tmp_path / "no.csv") == 2
    assert "noise or limits of its own, got --denoise as well" in capfd.readouterr().err.replace("\n", " ")


def test_addresses_are_read_as_files_are(command, run: Path, tmp_path: Path, monkeypatch, capfd) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    store.pipe("/farm/animals.csv", (run.parent / "animals.csv").read_bytes())
    for source, out in ((run.parent / "animals.csv", "file.csv"), ("memory://farm/animals.csv", "address.csv")):
        assert command("infer", run, source, "--out", tmp_path / out, "--limit", 9, "--steps", 4) == 0
        assert command("evaluate", run, source, "--limit", 9, "--scores", tmp_path / f"scores-{out}") == 0
    for name in ("address.csv", "scores-address.csv"):
        assert (tmp_path / name).read_text() == (tmp_path / name.replace("address", "file")).read_text()
    capfd.readouterr()
    assert command("infer", run, "memory://farm/none.csv", "--out", tmp_path / "none.csv") == 2
    assert capfd.readouterr().err.startswith("error: memory://farm/none.csv should give data, and there are no files")
    assert not (tmp_path / "none.csv").exists()
