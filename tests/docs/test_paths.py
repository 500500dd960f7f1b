"""The files and modules that the documents name exist: a document cannot name where something used to be."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.name != "log.md"]  # a log names things as they were
ROOMS = [ROOT, ROOT / "src" / "quasistatic", ROOT / "tests"]
PLACEHOLDERS = re.compile(r"\b(NAME|my_|mine)")


def rooms(page: Path) -> list[Path]:
    """Where a path may start; in the page about the packages, in any of them."""
    inner = ROOMS[1].rglob("*/") if page.name == "architecture.md" else []
    return [*ROOMS, page.parent, *inner]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    named = {*re.findall(r"`([\w/.-]+\.py)\b", text), *re.findall(r"\]\(([\w/.-]+)\)", text)}
    places = rooms(page)
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert not [name for name in missing if not PLACEHOLDERS.search(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for dotted in set(re.findall(r"(?:^|[ `(])(?:from |import )?(quasistatic(?:\.[a-z_]+)+)", text, re.MULTILINE)):
        module, _, name = dotted.rpartition(".")
        try:
            importlib.import_module(dotted)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), name), f"{page.name} names {dotted}"
