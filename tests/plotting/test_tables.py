"""Pictures of a comparison of tables: what is in them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from named_tables import mixed, named
from quasistatic.data import Dataset
from quasistatic.evaluation.tabular import compare_tables
from quasistatic.plotting import tables
from quasistatic.plotting.tables import PANELS, check_comparison, save_comparison


def drawn(real: Dataset, made: Dataset, path: Path) -> bytes:
    save_comparison(compare_tables(real, made), real, made, path)
    return path.read_bytes()


def test_a_png_holds_both_tables(tmp_path: Path) -> None:
    """Real rows in pale grey, samples in blue, the heat map's colours below."""
    picture = np.array(Image.open(io.BytesIO(drawn(mixed(120, 0), mixed(100, 1), tmp_path / "a.png"))))
    pixels = {tuple(pixel) for pixel in picture.reshape(-1, 3)[::7].tolist()}
    assert {(213, 218, 224), (42, 111, 151), (255, 255, 255)} <= pixels


def test_names_are_no_markup(tmp_path: Path) -> None:
    """Also a file's name, a formula, letters that the font lacks, and empty columns."""
    columns = {"$a_$": np.arange(60.0), "<i>": ["x & y", "職人"] * 30, "empty": [None] * 60}
    page = drawn(named("<b>.csv", **columns), named("made.csv", **columns), tmp_path / "a.html").decode()
    assert "made.csv compared with &lt;b&gt;.csv" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_one_column_and_very_many(tmp_path: Path) -> None:
    """One column has no pairs; of many, the least similar are drawn."""
    one = named(x=np.arange(60.0))
    assert drawn(one, one, tmp_path / "a.html").decode().count("<img") == 1
    draws = np.random.default_rng(0)
    many = named(**{f"c{place}": draws.integers(0, 2, 60) for place in range(PANELS + 2)})
    found = compare_tables(many, many)
    assert len(tables._columns(found, tables.matched(many, many)).axes) == PANELS


def test_odd_columns_are_drawn(tmp_path: Path) -> None:
    """Large whole numbers, one value among samples of many, more categories than bars."""
    n = np.arange(60)
    real = named(big=n * 10**12, zero=np.zeros(60), texts=[f"t{i}" for i in n], half=np.where(n % 2, np.nan, n * 1.0))
    made = named(big=n * 10**12, zero=n * 1.5, texts=[f"u{i}" for i in n], half=n * 1.0)
    assert drawn(real, made, tmp_path / "a.png").startswith(b"\x89PNG")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png or \.html"):
        check_comparison(tmp_path / "a.svg")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        check_comparison(tmp_path / "no" / "a.png")
