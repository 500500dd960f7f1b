"""Numbers keep every digit on the way in, or are refused in one sentence: never rounded or wrapped in silence."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet

from quasistatic.data import Dataset, load

WHOLE = 2**53


def column(dataset: Dataset) -> list[float]:
    return dataset.batch(torch.arange(len(dataset)))[:, 0].tolist()


def table(path: Path, values: list, kind: pyarrow.DataType) -> Path:  # type: ignore[type-arg]
    parquet.write_table(pyarrow.table({"a": pyarrow.array(values, kind)}), path)
    return path


@pytest.mark.parametrize("value", [WHOLE + 1, -(WHOLE + 1), 2**63 - 1, -(2**63)])
def test_long_whole_numbers_of_a_table(tmp_path: Path, value: int) -> None:
    """2⁵³ + 1 as a float is 2⁵³: ids and hashes are such numbers."""
    with pytest.raises(ValueError, match=rf"the column 'a' needs numbers that float64 holds .* got {value}; drop"):
        load(table(tmp_path / "t.parquet", [1, None, value], pyarrow.int64()))
    (tmp_path / "t.csv").write_text(f"a\n1\n\n{value}\n")
    with pytest.raises(ValueError, match=rf"the column 'a' needs .* got {value}; drop"):
        load(tmp_path / "t.csv")


def test_unsigned_numbers_do_not_wrap(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"got {2**64 - 1}; drop the column"):
        load(table(tmp_path / "t.parquet", [1, 2**64 - 1], pyarrow.uint64()))
    for kind in ("<u8", ">u8"):
        np.save(tmp_path / "a.npy", np.array([[1], [2**63]], dtype=kind))
        with pytest.raises(ValueError, match=r"a\.npy: integers should be below 2\^63, got 9223372036854775808"):
            load(tmp_path / "a.npy")


@pytest.mark.parametrize("texts", [[str(2**64 + 1), "1"], ["0.5", str(WHOLE + 1)], [f"-{WHOLE + 1}", "1e30"]])
@pytest.mark.parametrize("name", ["a", "c0"])
def test_whole_numbers_among_floats(tmp_path: Path, texts: list[str], name: str) -> None:
    """A .csv whose numbers are too long for integers, or mixed with floats; with names or without."""
    (tmp_path / "t.csv").write_text("\n".join([name, *texts]) + "\n")
    with pytest.raises(ValueError, match=r"float64 holds to the last digit .* got -?\d{16,}( in line \d)?; drop"):
        load(tmp_path / "t.csv")


def test_decimals(tmp_path: Path) -> None:
    kind = pyarrow.decimal128(30, 10)
    with pytest.raises(ValueError, match=r"the column 'a' needs .* got 12345678901234567\.1000000000; drop"):
        load(table(tmp_path / "t.parquet", [Decimal("12345678901234567.1"), Decimal(1)], kind))
    fine = [Decimal("0.1"), None, Decimal("-1234567.89")]
    assert column(load(table(tmp_path / "t.parquet", fine, kind)))[::2] == [0.1, -1234567.89]


def test_what_fits_is_exact(tmp_path: Path) -> None:
    """The ends of what float64 holds, whole numbers far from 0, and levels over the whole of int64."""
    values = [WHOLE - 4, WHOLE, WHOLE - 2]
    found = load(table(tmp_path / "t.parquet", values, pyarrow.int64()))
    assert column(found) == values
    codec = found.codec
    assert codec.decode(codec.encode(found.batch(torch.arange(3))))[:, 0].tolist() == values
    (tmp_path / "t.csv").write_text(f"a,b\n0.5,{WHOLE}\n1e100,1\n")
    assert column(load(tmp_path / "t.csv")) == [0.5, 1e100]
    (tmp_path / "t.csv").write_text("a,b\n0.5,1\n-1e300,1\n")
    with pytest.raises(ValueError, match=r"the column 'a' needs numbers of at most 1e\+150 in size, got 1e\+300"):
        load(tmp_path / "t.csv")
    np.save(tmp_path / "a.npy", np.array([[-(2**63)], [0], [2**62]]))
    wide = load(tmp_path / "a.npy")
    raw = wide.batch(torch.arange(3))
    assert torch.equal(wide.codec.decode(wide.codec.encode(raw)), raw)


def test_long_floats(tmp_path: Path) -> None:
    if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps:
        np.save(tmp_path / "a.npy", np.array([[1.0], [1.0]], dtype=np.longdouble) + np.finfo(np.longdouble).eps)
        with pytest.raises(ValueError, match="floats should be of 64 bits or fewer"):
            load(tmp_path / "a.npy")
