"""Classes of the user's own in a saved configuration: where they are defined, and their import, only if it is allowed.

{"type": "my-net", "import": "my_package.nets:MyNet", "width": 64}
"""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from quasistatic.config.registry import FAMILIES, OPEN, OWN, register
from quasistatic.runtime.fields import brief

IMPORT = "import"
"""Field of a member's JSON: module and name of its class."""

TRUSTED = "QUASISTATIC_TRUST"
"""Environment variable: modules that a configuration may name for import, with commas between."""


def imported_from(kind: type) -> dict[str, str]:
    """Return where a class of the user's own is defined, as a field of its JSON; nothing for the library's classes."""
    return {IMPORT: f"{kind.__module__}:{kind.__qualname__}"} if kind in OWN else {}


def import_parts(tree: Any, trust: bool, where: str) -> None:
    """Import and register the classes that a configuration names and that are not registered.

    Code is run only from modules that the caller trusts: all that are named with ``trust``, or those in the environment
    variable QUASISTATIC_TRUST.

    Args:
        tree: JSON values of a configuration.
        trust: whether any module may be imported.
        where: the file, for messages.

    Raises:
        ValueError: if a class is not registered and may not be imported, or its module or itself does not exist.
    """
    known = {name for family in OPEN.values() for name in FAMILIES[family]}
    for name, place in _named(tree):
        if name not in known:
            _import(name, place, trust, where)


def _named(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield name and place of every member that says where its class is."""
    if isinstance(tree, dict):
        name, place = tree.get("type"), tree.get(IMPORT)
        if isinstance(name, str) and isinstance(place, str):
            yield name, place
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _named(part)


def _import(name: str, place: str, trust: bool, where: str) -> None:
    module, _, path = place.partition(":")
    allowed = [one.strip() for one in os.environ.get(TRUSTED, "").split(",")]
    first = f"{where} needs a part of its author's own, {brief(name)}, of the class {brief(place)}"
    if module == "__main__":
        raise ValueError(f"{first}, which was defined in a script or notebook; define and register it before reading")
    if not (trust or module in allowed):
        raise ValueError(
            f"{first}; register it before reading, or, if you trust the code, load with trust=True or set "
            f"{TRUSTED}={module if module.isprintable() else '…'}"
        )
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        advice = "; its folder must be on PYTHONPATH" if missing else ""
        raise ValueError(f"{first}, which cannot be imported: {error}{advice}") from None
    family = next((one for one, base in OPEN.items() if isinstance(found, type) and issubclass(found, base)), None)
    if family is None:
        raise ValueError(f"{first}, which is of no family; it should be one of {', '.join(OPEN)}")
    if found not in OWN:  # the module may have registered it
        register(family, name, found)
