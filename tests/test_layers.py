"""Imports point one way, and files stay short."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "quasistatic"

LAYERS = [
    {"fields", "types", "stream", "distribution", "joint", "markov", "schedule", "clock"},
    {"data", "process", "network"},  # strangers to one another
    {"head"},
    {"denoiser"},
    {"objective", "sampling", "inference", "evaluation"},  # the verbs do not know one another
    {"config", "device", "memory", "signals"},
    {"inputs", "store", "renaming"},
    {"interchange"},
    {
        "building",
        "model",
        "completing",
        "drawing",
        "planning",
        "scoring",
        "comparison",
        "batching",
        "optimizer",
        "heldout",
        "training",
    },
    {"runfolder"},
    {"checkpoint"},
    {"plotting", "recipes"},
    {"export"},
    {"demo"},
    {"failure", "show", "reproduce"},
    {"options", "named"},
    {"inferring"},
    {"cli", "app"},
]
STRANGERS = ({"data", "process", "network"}, {"objective", "sampling", "inference", "evaluation"})


def depth(module: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if module in layer)


def imports(path: Path) -> set[str]:
    """The project's modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "quasistatic":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("quasistatic."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("quasistatic.")}
    return found - {"__version__"}


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or not path.name.startswith("__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    module = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for other in imports(path) - {module}:
        assert depth(other) <= depth(module), f"{module} uses {other}, which stands after it"
        for layer in STRANGERS:
            assert not {module, other} <= layer, f"{module} and {other} should not know one another"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_every_module_has_its_layer() -> None:
    modules = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES}
    assert modules <= set().union(*LAYERS)
