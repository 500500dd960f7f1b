"""Parts of a job: they hold each row once, are written whole or not at all, and are joined if they belong together."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quasistatic.batch import Portion, Shard, merged, part_file, write_part
from quasistatic.batch.parts import is_made, parts_folder

MADE = {"verb": "sample", "model": "a" * 64, "data": "b" * 64, "seed": 0}


def write(out: Path, count: int, made: dict[str, object] = MADE, total: int = 10) -> None:
    for number in range(1, count + 1):
        shard = Shard(number, count)
        rows = shard.rows(total, 2)
        arrays = {"x": torch.arange(rows.start, rows.stop) * 1.5} if rows else {}
        write_part(part_file(out, shard), Portion(made, rows, total, arrays))


@pytest.mark.parametrize("total", [0, 1, 7, 64, 1000])
@pytest.mark.parametrize("batch", [1, 3, 256])
@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_shards_hold_each_row_once_in_whole_batches(total: int, batch: int, count: int) -> None:
    ranges = [Shard(number, count).rows(total, batch) for number in range(1, count + 1)]
    assert [row for rows in ranges for row in rows] == list(range(total))
    assert all(rows.start % batch == 0 for rows in ranges if rows)
    batches = [-(-len(rows) // batch) for rows in ranges]
    assert max(batches) - min(batches) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0"])
def test_a_shard_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"has I from 1 to N, got {text}"):
        Shard.of(text)


@pytest.mark.parametrize("text", ["", "3", "a/4", "1/2/3", "-1/4", "1.5/4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a shard is written I/N, as 3/64"):
        Shard.of(text)


@pytest.mark.parametrize("count", [1, 3, 11])
def test_parts_are_joined_in_order(count: int, tmp_path: Path) -> None:
    """11 parts of 5 batches: some are empty, and 10 sorts behind 9."""
    write(tmp_path / "out.npy", count)
    found = merged(tmp_path / "out.npy")
    assert found.made_of == MADE
    assert found.total == 10
    assert torch.equal(found.arrays["x"], torch.arange(10) * 1.5)


def test_a_part_is_made_once(tmp_path: Path) -> None:
    file = part_file(tmp_path / "out.npy", Shard(1, 1))
    assert not is_made(file, MADE)
    write(tmp_path / "out.npy", 1)
    assert is_made(file, MADE)
    with pytest.raises(ValueError, match=r"1-of-1.* differs from this job in its seed: 0 and 1; remove one"):
        is_made(file, MADE | {"seed": 1})


def test_parts_of_different_things_are_named(tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    for name in ("model", "data"):
        write(out, 2)
        shard = Shard(2, 2)
        part = Portion(MADE | {name: "c" * 64}, shard.rows(10, 2), 10, {"x": torch.zeros(len(shard.rows(10, 2)))})
        write_part(part_file(out, shard), part)
        with pytest.raises(
            ValueError, match=rf"2-of-2\.safetensors differs from 1-of-2\.safetensors in its {name}: ccc"
        ):
            merged(out)


def test_missing_and_other_parts_are_named(tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    with pytest.raises(FileNotFoundError, match=r"there are no parts in .*out\.npy\.parts"):
        merged(out)
    write(out, 4)
    part_file(out, Shard(2, 4)).unlink()
    with pytest.raises(ValueError, match="all 4 parts are needed, and 2 of them are not there yet; run --shard 2/4"):
        merged(out)
    write(out, 2)
    with pytest.raises(ValueError, match="also holds"):
        merged(out)


def test_a_damaged_part_and_a_newer_one_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    write(out, 1)
    file = part_file(out, Shard(1, 1))
    about = {"format": 99, "made_of": MADE, "first": 0, "total": 10}
    save_file(load_file(file), file, {"quasistatic": json.dumps(about)})
    with pytest.raises(ValueError, match="is of a newer format, 99; update quasistatic"):
        merged(out)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ValueError, match="is not a part, or damaged"):
        merged(out)


def test_a_part_that_is_cut_short_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from quasistatic.batch import parts

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "out.npy", 1)
    assert list(parts_folder(tmp_path / "out.npy").iterdir()) == []
