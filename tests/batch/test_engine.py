"""Pieces of Parquet files hold each row once, whatever their sizes; workers that die lose and double nothing."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet

from quasistatic.batch import Sampler, Scorer
from quasistatic.batch.engine import begin, do, footer, numbered, on_ray, part_of, pieces_of
from quasistatic.data import Dataset
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.sample import SampleOptions

FEW = EvaluateOptions(steps=6, draws=2)


def doubled(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {"row": batch["row"], "twice": 2 * np.asarray(batch["x"])}


class DyingOnce:
    """Kills its own process when it first comes to a row, as a lost machine would."""

    def __init__(self, row: int, note: Path) -> None:
        self.row, self.note = row, note

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        if self.row in batch["row"] and not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return doubled(batch)


def written(folder: Path, counts: list[int], group: int = 7) -> list[Path]:
    """Parquet files of so many rows, numbered on in the column x."""
    files, first = [], 0
    for number, count in enumerate(counts):
        files.append(folder / f"{number}.parquet")
        table = pyarrow.table({"x": np.arange(first, first + count)})
        parquet.write_table(table, files[-1], row_group_size=group)
        first += count
    return files


def read(out: Path) -> pyarrow.Table:
    return parquet.read_table(out)


@pytest.mark.parametrize("rows", [1, 5, 7, 100])
@pytest.mark.parametrize("counts", [[1], [0, 3], [20, 1, 0, 15]], ids=str)
def test_pieces_hold_each_row_once_and_in_order(counts: list[int], rows: int, tmp_path: Path) -> None:
    pieces = pieces_of(written(tmp_path, counts), rows)
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert max(piece.count for piece in pieces) <= rows
    assert [row for piece in pieces for row in range(piece.first, piece.first + piece.count)] == list(
        range(sum(counts))
    )
    out = tmp_path / "out"
    for piece in begin(out, {}, pieces):
        do(doubled, piece, out)
    found = read(out)
    assert found["row"].to_pylist() == list(range(sum(counts)))
    assert found["twice"].to_pylist() == [2 * row for row in range(sum(counts))]


def test_rows_without_a_file_are_numbered() -> None:
    assert [(piece.first, piece.count) for piece in numbered(10, 4)] == [(0, 4), (4, 4), (8, 2)]
    assert numbered(0) == []


def test_a_job_goes_on_with_the_parts_that_are_not_there(tmp_path: Path) -> None:
    pieces, out = pieces_of(written(tmp_path, [20]), 5), tmp_path / "out"
    assert begin(out, {"model": "a"}, pieces) == pieces
    do(doubled, pieces[1], out)
    (out / ".part-00002.parquet.x.part").touch()
    assert begin(out, {"model": "a"}, pieces) == [pieces[0], *pieces[2:]]
    before = part_of(out, pieces[1]).stat().st_mtime_ns
    do(doubled, pieces[1], out)
    assert part_of(out, pieces[1]).stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="are made of something else, they differ in model; name another folder"):
        begin(out, {"model": "b"}, pieces)
    with pytest.raises(ValueError, match="they differ in pieces"):
        begin(out, {"model": "a"}, pieces[:2])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(FileExistsError, match="holds something else"):
        begin(tmp_path / "full", {}, pieces)


def test_a_name_that_the_result_has_itself_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path, [3])
    with pytest.raises(ValueError, match=r"0\.parquet: the result has a column x of its own; give yours another name"):
        pieces_of(files, taken=("row", "x"))


def test_a_footer_tells_files_of_one_size_apart(tmp_path: Path) -> None:
    one, other, same = (tmp_path / name for name in ("a.parquet", "b.parquet", "c.parquet"))
    for path, first in ((one, 10), (other, 20), (same, 10)):
        parquet.write_table(pyarrow.table({"x": np.arange(first, first + 5)}), path)
    assert one.stat().st_size == other.stat().st_size
    assert footer(one) == footer(same) != footer(other)


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("x")
    with pytest.raises(ValueError, match=r"a\.parquet: a Parquet file is needed, got another"):
        pieces_of([tmp_path / "a.parquet"])
    with pytest.raises(ValueError, match=r"rows are needed, got none in 0\.parquet"):
        pieces_of(written(tmp_path, [0]))


def test_scores_are_those_of_one_batch(run: Path, digits: Dataset, tmp_path: Path) -> None:
    values = digits.storage.read(torch.arange(9)).numpy()
    flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.reshape(-1)), 64)
    parquet.write_table(
        pyarrow.table({"values": flat, "name": list("abcdefghi")}), tmp_path / "a.parquet", row_group_size=4
    )
    scorer, out = Scorer(run, options=FEW), tmp_path / "out"
    for piece in begin(out, {}, pieces_of([tmp_path / "a.parquet"], 3)):
        do(scorer, piece, out)
    found = read(out)
    whole = scorer({"row": np.arange(9), "values": values})
    np.testing.assert_allclose(found["log_likelihood"].to_numpy(), whole["log_likelihood"], rtol=1e-4)
    assert found["name"].to_pylist() == list("abcdefghi")
    assert np.array_equal(np.stack(found["values"].to_pylist()), values.reshape(9, 64))


def test_samples_are_written_by_their_numbers(run: Path, tmp_path: Path) -> None:
    sampler, out = Sampler(run, SampleOptions(steps=2)), tmp_path / "out"
    for piece in begin(out, {}, numbered(5, 2)):
        do(sampler, piece, out)
    found, whole = read(out), sampler({"row": np.arange(5)})["values"]
    assert abs(np.stack(found["values"].to_pylist()).astype(int) - whole.reshape(5, -1)).max() <= 1


@pytest.fixture(scope="module")
def ray() -> Any:
    ray = pytest.importorskip("ray")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_loses_and_doubles_no_row(ray: Any, tmp_path: Path) -> None:
    pieces, out = pieces_of(written(tmp_path, [500, 37], 50), 10), tmp_path / "out"
    told = list[tuple[int, int]]()
    on_ray(DyingOnce(255, tmp_path / "died"), begin(out, {}, pieces), out, "local", lambda *done: told.append(done))
    assert (tmp_path / "died").exists()
    assert told[-1] == (537, 537)
    assert read(out)["row"].to_pylist() == list(range(537))
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []


class Failing:
    """Fails at a row, or kills its process each time that it comes to it."""

    def __init__(self, row: int, kills: bool) -> None:
        self.row, self.kills = row, kills

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        if self.row in batch["row"]:
            if self.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("row 7 is bad; mend it")
        return doubled(batch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kills", "kind", "message"),
    [(False, ValueError, "^row 7 is bad; mend it$"), (True, OSError, "^rows 5 to 9 ended a worker 4 times")],
)
def test_what_a_worker_cannot_do_is_told(
    ray: Any, kills: bool, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    pieces, out = pieces_of(written(tmp_path, [20], 20), 5), tmp_path / "out"
    with pytest.raises(kind, match=message):
        on_ray(Failing(7, kills), begin(out, {}, pieces), out, "local")
    assert [piece.number for piece in begin(out, {}, pieces)][:1] in ([0], [1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_work_goes_on_where_others_hold_a_cpu(ray: Any, tmp_path: Path) -> None:
    class Holder:
        def there(self) -> None: ...

    holder = ray.remote(Holder).options(num_cpus=1).remote()
    ray.get(holder.there.remote())
    pieces, out = pieces_of(written(tmp_path, [20], 20), 5), tmp_path / "out"
    on_ray(doubled, begin(out, {}, pieces), out, "local")
    assert read(out)["row"].to_pylist() == list(range(20))
    ray.kill(holder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_data_maps_the_same_functions(ray: Any, run: Path, digits: Dataset, tmp_path: Path) -> None:
    values = digits.storage.read(torch.arange(8)).numpy()
    rows = ray.data.from_items([{"row": row, "values": values[row]} for row in range(8)])
    found = rows.map_batches(
        Scorer, fn_constructor_args=[str(run), "bound", FEW], batch_size=3, concurrency=1
    ).take_all()
    whole = Scorer(run, options=FEW)({"row": np.arange(8), "values": values})["log_likelihood"]
    np.testing.assert_allclose(
        [row["log_likelihood"] for row in sorted(found, key=lambda row: row["row"])], whole, rtol=1e-4
    )
