"""Reads the values of a request, which came from the page and may be anything."""

from collections.abc import Mapping, Sequence
from typing import Any


def whole(request: Mapping[str, Any], name: str, default: int, most: int, least: int = 1) -> int:
    """Return a whole number of a request.

    Raises:
        ValueError: if it is none, or out of its range.
    """
    value = request.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is a whole number from {least} to {most:,}, got {str(value)[:40]}")
    return value


def number(request: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    """Return a number of a request.

    Raises:
        ValueError: if it is none, or out of its range.
    """
    value = request.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is a number from {least:g} to {most:g}, got {str(value)[:40]}")
    return float(value)


def text(request: Mapping[str, Any], name: str, most: int = 200) -> str | None:
    """Return a text of a request, None if it is missing or empty.

    Raises:
        ValueError: if it is none, or too long.
    """
    value = request.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{name} is a text of at most {most:,} characters, got {str(value)[:40]}")
    return value


def flags(request: Mapping[str, Any], name: str, count: int) -> list[bool]:
    """Return a list of ``count`` true or false values, given as 1 and 0.

    Raises:
        ValueError: if it is none.
    """
    value = request.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count or set(value) - {0, 1}:
        raise ValueError(f"{name} is a list of {count:,} values 0 or 1, got something else")
    return [bool(one) for one in value]
