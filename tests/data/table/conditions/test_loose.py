"""Cells that are known loosely: what is left of them, and one sentence for those that cannot be read."""

import math
from pathlib import Path

import pytest
import torch

from quasistatic.data import TableCodec, load
from quasistatic.data.observed import read_partly

HEAD = "size,count,day,kind"


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> TableCodec:
    lines = [f"{n / 8:.3f},{n % 5},2024-0{1 + n % 6}-11,{'ab'[n % 2]}" for n in range(200)]
    path = tmp_path_factory.mktemp("loose") / "t.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    found = load(path).codec
    assert isinstance(found, TableCodec)
    return found


def read(tmp_path: Path, codec: TableCodec, *lines: str):  # type: ignore[no-untyped-def]
    (tmp_path / "g.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    found = read_partly(tmp_path / "g.csv", codec)
    return found.values, found.known, found.loose


def test_what_is_left_of_each_cell(tmp_path: Path, codec: TableCodec) -> None:
    values, known, loose = read(
        tmp_path, codec, "3..5,>=3,2024-02-01..2024-03-30,a", ">4,2,,b", "6.5±0.5,<1,2024-01-11,a", "1.5, 1..2 ,,"
    )
    assert known.tolist() == [
        [False, False, False, True],
        [False, True, False, True],
        [False, False, True, True],
        [True, False, False, False],
    ]
    assert bool(values[~known].isnan().all())
    assert sorted(loose) == [0, 1, 2]
    raw = torch.linspace(0, 24.8, 5000, dtype=torch.float64)
    x = codec.columns[0].encode(raw)
    for row, holds in ((0, (raw >= 3) & (raw <= 5)), (1, raw > 4), (2, raw > -1), (3, raw > -1)):
        parts = loose[0].parts[row][x.long()]
        inside = (x - x.floor() >= parts[:, 0]) & (x - x.floor() <= parts[:, 1])
        assert (inside != holds).double().mean() < 2e-3
    counts = torch.arange(5, dtype=torch.float64)
    left = [loose[1].parts[row][codec.columns[1].encode(counts).long(), 1].tolist() for row in range(4)]
    assert left == [[0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]
    assert loose[0].std.tolist() == [math.inf, math.inf, 0.5, math.inf]
    assert loose[0].y[2] == 6.5
    assert not loose[1].noisy
    taken = loose[0].take(slice(2, 3))
    assert (len(taken.parts), taken.y.tolist(), taken.noisy) == (1, [6.5], True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("5..3,1,,a", "'size' holds numbers, .* and '5..3' in row 0 leaves none"),
        (">60,1,,a", "and '>60' in row 0 leaves none"),
        ("3±0,1,,a", "a number with noise is a value ± a standard deviation above 0, got '3±0' in row 0"),
        ("1.0,1,2024-01-11±2,a", "which holds dates"),
        ("x..3,1,,a", "'size' holds numbers, .* got 'x' in 'x..3'"),
        ("1.0,1.5..2.5,,a", None),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, codec: TableCodec, line: str, sentence: str) -> None:
    if sentence is None:
        assert read(tmp_path, codec, line)[2][1].parts[0, -5:, 1].tolist() == [0, 0, 1, 0, 0]
        return
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path, codec, line)
