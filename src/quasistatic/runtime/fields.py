"""Types and ranges of a configuration's fields: declared in the annotation, checked when an object is made.

    @dataclass(frozen=True)
    class TrainingConfig(Checked):
        clip: Positive = 1.0                                          # a finite number above 0
        batch: Annotated[int, Range(above=0, at_most=10**7)] = 128    # a whole number in a range

A number is finite. True and false are not numbers.
"""

import functools
import math
import reprlib
import sys
import types
import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


@dataclass(frozen=True)
class Range:
    """The finite numbers between two ends, each of them included (``at_least``, ``at_most``) or not."""

    at_least: int | float = -math.inf
    at_most: int | float = math.inf
    above: int | float = -math.inf
    below: int | float = math.inf

    def holds(self, number: int | float) -> bool:
        """Whether ``number`` is finite and in the range."""
        finite = -sys.float_info.max <= number <= sys.float_info.max
        return finite and self.at_least <= number <= self.at_most and self.above < number < self.below

    def __str__(self) -> str:
        ends = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        return " and ".join(f"{word} {_number(end)}" for word, end in ends.items() if math.isfinite(end)) or "finite"


Share = Annotated[float, Range(at_least=0, at_most=1)]
"""A share of a whole; all and nothing are shares."""
Fraction = Annotated[float, Range(at_least=0, below=1)]
"""A share below 1."""
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(at_least=0)]
Width = Annotated[int, Range(at_least=1, at_most=2**16)]
"""Features, units or maps of a layer; pixels of a side."""
Embedded = Annotated[int, Range(at_least=4, at_most=2**16)]
"""Features of a layer that is given the time: its embedding has four or more."""
Side = Annotated[int, Range(at_least=1, at_most=64)]
"""Pixels of a kernel's or a patch's side."""
Power = Annotated[int, Range(at_least=0, at_most=60)]
"""n of the features sin(2ⁿ π x), cos(2ⁿ π x)."""
Depth = Annotated[int, Range(at_least=1, at_most=1000)]
"""Layers or blocks, one after another."""
Steps = Annotated[int, Range(at_least=1, at_most=10**6)]
"""Steps of a chain; their times are held in memory."""
Whole = Annotated[int, Range(at_least=-(2**63), at_most=2**63 - 1)]
"""What 64 bits hold."""
Count = Annotated[int, Range(at_least=0, at_most=2**63 - 1)]
"""How many there are or were."""
Seed = Whole


class FieldError(ValueError):
    """A field that holds what it must not: the ``place`` of the value, from the owner's field on, and a complaint."""

    def __init__(self, owner: str, place: str, complaint: str) -> None:
        super().__init__(f"{owner}.{place} {complaint}" if owner else f"{place} {complaint}")
        self.place, self.complaint = place, complaint


class Checked:
    """Base of frozen dataclasses whose fields are checked against their annotations.

    Raises:
        FieldError: if a field is of another type or out of its range. It is a ValueError and names the field.
    """

    def __post_init__(self) -> None:
        check_fields(self, type(self).__name__)


def check_fields(value: Checked, owner: str = "") -> None:
    """Refuse a dataclass with a field that does not fit its annotation.

    Raises:
        FieldError: if there is one; the sentence begins with the ``owner``, if named, and the field.
    """
    for name, hint in _hints(cast(Hashable, type(value))).items():
        found = misfit(hint, getattr(value, name))
        if found is not None:
            raise FieldError(owner, name + found[0], found[1])


def check(name: str, hint: Any, value: object) -> None:
    """Refuse a ``value`` that does not fit ``hint``, as `Checked` does for fields.

    Raises:
        ValueError: it does not fit; the sentence begins with ``name``.
    """
    found = misfit(hint, value)
    if found is not None:
        raise ValueError(f"{name}{found[0]} {found[1]}")


def misfit(hint: Any, value: object) -> tuple[str, str] | None:
    """Return where in ``value`` something does not fit ``hint``, and a complaint; None if all fits."""
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
    """Return a value as a sentence shows it: short, however large or deep it is."""
    try:
        return _short.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a {type(value).__name__} too long to show"


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return {name: hint for name, hint in typing.get_type_hints(kind, include_extras=True).items() if name in fields}


def _options(hint: Any) -> Iterator[tuple[Any, Range | None]]:
    """Yield the types that a value may have, each with its range if it is a number."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from _options(option)
    elif typing.get_origin(hint) is Annotated:
        kind, *notes = typing.get_args(hint)
        yield kind, next((note for note in notes if isinstance(note, Range)), None)
    else:
        yield hint, Range() if hint is float else None


def _is(kind: Any, value: object) -> bool:
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
