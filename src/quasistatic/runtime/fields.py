"""Checks the types and ranges of configuration fields: declared in the annotations, checked at construction.

    @dataclass(frozen=True)
    class TrainingConfig(Checked):
        clip: Positive = 1.0                                          # a finite number above 0
        batch: Annotated[int, Range(above=0, at_most=10**7)] = 128    # a whole number in a range

Numbers must be finite. Booleans do not count as numbers.
"""

import functools
import math
import reprlib
import sys
import types
import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


@dataclass(frozen=True)
class Range:
    """A range of finite numbers; ``at_least`` and ``at_most`` include the end, ``above`` and ``below`` exclude it."""

    at_least: int | float = -math.inf
    at_most: int | float = math.inf
    above: int | float = -math.inf
    below: int | float = math.inf

    def holds(self, number: int | float) -> bool:
        """Return whether ``number`` is finite and in the range."""
        finite = -sys.float_info.max <= number <= sys.float_info.max
        return finite and self.at_least <= number <= self.at_most and self.above < number < self.below

    def __str__(self) -> str:
        ends = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        return " and ".join(f"{word} {_number(end)}" for word, end in ends.items() if math.isfinite(end)) or "finite"


Share = Annotated[float, Range(at_least=0, at_most=1)]
"""A fraction from 0 to 1, both included."""
Fraction = Annotated[float, Range(at_least=0, below=1)]
"""A fraction from 0, included, to 1, excluded."""
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(at_least=0)]
Width = Annotated[int, Range(at_least=1, at_most=2**16)]
"""Width of a layer (features, units or channels), or side of an image in pixels."""
Embedded = Annotated[int, Range(at_least=4, at_most=2**16)]
"""Width of a layer with a time embedding, which needs at least four features."""
Side = Annotated[int, Range(at_least=1, at_most=64)]
"""Side of a kernel or a patch, in pixels."""
Power = Annotated[int, Range(at_least=0, at_most=60)]
"""n of the features sin(2ⁿ π x), cos(2ⁿ π x)."""
Depth = Annotated[int, Range(at_least=1, at_most=1000)]
"""Number of layers or blocks."""
Steps = Annotated[int, Range(at_least=1, at_most=10**6)]
"""Number of steps of a chain; their times are held in memory."""
Whole = Annotated[int, Range(at_least=-(2**63), at_most=2**63 - 1)]
"""A signed 64-bit integer."""
Count = Annotated[int, Range(at_least=0, at_most=2**63 - 1)]
"""A count: a 64-bit integer of at least 0."""
Seed = Whole


def option(default: Any, text: str) -> Any:
    """Return a dataclass field for an option of a command, with its help ``text``."""
    return field(default=default, metadata={"help": text})


class FieldError(ValueError):
    """An invalid field value: the ``place`` of the value within its owner, and the ``complaint`` about it."""

    def __init__(self, owner: str, place: str, complaint: str) -> None:
        super().__init__(f"{owner}.{place} {complaint}" if owner else f"{place} {complaint}")
        self.place, self.complaint = place, complaint


class Checked:
    """Base of frozen dataclasses whose fields are checked against their annotations.

    Raises:
        FieldError: if a field has the wrong type or is out of range. It is a ValueError and names the field.
    """

    def __post_init__(self) -> None:
        check_fields(self, type(self).__name__)


def check_fields(value: Checked, owner: str = "") -> None:
    """Check every field of a dataclass against its annotation.

    Raises:
        FieldError: if a field does not match; the message begins with the ``owner``, if given, and the field.
    """
    for name, hint in _hints(cast(Hashable, type(value))).items():
        found = misfit(hint, getattr(value, name))
        if found is not None:
            raise FieldError(owner, name + found[0], found[1])


def check(name: str, hint: Any, value: object) -> None:
    """Check ``value`` against the type ``hint``, as `Checked` does for fields.

    Raises:
        ValueError: if it does not match; the message begins with ``name``.
    """
    found = misfit(hint, value)
    if found is not None:
        raise ValueError(f"{name}{found[0]} {found[1]}")


def misfit(hint: Any, value: object) -> tuple[str, str] | None:
    """Return the place in ``value`` that does not match ``hint``, and a complaint; None if all matches."""
    options = list(_options(hint))
    for kind, span in options:
        if typing.get_origin(kind) is tuple and isinstance(value, tuple):
            items = ((place, misfit(typing.get_args(kind)[0], item)) for place, item in enumerate(value))
            return next(((f".{place}{found[0]}", found[1]) for place, found in items if found is not None), None)
        if _is(kind, value):
            if span is None or span.holds(cast(float, value)):
                return None
            numbers = [other for other, _ in options if other in (int, float)]
            wanted = str(span) if len(numbers) == 1 else _wanted(options)
            return "", f"must be {wanted}, got {brief(value)}"
    return "", f"must be {_wanted(options)}, got {brief(value)}"


def brief(value: object) -> str:
    """Return a short text of ``value`` for a message, however large or nested the value is."""
    try:
        return _short.repr(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return f"a {type(value).__name__} too long to show"


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return {name: hint for name, hint in typing.get_type_hints(kind, include_extras=True).items() if name in fields}


def _options(hint: Any) -> Iterator[tuple[Any, Range | None]]:
    """Yield the types that ``hint`` allows, each with its range if it is a number."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from _options(option)
    elif typing.get_origin(hint) is Annotated:
        kind, *notes = typing.get_args(hint)
        yield kind, next((note for note in notes if isinstance(note, Range)), None)
    else:
        yield hint, Range() if hint is float else None


def _is(kind: Any, value: object) -> bool:
    if kind is Any:
        return True
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, kind) if isinstance(kind, type) and typing.get_origin(kind) is None else False


def _wanted(options: list[tuple[Any, Range | None]]) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", types.NoneType: "none"}
    words = []
    for kind, span in options:
        name = names.get(kind) or ("a list" if typing.get_origin(kind) is tuple else f"a {kind.__name__}")
        words.append(f"{name} ({span})" if span is not None and span != Range() else name)
    return " or ".join(words)


def _number(end: int | float) -> str:
    return f"{end:,}" if isinstance(end, int) else f"{end:g}"
