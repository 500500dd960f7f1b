"""`--column`, `--missing` and `--ids` through the command: what is asked for holds from check to samples."""

import csv
import json
from pathlib import Path

import pytest

from quasistatic.config import read_object

SMALL = ["--steps", 3, "--set", "network.width=8", "--set", "network.depth=1", "--set", "training.held_out_every=1e9"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("columns") / "visits.csv"
    lines = ["visit;day;age;paid;site;zip"]
    for row in range(120):
        age = -999 if row % 9 == 4 else 20 + row % 50
        lines.append(f"V{row};{1 + row % 28:02}.03.2024;{age};{row % 7},5 €;north;{10115 + row % 3}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(command, data: Path) -> Path:  # type: ignore[no-untyped-def]
    """A short run; tests read it only."""
    words = ("--column", "zip=category", "--column", "visit=id", "--missing", "-999")
    assert command("train", data, "--out", data.parent / "run", *words, *SMALL) == 0
    return data.parent / "run"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_check_prints_the_plan(command, data: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("check", data, "--missing", "-999", "--column", "zip=category", "--json") == 0
    plan = {line["column"]: line for line in json.loads(capfd.readouterr().out)["plan"]}
    assert {name: line["kind"] for name, line in plan.items()} == {
        "visit": "category",
        "day": "date",
        "age": "integer",
        "paid": "number",
        "site": "constant",
        "zip": "category",
    }
    assert plan["age"]["empty"] == 13
    assert plan["paid"]["note"] == "in €; decimal comma"
    assert command("check", data) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "column kind what is in it empty note" in shown
    assert "reads it as empty" in shown


def test_the_run_keeps_what_was_asked_for(run: Path) -> None:
    kept = read_object(run / "config.json")["config"]["data"]
    assert kept["columns"] == ["zip=category", "visit=id"]
    assert kept["missing"] == ["-999"]


def test_samples_look_like_the_file(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("sample", run, "-n", 20, "--steps", 5, "--out", tmp_path / "s.csv") == 0
    rows = rows_of(tmp_path / "s.csv")
    assert list(rows[0]) == ["visit", "day", "age", "paid", "site", "zip"]
    assert {row["site"] for row in rows} == {"north"}
    assert {row["visit"] for row in rows} == {""}
    assert {row["zip"] for row in rows} <= {"10115", "10116", "10117"}
    assert all(row["day"].endswith(".03.2024") and len(row["day"]) == 10 for row in rows)
    assert all(20 <= int(row["age"]) <= 69 for row in rows)
    assert all(row["paid"].endswith(" €") for row in rows)
    assert command("sample", run, "-n", 3, "--steps", 5, "--ids", "numbered", "--out", tmp_path / "n.parquet") == 0
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "n.parquet")["visit"].to_pylist() == [1, 2, 3]
    assert command("sample", run, "--ids", "some", "--out", tmp_path / "n.csv") == 2
    assert "ids in samples are empty or numbered, got 'some'" in capfd.readouterr().err


def test_other_files_are_read_alike(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """Other separators, an unknown constant, no ids; the model's marker is a gap."""
    gaps = tmp_path / "gaps.tsv"
    gaps.write_text(
        "day\tage\tpaid\tsite\tzip\n05.03.2024\t-999\t2,5 €\tsouth\t10116\n06.03.2024\t30\t\tnorth\t10115\n"
    )
    assert command("infer", run, gaps, "--steps", 5, "--out", tmp_path / "full.csv") == 0
    rows = rows_of(tmp_path / "full.csv")
    assert [row["day"] for row in rows] == ["05.03.2024", "06.03.2024"]
    assert rows[1]["age"] == "30"
    assert rows[0]["age"] not in ("", "-999")
    assert command("evaluate", run, gaps, "--steps", 5, "--json") == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["examples"] == 2
    assert "not compared with the model, for which they are constant: site" in shown.err.replace("\n", " ")


def test_resuming_keeps_the_columns(command, data: Path, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    words = ("train", data, "--out", tmp_path / "run", *SMALL[2:])
    assert command(*words, "--steps", 2, "--column", "visit=drop") == 0
    assert command(*words, "--steps", 3, "--resume") == 0
    assert command(*words, "--steps", 4, "--resume", "--column", "visit=id") == 2
    assert "the run was started with data.columns" in capfd.readouterr().err.replace("\n", " ")


def test_options_for_other_data_are_refused(command, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("check", "digits", "--column", "a=drop") == 2
    assert "are for tables with named columns, got digits" in capfd.readouterr().err.replace("\n", " ")


def test_a_kind_of_no_column_is_refused(command, data: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    for words in (("check", data), ("train", data, "--out", tmp_path / "run", *SMALL)):
        assert command(*words, "--column", "Zip=category") == 2
        assert "--column names a column of the file (visit, day, age, paid, site, zip), got 'Zip'" in " ".join(
            capfd.readouterr().err.split()
        )
