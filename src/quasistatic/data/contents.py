"""An opened source, not yet checked or brought to one shape, and the options for reading it.

A reader in `load` returns a `Contents`. `load` turns it into a `Dataset` or raises an error with one sentence;
`inspect` reports on it and lists every problem.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from quasistatic.data.codec.base import Codec
from quasistatic.data.dataset import Dataset
from quasistatic.data.table.date import is_format
from quasistatic.data.table.series import LONGEST

LARGEST_SIDE = 2**14
"""Maximum side of resized images, in pixels."""

MOST_TOKENS = 2**16
"""Maximum number of word-pieces."""

KINDS = ("number", "integer", "category", "date", "id", "drop")
"""Kinds that a column may be asked to have; a date may have a format, as in ``date:%d.%m.%Y``."""


@dataclass(frozen=True)
class DataOptions:
    """How to read a source; `load` and `inspect` take one, or its fields as keywords.

    Attributes:
        size: resize images: None (keep), a side in pixels, or (height, width).
        channels: channels of every image: None (1 if all are grey, otherwise 3), 1, 3 or 4.
        data_dir: folder with the files of a named set.
        limit: maximum number of examples, evenly spread.
        progress: called with (done, total) while examples are decoded.
        states: read integers as unordered categories: their number, or ``found`` to detect it.
        threshold: read numbers as bits: 1 if at least this value.
        length: length of the pieces that a text is cut into, or of its longest record.
        columns: kinds of a table's columns, in place of those detected: NAME=KIND, with a kind of `KINDS`.
        missing: texts and numbers that stand for an empty cell of a table, besides the usual ones.
        group: name of the column that is the same in rows of a table that belong together; they make one example.
        time: name of the column that orders them; without ``group``, all rows are one group.
        rows: rows of a table in one example, at most; a longer group is cut. None: as many as make 200 columns.
        links: in a folder of images, follow links to folders and links that lead out of it.
        condition: a file with a row of covariates for each example; see `labels.covariates`.
        axes: axes of an array's examples besides channels: 1 for signals (N, length) or (N, channels, length), 3 for
            volumes (N, depth, height, width) or with channels in front; None for vectors and images.
        tokens: elements of a text: a number of word-pieces, learned on it, or ``bytes``; None for characters.
        records: each line of a text is an example, of at most ``length`` characters.
        held_out: number or fraction of examples that will be held out: word-pieces are learned on the others.
        like: codec of a model that the data are for: its word-pieces, and the length of its records, are used.

    Raises:
        ValueError: if a size, a number of channels, states, a length or a kind of column is invalid.
    """

    size: int | Sequence[int] | None = None
    channels: int | None = None
    data_dir: str | Path | None = None
    limit: int | None = None
    progress: Callable[[int, int], None] | None = None
    states: int | str | None = None
    threshold: int | float | None = None
    length: int = 256
    columns: Sequence[str] = ()
    missing: Sequence[str] = ()
    group: str | None = None
    time: str | None = None
    rows: int | None = None
    links: bool = False
    condition: str | Path | None = None
    axes: int | None = None
    tokens: int | str | None = None
    records: bool = False
    held_out: int | float = field(default=0.1, compare=False)
    like: Codec | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        side = self.height_width
        if side is not None and (len(side) != 2 or min(side) < 1):
            raise ValueError(f"an image size is a side in pixels or (height, width), got {self.size}")
        if side is not None and max(side) > LARGEST_SIDE:
            raise ValueError(
                f"an image size is at most {LARGEST_SIDE} pixels a side, got {self.size}; choose a smaller"
            )
        if self.channels not in (None, 1, 3, 4):
            raise ValueError(f"images have 1 (grey), 3 (RGB) or 4 (RGBA) channels, got channels = {self.channels}")
        if self.states not in (None, "found") and not (isinstance(self.states, int) and self.states > 1):
            raise ValueError(f"the number of states is at least 2, or `found`, got data.states = {self.states}")
        if self.states is not None and self.threshold is not None:
            raise ValueError("data are read as categories or as bits, got both data.states and data.threshold")
        if self.length < 2:
            raise ValueError(f"a text is cut into pieces of two characters or more, got data.length = {self.length}")
        if self.axes not in (None, 1, 3):
            raise ValueError(f"data.axes is 1 for signals or 3 for volumes, got {self.axes}; leave it out for others")
        if self.tokens not in (None, "bytes") and not (type(self.tokens) is int and 2 <= self.tokens <= MOST_TOKENS):
            raise ValueError(
                f"data.tokens is a number of word-pieces, 2 to {MOST_TOKENS:,}, or bytes, got {self.tokens!r}; leave "
                "it out for characters"
            )
        if self.records and self.tokens is not None:
            raise ValueError(f"records are made of characters, got data.tokens = {self.tokens} as well; leave one out")
        kinds = asked_kinds(self.columns)
        if self.rows is not None and not self.in_series:
            raise ValueError("data.rows is for rows that belong together, got no data.group and no data.time; name one")
        if self.rows is not None and not 2 <= self.rows <= LONGEST:
            raise ValueError(f"an example has 2 to {LONGEST} rows of a table, got data.rows = {self.rows}")
        if self.group is not None and (self.group in kinds or self.group == self.time):
            raise ValueError(f"the column of groups only tells them apart, got another use of {self.group!r}; drop it")
        if self.time is not None and kinds.get(self.time) in ("id", "drop", "category"):
            raise ValueError(f"the column of times holds numbers or dates, got {self.time}={kinds[self.time]}; drop it")

    @property
    def in_series(self) -> bool:
        """Whether several rows of a table make one example."""
        return self.group is not None or self.time is not None

    @property
    def height_width(self) -> tuple[int, ...] | None:
        """The size as (height, width), or None."""
        if self.size is None:
            return None
        return (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)

    def changed(self, changes: Mapping[str, Any]) -> "DataOptions":
        """Return the options with some fields replaced.

        Raises:
            TypeError: if there is no such field.
            ValueError: if a value is refused, as above.
        """
        known = [field.name for field in fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise TypeError(f"data are read with {', '.join(known)}, got {unknown[0]}")
        return replace(self, **changes)


class Contents(ABC):
    """The examples of one source, as stored."""

    name: str

    @abstractmethod
    def dataset(self, options: DataOptions) -> Dataset:
        """Return the examples as a checked data set of one shape.

        Raises:
            ValueError: if that is not possible.
        """


def asked_kinds(columns: Sequence[str]) -> dict[str, str]:
    """Return the kind of each column in ``NAME=KIND``.

    Raises:
        ValueError: if one is not written so, has an unknown kind or format, or a column has two.
    """
    kinds: dict[str, str] = {}
    for one in columns:
        name, _, kind = one.rpartition("=")
        word, _, format = kind.partition(":")
        if not name or word not in KINDS or (format and not (word == "date" and is_format(format))):
            raise ValueError(
                f"the kind of a column is written NAME=KIND, with {', '.join(KINDS)} or date:%Y-%m-%d, got {one!r}"
            )
        if kinds.setdefault(name, kind) != kind:
            raise ValueError(f"a column has one kind, got {kinds[name]} and {kind} for {name!r}; leave one out")
    return kinds
