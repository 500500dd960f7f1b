"""Every experiment runs in its quick form through the command, and says what it lacks."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import quasistatic as qs
from quasistatic import recipes
from quasistatic.cli import app
from quasistatic.cli.commands import reproduce
from quasistatic.cli.commands.reproduce import scripts

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "paper2015"))

import record  # noqa: E402
import results  # noqa: E402

NEEDS = {"mnist": "mnist/train-images-idx3-ubyte.gz", "cifar10": "cifar10*/train.parquet"}


def run(*options: str) -> subprocess.CompletedProcess[str]:
    source = str(ROOT / "src")
    environment = {k: v for k, v in os.environ.items() if k != "QUASISTATIC_DATA"} | {"PYTHONPATH": source}
    command = [sys.executable, "-m", "quasistatic", "reproduce", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(scripts()))
def test_the_quick_form_writes_its_rows(name: str, tmp_path: Path) -> None:
    place = os.environ.get("QUASISTATIC_DATA")
    if name in NEEDS and not (place and list(Path(place).glob(NEEDS[name]))):
        pytest.skip(f"{name} needs {NEEDS[name]} in $QUASISTATIC_DATA")
    options = ["--data-dir", place] if name in NEEDS and place else []
    done = run(name, "--quick", "--out", str(tmp_path), *options)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["form"] == "quick"
    assert found["processor_seconds"] < 60
    assert all(row["value"] is not None for row in found["rows"])


def test_scripts_are_short_and_use_public_calls() -> None:
    for path in (ROOT / "experiments" / "paper2015").glob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 150, path.name
        assert not re.search(r"quasistatic[\w.]* import _|\bqs\._|model\._", text), path.name


def test_an_unknown_name_lists_the_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["quasistatic", "reproduce", "cake"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "one of cifar10, dead_leaves, denoising" in message
    assert "got 'cake'" in message


def test_without_the_checkout_it_says_so(tmp_path: Path) -> None:
    """What an installed package finds: nothing beside it."""
    with pytest.raises(
        FileNotFoundError, match=r"come with the source checkout, and .* is none; clone the repo"
    ) as told:
        scripts(tmp_path / "lib")
    assert str(tmp_path / "lib") in str(told.value)


def test_no_script_of_the_folder_that_is_worked_in_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder from elsewhere may hold anything under our names."""
    planted = tmp_path / "experiments" / "paper2015"
    planted.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (planted / "primer.py").write_text("import pathlib\n\ndef main():\n    pass\n\npathlib.Path('ran').touch()\n")
    (planted / "cake.py").write_text("\ndef main():\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["quasistatic", "reproduce", "cake"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert all(path.is_relative_to(ROOT) for path in scripts().values())
    with pytest.raises(FileNotFoundError, match="come with the source checkout"):
        scripts(tmp_path / "elsewhere")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_missing_data_are_named_with_where_they_were_looked_for(name: str, tmp_path: Path) -> None:
    done = run(name, "--quick", "--out", str(tmp_path / "out"), "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert ("train-images-idx3-ubyte" if name == "mnist" else "train.parquet") in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_of_results_is_what_the_rows_make_it() -> None:
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == results.page(ROOT / "docs" / "paper2015")


@pytest.mark.parametrize(("endings", "status"), [((0, 0), 0), ((2, 0), 2), ((2, 1), 1), ((130, 0), 1)])
def test_all_runs_every_script_and_ends_as_they_did(
    endings: tuple[int, ...], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that was wrong is 2, work that failed 1; after Ctrl-C no other script is begun."""
    known = {}
    for number, ending in enumerate(endings):
        known[str(number)] = tmp_path / f"{number}.py"
        known[str(number)].write_text(
            f"import pathlib, sys\npathlib.Path(__file__).with_suffix('.ran').touch()\nsys.exit({ending})\n"
        )
    monkeypatch.setattr(reproduce, "scripts", lambda: known)
    monkeypatch.setattr(sys, "argv", ["quasistatic", "reproduce", "all"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert int(ended.value.code or 0) == status
    assert (tmp_path / "1.ran").exists() == (endings[0] != 130)


def learner(folder: Path) -> record.Experiment:
    return record.Experiment("small", False, folder, None, 0, 0.0)


def test_what_was_learned_is_taken_up_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is ready is not run again; one that was cut short goes on; another configuration is refused."""
    data = qs.load("heartbeat", limit=200)
    config = qs.override(
        recipes.heartbeat(), ["network.width=8", "training.batch=8", "training.steps=6", "objective.steps=10"]
    )
    for progress in qs.train(replace(config, seed=0), data, tmp_path / "models" / "cut", every=0.0):
        if progress.step == 3:
            break
    assert learner(tmp_path).learn(config, data, "cut", 2).config.training.steps == 6
    lines = (tmp_path / "models" / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines[:3]] == [1, 2, 3]
    assert json.loads(lines[-1])["step"] == 6
    again = learner(tmp_path)
    first, second = (again.learn(config, data, "cut", 2).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.learned["cut"]["steps"] == 6
    assert len((tmp_path / "models" / "cut" / "metrics.jsonl").read_text().splitlines()) == len(lines)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        learner(tmp_path).learn(qs.override(config, ["network.width=12"]), data, "cut", 2)
    assert ended.value.code == 2
    assert "holds a model of another configuration; remove it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [(["--device", "abacus"], "the device is one that torch can use here"), (["--out", __file__], "File exists")],
)
def test_a_wrong_request_is_one_sentence(options: list[str], why: str, tmp_path: Path) -> None:
    script = ROOT / "experiments" / "paper2015" / "primer.py"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(script), *options], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_numbers_have_the_digits_that_their_errors_allow() -> None:
    assert results.number(-2.0312, 0.0123) == "-2.031 ± 0.012"
    assert results.number(317.26, 2.7) == "317.3 ± 2.7"
    assert results.number(-2.368335, 0.0) == "-2.3683"
    assert results.number(None) == ""
