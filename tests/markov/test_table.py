"""Transition matrices from CSV files, with and without row names; files that are wrong say where."""

from pathlib import Path

import pytest

from quasistatic.markov import MarkovChain, read_chain

WEATHER = MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "chain.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "sunny,cloudy\n0.7,0.3\n0.25,0.75\n",
        ",sunny,cloudy\nsunny,0.7,0.3\ncloudy,0.25,0.75",
        "today, sunny , cloudy\r\nsunny, .7, .3\r\n\r\ncloudy, 25e-2, .75\r\n",
        "sunny,cloudy\nsunny,.7,.3\ncloudy,.25,.75\n",
        '"sunny","cloudy"\n".7",".3"\n.25,.75\n',
    ],
    ids=["header only", "row names", "a corner and blanks", "row names without a corner", "quoted"],
)
def test_forms_of_the_same_table(write, text: str) -> None:  # type: ignore[no-untyped-def]
    assert read_chain(write(text)) == WEATHER
    assert read_chain(str(write(text, "utf-8-sig"))) == WEATHER


def test_states_named_by_numbers(write) -> None:  # type: ignore[no-untyped-def]
    chain = MarkovChain([[0.5, 0.5], [0, 1]], ["0", "1"])
    assert read_chain(write(",0,1\n0,.5,.5\n1,0,1")) == chain
    assert read_chain(write("state,0,1\n0,.5,.5\n1,0,1")) == chain
    assert read_chain(write("0,1\n.5,.5\n0,1")) == chain
    assert read_chain(write("only\n1")) == MarkovChain([[1]], ["only"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "got 0 rows"),
        ("a,b", "got 1 rows"),
        ("a,b\n.5,.5\n.5,.4", r"row 'b'.*sums to 0\.9"),
        ("a,b\n.5,.5\n1.5,-.5", r"not negative, row 'b'.*-0\.5"),
        ("a,b\n.5,.5\nx,1", "row 'b', column 'a' has 'x'"),
        ("a,b\n.5,.5\n1,", "row 'b', column 'b' has ''"),
        ("a,b\n.5,.5", "row 'a' has length 2 and there are 1 rows"),
        ("a,b\n.5,.5\n1", "row 'b' has length 1"),
        ("a,b\n.5,.5\n0,1\n0,1", "row 'a' has length 2 and there are 3 rows"),
        (",b\n.5,.5\n0,1", r"state 0 \(from 0\) has none"),
        ("a,a\n.5,.5\n0,1", "'a' names both 0 and 1"),
        (",a,b\nb,.5,.5\na,0,1", "row 1 should be 'a', got 'b'"),
        (".5,.5\n0,1", "row '.5' has length 2 and there are 1 rows|names the states"),
        ("a,b\n.5,nan\n0,1", "finite numbers, row 'a'"),
    ],
)
def test_wrong_tables_say_where(write, text: str, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=why):
        read_chain(write(text))


@pytest.mark.parametrize("content", [b"a,b\n.5,\xff\n0,1", b"a," + b"x" * 200_000 + b"\n.5,.5\n0,1"])
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chain.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a transition matrix is a table in UTF-8, got .*chain.csv: .*; save"):
        read_chain(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_chain(tmp_path / "none.csv")
