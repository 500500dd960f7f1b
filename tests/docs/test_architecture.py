"""docs/architecture.md: its diagram is drawn from the imports, and its answers are true."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
SOURCE = ROOT / "src" / "quasistatic"


@pytest.fixture(scope="module")
def layers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_layers", ROOT / "docs" / "draw_layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arrows_that_follow_from_others_are_left_out(layers: ModuleType) -> None:
    graph = {"d": {"c", "b", "a"}, "c": {"b"}, "b": {"a"}, "a": set()}
    assert layers.reduced(graph) == {"d": {"c"}, "c": {"b"}, "b": {"a"}, "a": set()}
    assert layers.reachable(layers.reduced(graph)) == layers.reachable(graph)


def test_check_fails_on_a_page_that_is_out_of_date(
    layers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(layers.drawn(PAGE.read_text("utf-8")), "utf-8")
    assert layers.main(["--check"], page) == 0
    page.write_text(page.read_text("utf-8").replace("    training --> model\n", ""), "utf-8")
    assert layers.main(["--check"], page) == 1
    assert "run `python docs/draw_layers.py`" in capsys.readouterr().err
    assert layers.main([], page) == 0
    assert layers.main(["--check"], page) == 0


def test_a_page_without_markers_is_refused(layers: ModuleType) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        layers.drawn("# A page\n")


def test_make_check_runs_the_script() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "docs/draw_layers.py --check" in recipe[1]


def test_every_package_is_named() -> None:
    page = PAGE.read_text("utf-8")
    for path in SOURCE.iterdir():
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py"):
            assert f"| `{path.name}{'/' * path.is_dir()}` |" in page, f"docs/architecture.md does not name {path.name}"


def answers() -> list[tuple[str, str]]:
    """Files and the names in them that the page's table of questions gives."""
    rows = re.findall(r"^\| [^|]*\? \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [pair for row in rows for pair in re.findall(r"`([a-z_/]+\.py)`(?:, `(\w+)`)?", row)]


@pytest.mark.parametrize(("file", "name"), answers())
def test_answers_are_true(file: str, name: str) -> None:
    assert re.search(rf"^(def|class) {name}\b|^{name}\b", (SOURCE / file).read_text("utf-8"), re.MULTILINE)


def test_the_five_questions_are_answered() -> None:
    found = dict(answers())
    assert found["training/checkpoint/files.py"] == "save"
    assert {"evaluation/score.py", "schedule/fixed.py", "cli/commands/sample.py"} <= set(found)
    assert "steps: Annotated" in (SOURCE / "cli" / "commands" / "sample.py").read_text()
