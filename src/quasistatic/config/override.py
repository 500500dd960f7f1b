"""Applies ``field=value`` changes to a configuration."""

import dataclasses
import typing
from typing import Any, cast

from quasistatic.config.json import from_json, item_of, plain, refuse_unknown, to_json
from quasistatic.config.registry import FAMILIES, SPELLINGS
from quasistatic.config.tree import Config


def override(config: Config, changes: list[str]) -> Config:
    """Return ``config`` with each ``field=value`` applied; the value is parsed as the type of the field.

    A member of a family is chosen by name (``process.schedule=linear``); a tuple is written with commas
    (``network.multipliers=1,2``). All changes are applied before the result is checked, so their order does not matter.

    Raises:
        ValueError: if a change is not ``field=value``, a field is unknown (the message lists the known ones), or a
            value has the wrong type.
    """
    tree = to_json(config)
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"a change is written field=value, got {change!r}")
        _set(Config, tree, path.strip().split("."), text.strip(), "")
    return cast(Config, from_json(Config, tree))


def _set(kind: Any, node: Any, path: list[str], text: str, where: str) -> None:
    """Set a field of a JSON tree of type ``kind``; the whole tree is checked later, after all changes.

    An index into a tuple of objects counts as a field: ``process.parts.0.columns``.
    """
    name, *rest = path
    item = item_of(kind)
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    hints = hints if item is None else {str(place): item for place in range(len(node))}
    full = f"{where}.{name}" if where else name
    refuse_unknown({name} - set(hints), list(hints), where or "the configuration")
    hint, key = hints[name], name if item is None else int(name)
    if rest:
        if item is None and name not in node:
            raise ValueError(f"{full} has no default; choose it first, as {full}=NAME")
        member = FAMILIES[hint][node[key]["type"]] if hint in FAMILIES else hint
        _set(member, node[key], rest, text, full)
    elif hint in FAMILIES:
        node[key] = _member(hint, text, full)
    elif dataclasses.is_dataclass(hint):
        raise ValueError(f"{full} holds fields; set one of {', '.join(typing.get_type_hints(hint))}")
    elif item_of(hint) is not None:
        raise ValueError(f"{full} is a list; set a field of {', '.join(f'{full}.{i}' for i in range(len(node[key])))}")
    else:
        node[key] = to_json(plain(hint, text, full))


def _member(kind: Any, text: str, where: str) -> dict[str, Any]:
    """Return a member's default fields as JSON; fields without a default must be set by another change."""
    given, family = SPELLINGS.get(text, text), FAMILIES[kind]
    if given not in family:
        raise ValueError(f"{where} is one of {', '.join(family)}, got {text!r}")
    kept = [f for f in dataclasses.fields(family[given]) if f.default is not dataclasses.MISSING]
    return {"type": given, **{f.name: to_json(f.default) for f in kept}}
