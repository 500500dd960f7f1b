"""The package: its files, its version, its completion; and a wheel that works where the checkout is not."""

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

import quasistatic
from quasistatic.config.tree import TRACKERS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTS = {
    "onnx": ["onnx", "onnxruntime", "onnxscript"],
    "serve": ["starlette", "uvicorn"],
    "textures": ["skimage"],
    "ray": ["ray"],
    "tokens": ["tokenizers"],
    "track": ["tensorboard"],
    "wandb": ["wandb"],
    "xlsx": ["openpyxl"],
}
"""Extra → what it makes importable; `dev` and `docs` are for the checkout."""


def test_the_version_is_said_once(command, capfd) -> None:  # type: ignore[no-untyped-def]
    assert quasistatic.__version__ == PROJECT["version"]
    assert command("--version") == 0
    assert capfd.readouterr().out == f"quasistatic {PROJECT['version']}\n"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


@pytest.mark.parametrize(("typed", "offered"), [("tr", "train"), ("train --batch", "--batch-size"), ("do", "doctor")])
def test_the_shell_completes(typed: str, offered: str) -> None:
    words = f"quasistatic {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_QUASISTATIC_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['quasistatic']; from quasistatic.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert offered in done.stdout.split()


def test_the_files_of_a_project_are_there() -> None:
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    assert "How to report" in (ROOT / "SECURITY.md").read_text()
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [form.stem for form in forms] == ["bug", "config", "idea"]
    for form in forms[::2]:
        content = yaml.safe_load(form.read_text())
        assert {"name", "description", "body"} <= set(content)


def test_every_extra_is_known() -> None:
    """An extra that installs what nothing uses is no extra."""
    extras = set(PROJECT["optional-dependencies"]) - {"dev", "docs"}
    assert extras == set(IMPORTS)
    code = "\n".join(path.read_text() for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("examples/*.py")])
    for names in IMPORTS.values():
        for name in set(names) - set(TRACKERS):  # accelerate imports those
            assert re.search(rf"^ *(import|from) {name}\b", code, re.MULTILINE), name
    building = "\n".join(path.read_text() for path in (ROOT / "docs" / "building").glob("*.py"))
    for requirement in PROJECT["optional-dependencies"]["docs"]:
        assert re.match(r"[\w-]+", requirement)[0].replace("-", "_") in building  # type: ignore[index]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, as `make dist` does."""
    pytest.importorskip("build")
    place = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", place, ROOT], check=True, capture_output=True)
    (found,) = place.glob("*.whl")
    assert len(list(place.glob("*.tar.gz"))) == 1
    return found


@pytest.mark.slow
def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """Outside of the checkout: the demo, the help of each command, and what each extra imports. It takes minutes."""
    venv.create(tmp_path / "env", with_pip=True)
    python, run = tmp_path / "env" / "bin" / "python", tmp_path / "env" / "bin" / "quasistatic"
    extras = ",".join(IMPORTS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([*pip, f"quasistatic[{extras}] @ {wheel.as_uri()}"], env=clean, cwd=tmp_path, check=True)

    def said(*words: object) -> str:
        done = subprocess.run(
            list(map(str, words)), env=clean, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "site-packages" in said(python, "-c", "import quasistatic; print(quasistatic.__file__)")
    helped = said(run, "--help")
    for command in ("train", "sample", "infer", "evaluate", "export", "doctor"):
        assert command in helped
        said(run, command, "--help")
    for names in IMPORTS.values():
        said(python, "-c", f"import {', '.join(names)}")
    found = json.loads(said(run, "doctor", "--json"))
    assert found["extras"] == {name: [] for name in IMPORTS}
    assert "report.html" in said(run, "demo", "--quick", "--out", "demo").splitlines()[-1]
    assert (tmp_path / "demo" / "samples.png").is_file()
    assert "data:image/png" in (tmp_path / "demo" / "report.html").read_text()
    said(python, "-c", "import quasistatic.sklearn")
