"""The README's Python runs, and its commands and pictures exist."""

import re
from pathlib import Path

import pytest

from quasistatic import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As printed, with fewer steps."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    fewer = {
        "training.steps=300": "training.steps=2",
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


def test_the_commands_exist() -> None:
    known = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
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
