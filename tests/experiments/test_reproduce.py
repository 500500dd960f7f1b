"""Every experiment runs in its quick form through the command, and says what it lacks."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quasistatic import cli
from quasistatic.reproduce import scripts

ROOT = Path(__file__).parents[2]
NEEDS = {"mnist": "mnist/train-images-idx3-ubyte.gz", "cifar10": "cifar10*/train.parquet"}


def run(*options: str) -> subprocess.CompletedProcess[str]:
    source = str(ROOT / "src")
    environment = {k: v for k, v in os.environ.items() if k != "QUASISTATIC_DATA"} | {"PYTHONPATH": source}
    command = [sys.executable, "-m", "quasistatic.cli", "reproduce", *options]
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
    assert found["seconds"] < 60
    assert all(row["value"] is not None for row in found["rows"])


def test_scripts_are_short_and_use_public_calls() -> None:
    for path in (ROOT / "experiments" / "paper2015").glob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 150, path.name
        assert not re.search(r"quasistatic[\w.]* import _|\bqs\._|model\._", text), path.name


def test_an_unknown_name_lists_the_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["quasistatic", "reproduce", "cake"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "one of cifar10, dead_leaves, denoising" in message
    assert "got 'cake'" in message


def test_without_the_checkout_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="the experiments come with the source checkout and are not in"):
        scripts(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_missing_data_are_named_with_where_they_were_looked_for(name: str, tmp_path: Path) -> None:
    done = run(name, "--quick", "--out", str(tmp_path / "out"), "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert ("train-images-idx3-ubyte" if name == "mnist" else "train.parquet") in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_of_results_is_what_the_rows_make_it() -> None:
    sys.path.insert(0, str(ROOT / "experiments" / "paper2015"))
    import results

    assert (ROOT / "docs" / "results.md").read_text("utf-8") == results.page(ROOT / "docs" / "paper2015")
