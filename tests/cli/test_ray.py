"""--ray: Parquet in, a folder of Parquet parts out; what it does not take is told before any work."""

import sys
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

import quasistatic as qs
from quasistatic.batch import engine
from quasistatic.config import override
from quasistatic.model import Model
from quasistatic.recipes import recipe
from quasistatic.training.checkpoint import train


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a gap in each third row."""
    chance, n = np.random.default_rng(0), 60
    kinds, sizes = chance.choice(["a", "b", "c"], n), chance.normal(3, 2, n).round(1)
    gaps = [None if row % 3 == 0 else value for row, value in enumerate(sizes.tolist())]
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    parquet.write_table(pyarrow.table({"kind": kinds, "size": sizes, "half": sizes / 2}), path, row_group_size=25)
    parquet.write_table(pyarrow.table({"kind": kinds, "size": gaps, "half": sizes / 2}), path.with_name("gaps.parquet"))
    return path


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run") / "table"
    data = qs.load(table)
    config = override(recipe(None, data, str(table)), ["training.steps=3", "data.held_out=10"])
    for _ in train(config, data, run):
        pass
    return run


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the pieces here in place of a cluster's workers."""

    def here(work, pieces, out, address, watch):
        assert address == "local"
        for piece in pieces:
            engine.do(work, piece, out)
            watch(piece.count, piece.count)

    monkeypatch.setattr(engine, "on_ray", here)
    monkeypatch.setattr(engine, "ROWS", 8)


@pytest.mark.usefixtures("one_by_one")
def test_rows_of_a_table_are_scored(command, model: Path, table: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores"
    words = [
        "evaluate",
        model,
        table,
        "--method",
        "bound",
        "--steps",
        5,
        "--draws",
        2,
        "--scores",
        out,
        "--ray",
        "local",
    ]
    assert command(*words) == 0
    assert "60 rows in" in capsys.readouterr().err
    found = parquet.read_table(out)
    assert found.column_names == ["row", "kind", "size", "half", "log_likelihood", "error"]
    assert found["row"].to_pylist() == list(range(60))
    assert found["size"].to_pylist() == parquet.read_table(table)["size"].to_pylist()
    assert np.isfinite(found["log_likelihood"].to_numpy()).all()
    assert command(*words) == 0
    assert "which were there already" in capsys.readouterr().err
    assert command(*words, "--seed", 4) == 2
    assert "differ in options" in capsys.readouterr().err


@pytest.mark.usefixtures("one_by_one")
def test_rows_of_a_table_are_drawn_and_completed(command, model: Path, table: Path, tmp_path: Path) -> None:
    assert command("sample", model, "--out", tmp_path / "new", "-n", 20, "--seed", 3, "--ray", "local") == 0
    found = parquet.read_table(tmp_path / "new")
    assert found.column_names == ["row", "kind", "size", "half"]
    assert found["row"].to_pylist() == list(range(20))
    whole = Model.from_pretrained(model).sample(20, seed=3)
    np.testing.assert_allclose(found["half"].to_numpy(), whole[:, 2].numpy(), atol=0.05)
    gaps = table.with_name("gaps.parquet")
    assert command("infer", model, gaps, "--out", tmp_path / "full", "--draws", 2, "--ray", "local") == 0
    found, was = parquet.read_table(tmp_path / "full"), parquet.read_table(gaps)["size"].to_pylist()
    assert found["row"].to_pylist() == [row for row in range(60) for _ in range(2)]
    assert found["draw"].to_pylist() == [0, 1] * 60
    for row, value in zip(found["row"].to_pylist(), found["size"].to_pylist(), strict=True):
        assert value is not None
        assert was[row] is None or value == pytest.approx(was[row])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_on_this_machine(command, model: Path, table: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """From another folder, with the model by a relative path."""
    pytest.importorskip("ray")
    monkeypatch.chdir(model.parent)
    words = ["evaluate", model.name, table, "--steps", 5, "--draws", 2, "--scores", tmp_path / "out", "--ray", "local"]
    assert command(*words) == 0
    assert parquet.read_table(tmp_path / "out")["row"].to_pylist() == list(range(60))
    words[-3:] = [tmp_path / "other", "--ray", "127.0.0.1:1"]
    assert command(*words) == 1
    assert "no Ray cluster answers at 127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "RUN", "DATA"], "got --ray without --scores FOLDER"),
        (["evaluate", "RUN", "DATA", "--scores", "OUT", "--shard", "1/2"], "by --ray or by --shard, got both"),
        (["evaluate", "RUN", "DATA", "--scores", "OUT", "--limit", "3"], "--limit needs the whole set, got --ray"),
        (["evaluate", "RUN", "nowhere.parquet", "--scores", "OUT"], "there is none at nowhere.parquet"),
        (["infer", "RUN", "DATA", "--out", "OUT", "--half", "top"], "--half needs the whole set, got --ray"),
        (["sample", "RUN", "--out", "OUT", "--ids", "numbered"], "--ids needs the whole set, got --ray"),
        (["sample", "RUN", "--out", "OUT", "--precision", "bf16"], "got --precision with --ray"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_does_not_go_with_it_is_told(command, model, table, tmp_path, capsys, words, message) -> None:
    named = {"RUN": model, "DATA": table, "OUT": tmp_path / "out"}
    assert command(*(named.get(word, word) for word in words), "--ray", "local") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_not_there_is_told(command, model, table, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert command("evaluate", model, table, "--scores", tmp_path / "out", "--ray", "local") == 2
    assert "pip install 'quasistatic[ray]'" in capsys.readouterr().err
