"""The fuzzer: its cases repeat, its judge sees each sort of fault, and the command keeps its contract."""

import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from chaos import arrays, cases, edits, forks, fuzz, judge, requests, tables
from chaos.cases import Case, Directory, Link, Pipe
from quasistatic.data import load

FEW = hypothesis.settings(
    max_examples=30, database=None, derandomize=True, deadline=None, phases=(Phase.generate,),
    suppress_health_check=[*HealthCheck]
)  # fmt: skip
ENDINGS = {"npy": arrays.npy(), "csv": tables.csv_tables(), "txt": tables.texts()}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_loader_returns_data_or_says_what_is_wrong(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{ending}"

    @FEW
    @hypothesis.given(ENDINGS[ending])
    def each(content: bytes) -> None:
        path.write_bytes(content)
        with warnings.catch_warnings(action="ignore"):
            try:
                assert len(load(path, length=4)) > 0
            except ValueError as error:
                assert len(str(error)) > 20  # noqa: PT017

    each()


def test_a_kept_case_is_read_as_it_was(tmp_path: Path) -> None:
    case = Case(("check", "a\nb.npy"), {"a/b": b"x", "link": Link("a/b"), "p": Pipe(), "d": Directory()}, True)
    cases.keep(case, tmp_path / "kept", ["hang"])
    again = cases.read(tmp_path / "kept")
    assert (again.words, again.long) == (case.words, True)
    assert again.files == {"a": Directory(), **case.files}


def test_a_renamed_file_is_renamed_in_the_words() -> None:
    case = Case(("evaluate", "model", "data.npy"), {"model/config.json": b"x", "models": b"y", "data.npy": b"z"})
    again = cases.renamed(case, "model", "[b]")
    assert again.words == ("evaluate", "[b]", "data.npy")
    assert again.files == {"[b]/config.json": b"x", "models": b"y", "data.npy": b"z"}


@pytest.mark.parametrize(
    ("words", "patient"),
    [("sample model --steps 250", False), ("sample model --steps 99999", True), ("check inf", True)],
)
def test_only_much_work_may_take_long(words: str, patient: bool) -> None:
    assert Case(tuple(words.split())).patient == patient


def test_edited_files_are_valid_but_for_the_edit() -> None:
    tree = {"a": {"b": [1, 2, {"c": None}]}, "d": "x"}
    assert edits.places(tree) == [
        ("a",),
        ("a", "b"),
        ("a", "b", 0),
        ("a", "b", 1),
        ("a", "b", 2),
        ("a", "b", 2, "c"),
        ("d",),
    ]
    content = edits.packed(b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', bytes(4))
    header, values = edits.unpacked(content)
    assert edits.packed(json.dumps(header).encode(), values) == content


def test_every_command_option_and_field_is_tried() -> None:
    found = requests.commands()
    assert {"train", "sample", "infer", "evaluate", "check"} <= set(found)
    assert {"--draws", "--method"} <= {parameter.flag for parameter in found["evaluate"]}
    assert {"training.batch", "data.size", "process.schedule", "process.parts.0.process.schedule"} <= set(
        requests.fields()
    )
    assert "unet" in requests.fields()["network"]


def ended(code: int = 0, out: str = "", err: str = "", hung: bool = False) -> forks.Outcome:
    return forks.Outcome(code, 1.0, 0, out, err, hung)


ENDS = {
    "traceback": (ended(1, err="Traceback (most recent call last):\nKeyError: 1"), "check x", {}),
    "hang": (ended(-9, hung=True), "check x", {}),
    "signal": (ended(-11), "check x", {}),
    "status": (ended(3, err="error: x"), "check x", {}),
    "silent": (ended(2), "check x", {}),
    "several": (ended(2, err="error: a\nerror: b"), "check x", {}),
    "part": (ended(2, err="error: a"), "sample m --out o.npy", {".o.npy.part": "file"}),
    "half": (ended(2, err="error: a"), "train d --out run", {"run": "d"}),
    "missing": (ended(), "sample m --out o.npy", {}),
    "changed": (ended(), "check x", {"x": "file 2"}),
    "nan": (ended(out='{"value": NaN}'), "chain x --json", {}),
    "unclear": (ended(2, err="error: 'NoneType' object has no attribute 'x'"), "check x", {}),
}


@pytest.mark.parametrize("sort", ENDS)
def test_the_judge_sees_each_sort_of_fault(sort: str, tmp_path: Path) -> None:
    outcome, words, after = ENDS[sort]
    before = {"x": "file 1"}
    bare = "x.py, line 3: x[0]" if sort == "unclear" else ""
    found = judge.faults(Case(tuple(words.split())), tmp_path, before, before | after, outcome, bare)
    assert [fault.sort for fault in found] == [sort]
    assert set(ENDS) == set(judge.SORTS)


def test_the_judge_passes_what_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "o.npy").write_bytes(b"")
    passed = (
        ("sample m --out o.npy", ended(), {"o.npy": "file"}),
        ("chain m --json", ended(out='{"value": 1.5}'), {}),
        ("sample m --out o.npy", ended(2, err="note: a\nerror: one file is needed, got none; name it"), {}),
        ("train d --out run", ended(1, err="interrupted"), {"run": "d", "run/config.json": "file"}),
        ("plan model", ended(), {"model/plan.json": "file 2"}),
    )
    before = {"model/plan.json": "file 1"}
    for words, outcome, after in passed:
        assert not judge.faults(Case(tuple(words.split())), tmp_path, before, before | after, outcome), words


def test_a_seed_repeats_its_cases() -> None:
    def words() -> list[tuple[str, ...]]:
        found = []

        @hypothesis.seed(7)
        @hypothesis.settings(FEW, derandomize=False)
        @hypothesis.given(st.data())
        def each(data: st.DataObject) -> None:
            found.append(data.draw(requests.changes()))

        each()
        return found

    assert words() == words()
    assert [*fuzz.plan(500, 1, ["models", "gaps"])] == [*fuzz.plan(500, 1, ["models", "gaps"])]
    assert sum(count for _, count, _ in fuzz.plan(500, 1, ["models", "gaps"])) >= 500


@pytest.mark.slow
@pytest.mark.chaos
def test_the_command_keeps_its_contract(tmp_path: Path) -> None:
    """A short campaign; `make chaos` runs a whole one. $CHAOS_SEED repeats a seed.

    It runs in a process of its own, as the shapes that tests check turn a user's mistakes into other errors.
    """
    seed = os.environ.get("CHAOS_SEED", str(random.SystemRandom().randrange(2**24)))
    words = ["--seed", seed, "--cases", "300", "--keep", str(tmp_path / "faults")]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    ended = subprocess.run(
        [sys.executable, "-m", "chaos.fuzz", *words], env=environment, capture_output=True, text=True, check=False
    )
    print(ended.stdout)
    assert ended.returncode == 0, f"seed {seed}: {ended.stdout}{ended.stderr[-2000:]}"
