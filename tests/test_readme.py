"""The README's Python runs, and its commands and pictures exist."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quasistatic.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As printed, with fewer steps."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    fewer = {
        "steps=300": "steps=2",
        "steps=100": "steps=2",
        "evaluate(held_out)": "evaluate(held_out, limit=4)",
    }
    quick = code
    for printed, run in fewer.items():
        assert printed in quick
        quick = quick.replace(printed, run)
    monkeypatch.chdir(tmp_path)
    exec(compile(quick, "README.md", "exec"), {})
    assert "bits/dim" in capsys.readouterr().out


LESS = {
    "train": "--steps 1 --set training.batch=4 --set network.channels=8 --set network.multipliers=1 "
    "--set network.blocks=1 --set network.attention= --set network.head_width=8",
    "sample": "--steps 2",
    "infer": "--steps 2",
    "evaluate": "--steps 10 --limit 8",
    "plan": "--candidates 26 --examples 4",
}
"""What makes a command of the README quick."""


def my_files(place: Path) -> None:
    """The files that the README's commands name: images of several sizes, an array and a table with gaps."""
    random = np.random.default_rng(0)
    for name, count in (("images", 12), ("test-images", 80)):
        (place / "my" / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (33 + number % 5, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "my" / name / f"{number}.png")
    half = random.integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    half[:, 16:] = np.nan
    np.save(place / "half.npy", half)
    rows = [f"{random.normal()},{'ab'[number % 2]}" for number in range(40)]
    (place / "whole.csv").write_text("height,sex\n" + "\n".join(rows) + "\n")
    (place / "gaps.csv").write_text("height,sex\n1.5,\n,a\n")


@pytest.mark.slow
def test_the_commands_work_as_printed(command, tmp_path, monkeypatch, capfd) -> None:  # type: ignore[no-untyped-def]
    """In the order of the README, each with less to do."""
    monkeypatch.chdir(tmp_path)
    my_files(tmp_path)
    table = "--steps 1 --set training.batch=4 --set network.width=8 --set network.depth=1"
    assert command("train", "whole.csv", "--out", "table-run", *shlex.split(table)) == 0
    lines = re.findall(r"^quasistatic +(.*)", README, re.MULTILINE)
    assert len(lines) >= 9
    for line in lines:
        words = shlex.split(line, comments=True)
        particles = ["--particles", "4", "--limit", "1"] * ("particle" in words)
        expected = 2 if words[0] == "check" else 0  # images of several sizes need one
        assert command(*words, *shlex.split(LESS.get(words[0], "")), *particles) == expected, capfd.readouterr().err


def test_the_commands_exist() -> None:
    known = {command.name or command.callback.__name__ for command in app.app.registered_commands if command.callback}
    assert set(re.findall(r"^quasistatic +([a-z]+) ", README, re.MULTILINE)) <= known


def test_the_pictures_and_files_exist() -> None:
    named = re.findall(r"\]\((docs/[^)]+)\)", README) + re.findall(r"`(docs/[a-z.]+)`", README)
    assert len(named) >= 7
    for path in named:
        assert (ROOT / path).exists(), path
    pictures = sum(path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir())
    assert pictures < 2_000_000


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) | {"demo", "test"} <= targets
