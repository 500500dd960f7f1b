"""The house: imports point one way at every granularity, and files, functions and folders stay small."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "quasistatic"

LAYERS = [
    ["streams"],
    ["types"],
    ["runtime"],
    ["distribution"],
    ["schedule"],
    ["markov"],
    ["process", "network", "data"],
    ["denoiser"],
    ["objective", "sampling", "inference", "evaluation"],
    ["config"],
    ["model.inputs", "model.bench"],
    ["model.build", "model.methods"],
    ["model.folder"],
    ["model.measured"],
    ["model.core"],
    ["model.bundle"],
    ["model.formats", "model.sample", "model.draw", "model.evaluate"],
    ["model.complete", "model.plan", "model.baselines"],
    ["model.model"],
    ["plotting"],
    ["training.batch", "training.optimizer", "training.monitor", "training.rates"],
    ["training.beginning", "training.duration", "training.state", "training.parallel"],
    ["training.loop"],
    ["training.checkpoint"],
    ["recipes", "batch"],
    ["sklearn"],
    ["serve"],
    ["cli.terminal", "cli.signals", "cli.failure"],
    ["cli.arguments", "cli.demo"],
    ["cli.observation"],
    ["cli.output"],
    ["cli.commands"],
    ["cli.app"],
]
"""Rooms from the ground up. Those of one layer are strangers: they do not know one another."""

FRONTS = {"model": "model.model", "training": "training.checkpoint", "cli": "cli.app"}
"""The room that the name of a package of several rooms stands for."""

FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__main__.py" and path != SOURCE / "__init__.py")
TESTS_ROOT = Path(__file__).parent
TESTS = sorted(TESTS_ROOT.rglob("*.py"))
PACKAGES = sorted(path.parent for path in FILES if path.name == "__init__.py")
ROOT_ENTRIES = 24
ENTRIES = 11
ENTRIES_OF = {"model": 17, "cli.commands": 20}
"""Packages that may hold more. `model` has a file for each verb in raw units and for each thing that they share, as in
the design; `LAYERS` holds each of them to its place. `cli.commands` has a file for each command."""
LINES, LINES_OF_FUNCTION, ARGUMENTS = 350, 60, 8


def name_of(path: Path) -> str:
    """The dotted name of a file, without ``quasistatic``; a package's is that of its ``__init__``."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in FILES}


def imports(path: Path) -> set[str]:
    """Modules of the project that a file imports: anywhere in it, under ``TYPE_CHECKING`` and in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "quasistatic":
            module = (node.module or "").partition(".")[2]
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                found.add(inner if inner in NAMES else module)
        elif isinstance(node, ast.Import):
            found |= {a.name.partition(".")[2] for a in node.names if a.name.startswith("quasistatic.")}
    return found - {""}


def room(name: str) -> str:
    """The room that a module is in."""
    name = FRONTS.get(name, name)
    rooms = [room for layer in LAYERS for room in layer if name == room or name.startswith(f"{room}.")]
    assert len(rooms) == 1, f"{name} has no layer: add its room to LAYERS and to docs/architecture.md"
    return rooms[0]


def depth(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    if path.name.startswith("__") and name_of(path) in FRONTS:
        return  # a front shows what is in its rooms
    own = room(name_of(path))
    for other in {room(name) for name in imports(path)} - {own}:
        assert depth(other) < depth(own), f"{own} uses {other}, which does not stand before it"


def test_no_file_is_in_a_circle() -> None:
    fronts = {name for name in NAMES if (SOURCE / Path(*name.split(".")) / "__init__.py").exists()}
    graph = {name_of(path): imports(path) - {name_of(path)} for path in FILES}
    for name in fronts:  # what a package shows it gets from its files, which may name the package's siblings
        graph[name] = {other for other in graph[name] if not other.startswith(f"{name}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        lines = (node.end_lineno or 0) - node.lineno + 1
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len([one for one in arguments if one.arg not in ("self", "cls")])
        if not may_be_long(path):
            assert lines <= LINES_OF_FUNCTION, f"{node.name} has {lines} lines"
            assert count <= ARGUMENTS, f"{node.name} takes {count} arguments"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(TESTS_ROOT)))
def test_test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES


COMMANDS = sorted((SOURCE / "cli" / "commands").glob("[!_]*.py"))
LINES_OF_COMMAND = 30


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_command_parses_calls_and_prints(path: Path) -> None:
    """Its body, without options and docstring, is short: the work is elsewhere, for scripts to call too."""
    (command,) = [node for node in ast.parse(path.read_text()).body if getattr(node, "name", "") == path.stem]
    assert isinstance(command, ast.FunctionDef)
    first, last = command.body[1], command.body[-1]
    assert (last.end_lineno or 0) - first.lineno < LINES_OF_COMMAND


def may_be_long(path: Path) -> bool:
    """Commands and Model's verbs have their options as arguments."""
    return path.parent.name == "commands" or name_of(path) == "model.model"


def test_the_root_holds_packages() -> None:
    entries = [path for path in SOURCE.iterdir() if not path.name.startswith("__")]
    assert len(entries) <= ROOT_ENTRIES
    assert {path.name for path in entries if path.is_file()} <= {"types.py", "streams.py", "py.typed"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_package_stays_small(package: Path) -> None:
    entries = [path for path in package.iterdir() if path.name != "__pycache__"]
    most = ENTRIES_OF.get(name_of(package / "__init__.py"), ENTRIES)
    assert len(entries) <= most, f"{package.name} has {len(entries)} entries; group some of them in a package"


SHARED_NAMES = {
    "bound": "in evaluation/ of states, in model/ of raw data",
    "sample": "in sampling/ of states, in model/ in raw units",
    "load": "quasistatic.load reads data, training.checkpoint.load a checkpoint; both are public",
}
"""Public names that two modules may define, each with the reason."""


def test_a_name_has_one_meaning() -> None:
    """Two classes never share a name; nor do two public functions, but for commands and recipes, named by users."""
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            named_by_users = path.parent.name in ("commands", "recipes")
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not named_by_users
            if isinstance(node, ast.ClassDef) or public:
                homes.setdefault(node.name, []).append(name_of(path))
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert set(twice) <= set(SHARED_NAMES), {name: twice[name] for name in set(twice) - set(SHARED_NAMES)}
    assert set(twice) == set(SHARED_NAMES), "a name that is shared no more leaves SHARED_NAMES"
