"""Work over Ray: rows of Parquet files in, a folder of Parquet parts out; on this machine or a cluster.

    rows of all files, in order → pieces → workers, each with a model of its own → OUT/part-00000.parquet, …

Each part is written under another name and renamed. A piece that a lost worker had begun is done again by a new one, so
no row is lost or doubled, and a job that is started again does the parts that are not there. Rows are numbered over
all files, and a row's number decides its random numbers. Every worker must be able to read the files and the model.
A worker holds one row group of a file at a time.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from quasistatic.batch.callables import Arrays
from quasistatic.runtime.digest import digest
from quasistatic.runtime.files import clear_parts, replace_file
from quasistatic.types import Watch

ROWS = 4096
"""Rows of a piece, at most."""

TRIES = 3
"""Times that a piece whose worker is lost is done again."""

ABOUT = "_made_of.json"
"""The file in a folder of parts that says what they are made of. Readers of Parquet leave out names with _ in front."""

Work = Callable[[Mapping[str, Any]], Arrays]
"""A function of a batch, such as `Scorer`; it can be pickled."""


@dataclass(frozen=True)
class Piece:
    """Some rows that are worked on together.

    Attributes:
        number: of the piece, from 0.
        first: number of its first row.
        count: how many rows.
        path: the file, or "" if rows have a number only.
        group: row group of the file.
        start: place of the first row in the row group.
    """

    number: int
    first: int
    count: int
    path: str = ""
    group: int = 0
    start: int = 0


def pieces_of(paths: Sequence[Path], rows: int | None = None, taken: Sequence[str] = ()) -> list[Piece]:
    """Return the pieces of Parquet files; none crosses a row group.

    Args:
        paths: the files.
        rows: of a piece, at most; None for `ROWS`.
        taken: names that the result gives its own columns.

    Raises:
        ValueError: if a file is no Parquet file or has a column of such a name, or there are no rows.
    """
    import pyarrow
    from pyarrow import parquet

    found, first, rows = list[Piece](), 0, rows or ROWS
    for path in paths:
        try:
            about = parquet.read_metadata(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{path.name}: a Parquet file is needed, got another ({error}); convert it") from None
        double = [name for name in about.schema.to_arrow_schema().names if name in taken]
        if double:
            raise ValueError(f"{path.name}: the result has a column {double[0]} of its own; give yours another name")
        for group in range(about.num_row_groups):
            total = about.row_group(group).num_rows
            for start in range(0, total, rows):
                count = min(rows, total - start)
                found.append(Piece(len(found), first, count, str(path), group, start))
                first += count
    if not found:
        raise ValueError(f"rows are needed, got none in {', '.join(path.name for path in paths)}; name other files")
    return found


def numbered(total: int, rows: int | None = None) -> list[Piece]:
    """Return the pieces of ``total`` rows that have a number only, as those that are drawn."""
    rows = rows or ROWS
    starts = range(0, total, rows)
    return [Piece(number, start, min(rows, total - start)) for number, start in enumerate(starts)]


def part_of(out: Path, piece: Piece) -> Path:
    """Return the file of a piece."""
    return out / f"part-{piece.number:05}.parquet"


def do(work: Work, piece: Piece, out: Path) -> int:
    """Do a piece, unless its part is there; return its number of rows."""
    from pyarrow import parquet

    file = part_of(out, piece)
    if not file.exists():
        table = as_table(work(batch_of(piece)))
        replace_file(file, lambda path: parquet.write_table(table, path))
    return piece.count


def batch_of(piece: Piece) -> Arrays:
    """Read the rows of a piece: ``row``, and the columns of the file; a column of lists becomes an array."""
    numbers = np.arange(piece.first, piece.first + piece.count)
    if not piece.path:
        return {"row": numbers}
    from pyarrow import types

    table = _group(piece.path, piece.group).slice(piece.start, piece.count)
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    lists = types.is_list, types.is_large_list, types.is_fixed_size_list
    found = {
        name: np.stack(column.to_numpy(zero_copy_only=False)) if any(kind(column.type) for kind in lists) else column
        for name, column in columns.items()
    }
    return {"row": numbers, **found}


@lru_cache(maxsize=1)
def _group(path: str, number: int) -> Any:
    """Return a row group of a file as an Arrow table; the last one is kept, as pieces come in order."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return file.read_row_group(number)


