"""Converts a configuration to JSON values and back; each value is parsed as the type of its field."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, cast

from quasistatic.config.own import IMPORT, imported_from
from quasistatic.config.registry import FAMILIES, SPELLINGS
from quasistatic.runtime.fields import FieldError, brief


def read_object(path: Path) -> dict[str, Any]:
    """Read the fields of a JSON file that holds one object.

    Raises:
        ValueError: if it is not a regular file, not valid JSON, nested too deeply, or not an object.
        OSError: if it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} should be a regular file, as a pipe would be waited for")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ValueError(f"{path} should be JSON, and it is damaged: {reason}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} should hold fields, got {type(content).__name__}: {brief(content)}")
    return content


def to_json(value: Any) -> Any:
    """Convert a tree of dataclasses to JSON values; a member of a family gets its registered name under ``type``.

    A member of a class of the user's own also gets where that class is defined, under ``import``.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        name = _name_of(type(value))
        return {"type": name, **imported_from(type(value)), **fields} if name else fields
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def from_json(kind: Any, value: Any, where: str = "config") -> Any:
    """Build the tree of type ``kind`` from JSON values; the inverse of `to_json`.

    Raises:
        ValueError: if a field is missing or unknown, or a value has the wrong type or is out of range. The message
            names the field.
    """
    family = FAMILIES.get(kind)
    if family is not None:
        given = value.get("type") if isinstance(value, dict) else value
        name = SPELLINGS.get(given, given) if isinstance(given, str) else ""
        if name not in family:
            raise ValueError(f"{where} is one of {', '.join(family)}, got {brief(given)}")
        member = family[name]
        fields = {k: v for k, v in value.items() if k not in ("type", IMPORT)} if isinstance(value, dict) else {}
        return from_json(member, fields, where)
    optional = _optional(kind)
    if optional is not None:
        return None if value is None else from_json(optional, value, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where} holds fields, got {brief(value)}")
        hints = typing.get_type_hints(kind)
        known = [f.name for f in dataclasses.fields(kind)]
        refuse_unknown(set(value) - set(known), known, where)
        missing = [f.name for f in dataclasses.fields(kind) if f.name not in value and not _has_default(f)]
        if missing:
            raise ValueError(f"{where} is incomplete: it needs {', '.join(missing)}")
        fields = {name: from_json(hints[name], item, f"{where}.{name}") for name, item in value.items()}
        try:
            return cast(Any, kind)(**fields)
        except FieldError as error:
            raise ValueError(f"{where}.{error.place} {error.complaint}") from None
    item = item_of(kind)
    if item is not None:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is a list, got {brief(value)}")
        return tuple(from_json(item, part, f"{where}.{place}") for place, part in enumerate(value))
    return plain(kind, value, where)


def item_of(kind: Any) -> Any:
    """Return the item type if ``kind`` is a tuple of dataclasses, otherwise None."""
    if typing.get_origin(kind) is not tuple:
        return None
    item = typing.get_args(kind)[0]
    return item if item in FAMILIES or dataclasses.is_dataclass(item) else None


def _optional(kind: Any) -> Any:
    """Return the dataclass of ``kind`` if it is that or None, otherwise None."""
    options = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else ()
    own = [option for option in options if option is not types.NoneType]
    return own[0] if len(own) == 1 < len(options) and dataclasses.is_dataclass(own[0]) else None


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def plain(kind: Any, value: Any, where: str) -> Any:
    """Parse a number, string, boolean, tuple or None of type ``kind`` from JSON or text."""
    union = typing.get_origin(kind) in (types.UnionType, typing.Union)
    options = typing.get_args(kind) if union else (kind,)
    # None first, because `none` is also valid text
    for option in sorted(options, key=lambda option: option is not types.NoneType):
        try:
            return _read(option, value)
        except (ValueError, TypeError, OverflowError):
            continue
    wanted = " or ".join("none" if option is types.NoneType else _spelt(option) for option in options)
    raise ValueError(f"{where} takes {wanted}, got {brief(value)}")


def _read(kind: Any, value: Any) -> Any:
    if kind is types.NoneType:
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        raise ValueError
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        parts = value
        if isinstance(value, str):  # a size may be written 32x48
            parts = [part for part in (value if item is str else value.replace("x", ",")).split(",") if part]
        if not isinstance(parts, list | tuple) or (value and not parts):
            raise ValueError
        return tuple(_read(item, part) for part in parts)
    if kind is bool:
        return {"true": True, "false": False}[str(value).lower()] if str(value).lower() in ("true", "false") else _no()
    if (kind is int and isinstance(value, float)) or (kind in (int, float) and isinstance(value, bool)):
        raise ValueError
    if kind is str and not isinstance(value, str):
        raise ValueError
    return kind(value)


def _no() -> Any:
    raise ValueError


def _spelt(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(kind) or f"{_spelt(typing.get_args(kind)[0]).removeprefix('a ')}s with commas between"


def name_of(member: Any) -> str:
    """Return the registered name of a process, a network, a head or another member of a family."""
    return _name_of(type(member)) or type(member).__name__


def _name_of(kind: type) -> str | None:
    return next((name for family in FAMILIES.values() for name, member in family.items() if member is kind), None)


def refuse_unknown(unknown: set[str], known: list[str], where: str, near: str | None = None) -> None:
    """Raise ValueError, naming the known fields and the one ``near`` in name, if there are unknown ones."""
    if unknown:
        named = ", ".join(name if len(name) < 50 else brief(name) for name in sorted(unknown)[:5])
        meant = f"; did you mean {near}?" if near else ""
        raise ValueError(f"{where} has no field {named}; it has {', '.join(known) or 'none'}{meant}")
