"""Applies changes to a configuration: ``field=value`` texts, or values by the names of their fields."""

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from quasistatic.config.json import from_json, item_of, plain, refuse_unknown, to_json
from quasistatic.config.registry import FAMILIES, SPELLINGS
from quasistatic.config.tree import Config, DataConfig, TrainingConfig
from quasistatic.runtime.fields import brief

SHORT = {
    "steps": "training.steps",
    "minutes": "training.minutes",
    "batch_size": "training.batch",
    "lr": "training.learning_rate",
    "size": "data.size",
}
"""Fields that have a name of their own: options of `quasistatic train` and keywords of `quasistatic.fit`."""

ELSEWHERE = {
    **SHORT,
    "max_steps": "training.steps",
    "num_steps": "training.steps",
    "image_size": "data.size",
    "resolution": "data.size",
    "ema_decay": "training.ema",
    "mixed_precision": "training.precision",
    "gradient_accumulation_steps": "training.accumulate",
    "max_grad_norm": "training.clip",
    "warmup_steps": "training.warmup",
    "val_split": "data.held_out",
    "test_size": "data.held_out",
    "random_state": "seed",
    "class_cond": "data.conditional",
    "conditional": "data.conditional",
}
"""What other libraries call a field."""


def override(config: Config, changes: list[str] | Mapping[str, Any]) -> Config:
    """Return ``config`` with each ``field=value`` applied; the value is parsed as the type of the field.

    A member of a family is chosen by name (``process.schedule=linear``) or given as it is; a tuple is written with
    commas (``network.multipliers=1,2``). All changes are applied before the result is checked, so their order does not
    matter.

    Args:
        config: the configuration, which stays as it is.
        changes: texts ``field=value``, or values by their fields.

    Raises:
        ValueError: if a change is not ``field=value``, a field is unknown (the message lists the known ones, and the
            nearest), or a value has the wrong type.
    """
    tree = to_json(config)
    for path, value in changes.items() if isinstance(changes, Mapping) else _split(changes):
        _set(Config, tree, path.split("."), value, "")
    return cast(Config, from_json(Config, tree))


def _split(changes: Iterable[str]) -> Iterable[tuple[str, str]]:
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"a change is written field=value, got {change!r}")
        yield path.strip(), text.strip()


def field_called(keyword: str) -> str:
    """Return the field that a Python keyword names: ``network__width`` is ``network.width``, ``lr`` is in `SHORT`.

    A field of `TrainingConfig` or `DataConfig` needs no prefix. An unknown name is returned as it is.
    """
    if "__" in keyword or "." in keyword:
        return keyword.replace("__", ".")
    owners = {"training": TrainingConfig, "data": DataConfig}
    found = [f"{owner}.{keyword}" for owner, kind in owners.items() if keyword in _names(kind)]
    return SHORT.get(keyword) or (found[0] if len(found) == 1 and keyword not in _names(Config) else keyword)


def near_field(path: str, known: Iterable[str]) -> str | None:
    """Return the field that an unknown ``path`` likely means: one of ``known``, or one that others call so."""
    owner, _, name = path.replace("-", "_").rpartition(".")
    if name in ELSEWHERE and ELSEWHERE[name] != path:
        return ELSEWHERE[name]
    beside = {one: f"{owner}.{one}" if owner else one for one in known}
    everywhere = {one: f"training.{one}" for one in _names(TrainingConfig)} | {
        one: f"data.{one}" for one in _names(DataConfig)
    }
    fields = everywhere | beside
    return next((fields[one] for one in get_close_matches(name, fields, 1, 0.75)), None)


def _names(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _set(kind: Any, node: Any, path: list[str], value: Any, where: str) -> None:
    """Set a field of a JSON tree of type ``kind``; the whole tree is checked later, after all changes.

    An index into a tuple of objects counts as a field: ``process.parts.0.columns``.
    """
    name, *rest = path
    item = item_of(kind)
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    hints = hints if item is None else {str(place): item for place in range(len(node))}
    full = f"{where}.{name}" if where else name
    near = None if name in hints else near_field(full, hints)
    refuse_unknown({name} - set(hints), list(hints), where or "the configuration", near)
    hint, key = hints[name], name if item is None else int(name)
    if rest:
        if item is None and name not in node:
            raise ValueError(f"{full} has no default; choose it first, as {full}=NAME")
        member = FAMILIES[hint][node[key]["type"]] if hint in FAMILIES else hint
        _set(member, node[key], rest, value, full)
    elif hint in FAMILIES and not isinstance(value, str) and type(value) in FAMILIES[hint].values():
        node[key] = to_json(value)
    elif hint in FAMILIES:
        node[key] = _member(hint, value, full)
    elif dataclasses.is_dataclass(hint):
        raise ValueError(f"{full} holds fields; set one of {', '.join(typing.get_type_hints(hint))}")
    elif item_of(hint) is not None:
        raise ValueError(f"{full} is a list; set a field of {', '.join(f'{full}.{i}' for i in range(len(node[key])))}")
    else:
        node[key] = to_json(plain(hint, value, full))


def _member(kind: Any, text: Any, where: str) -> dict[str, Any]:
    """Return a member's default fields as JSON; fields without a default must be set by another change."""
    given, family = SPELLINGS.get(text, text) if isinstance(text, str) else "", FAMILIES[kind]
    if isinstance(text, kind):
        raise ValueError(
            f"{where} takes classes that have a name, got {brief(text)}; name its class first, as in "
            f'quasistatic.register("{where.rpartition(".")[2]}", "my-name", {type(text).__name__})'
        )
    if given not in family:
        raise ValueError(f"{where} is one of {', '.join(family)}, got {text!r}")
    kept = [f for f in dataclasses.fields(family[given]) if f.default is not dataclasses.MISSING]
    return {"type": given, **{f.name: to_json(f.default) for f in kept}}
