"""The site: its reference says all that there is, its pages are on a shelf, and its links are checked."""

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import quasistatic
from quasistatic.cli.app import app
from quasistatic.config import TrainingConfig

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PIECES = [("stdout", "lev"), ("stderr", ""), ("stdout", "els\n"), ("stdout", "mean")]
"""A command's output as a notebook gets it: cut anywhere."""


def building(name: str) -> ModuleType:
    """A module of docs/building."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "building" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    pytest.importorskip("sphinx", reason="the site is built by `make docs`, with the extra docs")
    return building("reference")


def test_every_command_and_option_is_in_the_reference(reference: ModuleType) -> None:
    page = reference.commands()
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"## {command.callback.__name__}\n" in page
    section = page[page.index("## train\n") : page.index("## curve\n")]
    for option in ("--out", "--steps", "--lr", "--learning-rate", "--set", "--resume"):
        assert f"`{option}`" in section
    assert "| `--out`, `-o` | PATH | required | Run folder, new or empty. |" in section


def test_every_field_has_its_meaning(reference: ModuleType) -> None:
    page = reference.configuration()
    section = page[page.index("## training\n") : page.index("## Schedule\n")]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", section, re.MULTILINE))
    fields = {field.name for field in dataclasses.fields(TrainingConfig)}
    assert set(rows) == fields
    assert not [name for name, text in rows.items() if not text.strip()]
    for family in ("### linear", "### unet", "### gaussian", "### masked"):
        assert family in page


def test_every_public_name_is_described(reference: ModuleType) -> None:
    page = reference.interface()
    links = dict(re.findall(r"\[`qs\.(\w+)`\]\(#quasistatic\.([\w.]+)\)", page))
    old = {"__version__", "Gaussian"}
    assert set(links) == set(quasistatic.__all__) - old
    described = {f"{package}.{name}" for package in reference.PACKAGES for name in names_of(reference, package)}
    assert set(links.values()) <= described


def names_of(reference: ModuleType, package: str) -> list[str]:
    return reference.public(importlib.import_module(f"quasistatic.{package}"))  # type: ignore[no-any-return]


def test_every_page_is_on_a_shelf() -> None:
    index = (DOCS / "index.md").read_text()
    shelves = {line for block in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL) for line in block.split()}
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")}
    made = {page for page in pages if page.startswith("reference/")}
    assert pages - made - {"index"} <= shelves


def test_formulas_tables_and_fences_of_docstrings_stay_as_they_are() -> None:
    pytest.importorskip("sphinx")
    docstrings = building("docstrings")
    lines = [
        "What it does, 2*x and `y*`.",
        "",
        "    q(x) = |x|",
        "",
        "a      one",
        "b      two",
        "",
        "```python",
        "f(*x)",
        "```",
    ]
    found = "\n".join(docstrings.literal(lines))
    assert "2\\*x and `y*`" in found
    assert "::\n\n        q(x) = |x|" in found
    assert "::\n\n    a      one\n    b      two" in found
    assert ".. code-block:: python\n\n    f(*x)" in found
    assert docstrings.joined("    low, high: both ends.") == "    low,high: both ends."


def test_the_translated_tutorial_has_the_same_code() -> None:
    """It also runs once only: the second page takes its results from the first."""
    name = "markov-to-diffusion.md"
    english, korean = ((DOCS / shelf / name).read_text(encoding="utf-8") for shelf in ("tutorials", "ko"))
    cells = [re.findall(r"^```{code-cell}\n.*?^```$", page, re.DOTALL | re.MULTILINE) for page in (english, korean)]
    assert cells[0] == cells[1]
    assert english.count("\n## ") == korean.count("\n## ")


def test_pieces_of_a_commands_output_are_joined() -> None:
    pytest.importorskip("myst_nb")
    pieces = [{"output_type": "stream", "name": name, "text": text} for name, text in PIECES]
    picture = {"output_type": "display_data", "data": {}}
    found = building("streams").joined([*pieces[:2], picture, *pieces[2:]])
    assert [output.get("text") for output in found] == ["levels\nmean", "", None]


def test_broken_links_are_found(tmp_path: Path) -> None:
    links = building("links")
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><img src="../out.png">'
        '<a href="https://example.org/x">4</a><a href="#top">5</a>'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    assert [line.split(": ")[1].split(" ")[0] for line in links.broken(tmp_path)] == [
        "../out.png",
        "b.html#gone",
        "c.html",
    ]