def footer(path: Path) -> str:
    """Return the sha256 of a Parquet file's footer: its schema, and counts and extremes of each column chunk."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        return digest(file.read(length))


def as_table(arrays: Mapping[str, Any]) -> Any:
    """Return arrays as an Arrow table; one of several axes as a column of lists."""
    import pyarrow

    def column(values: Any) -> Any:
        if not isinstance(values, np.ndarray) or values.ndim < 2:
            return values if isinstance(values, pyarrow.Array) else pyarrow.array(values)
        flat = values.reshape(len(values), -1)
        return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat.reshape(-1)), flat.shape[1])

    return pyarrow.table({name: column(values) for name, values in arrays.items()})


def begin(out: Path, made_of: Mapping[str, Any], pieces: Sequence[Piece]) -> list[Piece]:
    """Make the folder of parts, or go on in it; return the pieces that are not done.

    Raises:
        FileExistsError: if something else is there.
        ValueError: if its parts are made of something else.
    """
    told = {**made_of, "pieces": [asdict(piece) for piece in pieces]}
    about = out / ABOUT
    if out.exists() and not about.is_file() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is there and holds something else; name another folder for the parts")
    if about.is_file():
        before = json.loads(about.read_text())
        apart = [name for name in told if before.get(name) != json.loads(json.dumps(told[name]))]
        if apart:
            raise ValueError(
                f"the parts in {out} are made of something else, they differ in {', '.join(apart)}; name another folder"
            )
    out.mkdir(parents=True, exist_ok=True)
    clear_parts(out)
    replace_file(about, lambda path: path.write_text(json.dumps(told, indent=1) + "\n"))
    return [piece for piece in pieces if not part_of(out, piece).exists()]


def on_ray(work: Work, pieces: Sequence[Piece], out: Path, address: str, watch: Watch | None = None) -> None:
    """Do pieces by the workers of a Ray cluster, one for each of its CPUs.

    Args:
        work: of a batch.
        pieces: what to do.
        out: the folder of the parts.
        address: of the cluster, or ``local`` to start one on this machine.
        watch: called with (rows done, rows in all).

    Raises:
        ModuleNotFoundError: if Ray is not installed.
        ConnectionError: if there is no cluster.
        OSError: if a piece ends its worker again and again. Errors of the work are raised as they are.
    """
    total, done = sum(piece.count for piece in pieces), 0
    with _cluster(address) as ray:
        cpus = int(ray.cluster_resources().get("CPU", 1))
        pool = [ray.remote(_Worker).options(max_restarts=-1, max_task_retries=TRIES, num_cpus=1).remote(work, str(out))
                for _ in range(max(1, min(cpus, len(pieces))))]  # fmt: skip
        try:
            for count in _by_turns(ray, pool, pieces):
                done += count
                if watch:
                    watch(done, total)
        finally:
            for worker in pool:
                ray.kill(worker)  # else it keeps its CPU for as long as the cluster knows of it


class _Worker:
    """Does pieces in a process of its own, on one thread."""

    def __init__(self, work: Work, out: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.work, self.out = work, Path(out)

    def ready(self) -> int:
        return 0

    def do(self, piece: Piece) -> int:
        return do(self.work, piece, self.out)


def _by_turns(ray: Any, pool: Sequence[Any], pieces: Sequence[Piece]) -> Iterator[int]:
    """Give each worker that is ready a piece, and the next one when it is done; yield the rows of each.

    Where other work holds a CPU of the cluster, the worker for it comes later, or never.
    """
    left, running = list(pieces), dict[Any, tuple[Any, Piece | None]]()
    running |= {worker.ready.remote(): (worker, None) for worker in pool}
    while left or any(piece for _, piece in running.values()):
        (ready, *_), _ = ray.wait(list(running), num_returns=1)
        worker, piece = running.pop(ready)
        count = _result(ray, ready, piece)
        if left:
            following = left.pop(0)
            running[worker.do.remote(following)] = worker, following
        if piece:
            yield count


def _result(ray: Any, ready: Any, piece: Piece | None) -> int:
    """Return the rows that a worker did.

    Raises:
        OSError: if the piece ended its worker again and again. Errors of the work are raised as they are.
    """
    try:
        return ray.get(ready)
    except ray.exceptions.RayActorError:
        where = f"rows {piece.first} to {piece.first + piece.count - 1}" if piece else "the model"
        raise OSError(
            f"{where} ended a worker {1 + TRIES} times, as for lack of memory; the other parts are kept, and the same "
            "command goes on"
        ) from None
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def _check_there(address: str) -> None:
    """Raise ConnectionError if nothing answers at HOST:PORT; Ray itself would try for a minute, and end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address} ({error}); start one, or use local") from None


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Yield Ray, connected to a cluster, or to one that is started for the block."""
    try:
        import ray
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "--ray needs the library ray, which is not installed; `pip install 'quasistatic[ray]'`, or use --shard"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    _check_there(address)
    try:
        dashboard = {"include_dashboard": False} if address == "local" else {}
        ray.init(address, log_to_driver=False, logging_level="error", **dashboard)
    except (ConnectionError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())[:200]
        raise ConnectionError(f"no Ray cluster answers at {address} ({told}); start one, or use local") from None
    try:
        yield ray
    finally:
        ray.shutdown()
