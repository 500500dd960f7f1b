"""Rows that belong together, in order: each run of up to L rows of a group is one example, a wide row.

    group, time, a, b      →    number of rows, time, time+2, …, time+L, a.1, …, a.L, b
    one line per row            time+k is the time since the row before; b is the same in all rows of each group

A group of more rows is cut from its end, so the last run is a full one. Cells after the last row of a run are empty.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.data.table.column import Column, IntegerColumn, NumberColumn
from quasistatic.data.table.column.bins import Bins
from quasistatic.data.table.date import DateColumn
from quasistatic.runtime.fields import Checked, Range

LONGEST = 1000
"""Maximum number of rows of a run."""

WIDE = 200
"""Columns of a wide row, if the number of rows of a run is not given."""

Raw = Float[Tensor, "rows columns"]
Wide = Float[Tensor, "runs wide"]
Runs = Int[Tensor, "runs length"]
"""The rows of each run, −1 after its last."""


@final
@dataclass(frozen=True)
class Series(Checked):
    """How rows make wide rows.

    Attributes:
        group: the column that is the same in the rows of a group.
        time: the column that orders them; "" keeps the order of the file.
        length: rows of a run, at most.
        columns: learned columns of a row.
        fixed: names of those that are the same in all rows of each group.
        counted: name of the column with the number of rows of a run; "" if all runs have as many.
        place: of the group's column in the file.
        pace: time between two rows, where it is always the same; 0 if not, or if there is no time.
    """

    group: str
    time: str
    length: Annotated[int, Range(at_least=2, at_most=LONGEST)]
    columns: tuple[Column, ...]
    fixed: tuple[str, ...] = ()
    counted: str = ""
    place: Annotated[int, Range(at_least=0, at_most=2**31)] = 0
    pace: float = 0.0

    @classmethod
    def of(
        cls, asked: tuple[str, str, int | None], columns: Sequence[Column], raw: Raw, groups: Sequence[str], place: int
    ) -> "Series":
        """Return the layout for a table.

        Args:
            asked: names of the columns of the group and of the time ("" for none), and the rows of a run (None for as
                many as make `WIDE` columns).
            columns: columns that are learned, the time among them.
            raw: their raw values.
            groups: the group of each row.
            place: of the group's column in the file.

        Raises:
            ValueError: if no group has two rows, a time is empty, or the column of times holds none.
        """
        group, time, length = asked
        names = [column.name for column in columns]
        ordering = [column for column in columns if column.name == time]
        if ordering and not ordering[0].ranges:
            raise ValueError(f"the column of times holds numbers or dates, got {time!r} of {ordering[0]}")
        members = members_of(groups, _times(names, time, raw))
        longest = max(map(len, members))
        if longest < 2:
            raise ValueError(f"a group has two rows or more, got one of each {group!r}; see --group")
        fixed = [name for place_, name in enumerate(names) if name != time and _same(raw[:, place_], members)]
        if length is None:
            length = max(2, min(longest, WIDE // max(1, len(names) - len(fixed))))
        runs = runs_of(members, length)
        gaps = _gaps(raw[:, names.index(time)], runs) if time else torch.zeros(0)
        seen = gaps[~gaps.isnan()]
        pace = float(seen[0]) if len(seen) and bool((seen == seen[0]).all()) else 0.0
        counted = "" if bool((runs >= 0).all()) else _free("number of rows", names)
        return cls(group, time, length, tuple(columns), tuple(fixed), counted, place, pace)

    def runs(self, names: Sequence[str], raw: Raw, groups: Sequence[str]) -> Runs:
        """Return the runs of rows that were read as columns of these ``names``.

        Raises:
            ValueError: if a time is empty, times are not `pace` apart, or a `fixed` column differs within a group: what
                is not in a wide row would be lost.
        """
        members = members_of(groups, _times(list(names), self.time, raw))
        runs = runs_of(members, self.length)
        for name in self.fixed:
            if not _same(raw[:, names.index(name)], members):
                raise ValueError(f"{name!r} is the same in all rows of a group of the model, got a group with others")
        if self.pace:
            gaps = _gaps(raw[:, names.index(self.time)], runs)
            other = gaps[~gaps.isnan() & (gaps != self.pace)]
            if len(other):
                raise ValueError(
                    f"rows of the model are {self.pace:g} apart in {self.time!r}, got {other[0].item():g}; add the "
                    "rows between, with empty cells"
                )
        return runs

    def wide_columns(self, raw: Raw, runs: Runs) -> tuple[Column, ...]:
        """Return the columns of wide rows; those of gaps in time and of counts are fitted to the rows."""
        found: list[Column] = []
        if self.counted:
            counts = (runs >= 0).sum(1).double().numpy()
            found.append(IntegerColumn(self.counted, Bins.of(counts, 1)))
        for place, column in enumerate(self.columns):
            if column.name == self.time:
                found.append(column)
                found += [] if self.pace else self._between(column, _gaps(raw[:, place], runs))
            elif column.name in self.fixed:
                found.append(column)
            else:
                found += [_called(column, f"{column.name}.{k}") for k in range(1, self.length + 1)]
        return tuple(found)

    def widened(self, raw: Raw, runs: Runs) -> Wide:
        """Return wide rows of ``raw``, rows in the order of `columns`."""
        found: list[Tensor] = []
        if self.counted:
            found.append((runs >= 0).sum(1, keepdim=True).double())
        for place, column in enumerate(self.columns):
            cells = torch.where(runs >= 0, raw[runs.clamp(min=0), place], torch.nan)
            if column.name == self.time:
                found.append(cells[:, :1])
                found += [] if self.pace else [_gaps(raw[:, place], runs)]
            elif column.name in self.fixed:
                found.append(_first(cells))
            else:
                found.append(cells)
        return torch.cat(found, 1)

    def counts(self, wide: Wide) -> Int[Tensor, " runs"]:
        """Return the number of rows of each run."""
        if not self.counted:
            return torch.full((len(wide),), self.length)
        return wide[:, 0].round().long().clamp(1, self.length)

    def narrowed(self, wide: Wide, counts: Int[Tensor, " runs"]) -> Raw:
        """Return the rows of wide rows, the first ``counts`` of each: the inverse of `widened`."""
        found, done = [], int(bool(self.counted))
        for column in self.columns:
            own = wide[:, done : done + 1].expand(-1, self.length)
            if column.name == self.time:
                gaps = torch.full_like(own[:, 1:], self.pace) if self.pace else wide[:, done + 1 : done + self.length]
                own = own[:, :1] + torch.cat([torch.zeros_like(own[:, :1]), gaps], 1).cumsum(1)
                done += 1 if self.pace else self.length
            elif column.name in self.fixed:
                done += 1
            else:
                own = wide[:, done : done + self.length]
                done += self.length
            found.append(own)
        inside = torch.arange(self.length) < counts[:, None]
        return torch.stack(found, -1)[inside]

    def called(self, runs: Runs, groups: Sequence[str]) -> list[str]:
        """Return a name for each run: that of its group, and its number in it if there are several."""
        owners = [groups[row] for row in runs[:, 0].tolist()]
        several, seen, names = Counter(owners), Counter[str](), []
        for owner in owners:
            seen[owner] += 1
            names.append(owner if several[owner] == 1 and owner else f"{owner} {seen[owner]}".strip())
        return names

    def _between(self, column: Column, gaps: Float[Tensor, "runs others"]) -> list[Column]:
        """Return the columns of the times between rows."""
        seen = gaps[~gaps.isnan()].numpy()
        whole = isinstance(column, IntegerColumn | DateColumn) and bool((seen % 1 == 0).all())
        bins = Bins.of(seen, 1 if whole else 0)
        kind = IntegerColumn if whole else NumberColumn
        return [kind(f"{column.name}+{k}", bins) for k in range(2, self.length + 1)]


def groups_in(group: str, found: Sequence[Column], raw: Raw) -> list[str]:
    """Return the group of each row, of rows as read; with no column of groups, all are one.

    Raises:
        ValueError: if there is no such column, or a row has no group.
    """
    if not group:
        return [""] * len(raw)
    places = {column.name: place for place, column in enumerate(found)}
    if group not in places:
        raise ValueError(f"rows are of groups by the column {group!r}, got none of that name; add it")
    own, column = raw[:, places[group]], found[places[group]]
    if bool(own.isnan().any()):
        row = int(own.isnan().nonzero()[0])
        raise ValueError(f"every row is of a group, got an empty cell of {group!r} in row {row}; fill it in")
    distinct, where = own.unique(return_inverse=True)
    texts = [column.text(value) for value in distinct.tolist()]
    return [texts[place] for place in where.tolist()]


def members_of(groups: Sequence[str], times: Float[Tensor, " rows"] | None) -> list[np.ndarray]:
    """Return the rows of each group in the order of their times, the groups in the order of their first rows."""
    _, first, place = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    key = np.zeros(len(place)) if times is None else times.numpy()
    order = np.lexsort((np.arange(len(place)), key, first[place]))
    return np.split(order, np.flatnonzero(np.diff(first[place][order])) + 1)


def runs_of(members: Sequence[np.ndarray], length: int) -> Runs:
    """Return groups cut into runs from their ends."""
    runs = []
    for rows in members:
        start = len(rows) % length
        parts = [rows[:start]] if start else []
        runs += [*parts, *(rows[at : at + length] for at in range(start, len(rows), length))]
    found = np.full((len(runs), length), -1)
    for place, rows in enumerate(runs):
        found[place, : len(rows)] = rows
    return torch.from_numpy(found)


def _times(names: Sequence[str], time: str, raw: Raw) -> Float[Tensor, " rows"] | None:
    if not time:
        return None
    if time not in names:
        raise ValueError(f"rows are ordered by a column with different values, got --time {time}; leave it out")
    own = raw[:, names.index(time)]
    if bool(own.isnan().any()):
        row = int(own.isnan().nonzero()[0])
        raise ValueError(f"every row of a series has a time, got an empty cell of {time!r} in row {row}; fill it in")
    return own


def _gaps(times: Float[Tensor, " rows"], runs: Runs) -> Float[Tensor, "runs others"]:
    """Return the time from each row of a run to the next, NaN after the last."""
    cells = torch.where(runs >= 0, times[runs.clamp(min=0)], torch.nan)
    return cells.diff(dim=1)


def _same(cells: Float[Tensor, " rows"], members: Sequence[np.ndarray]) -> bool:
    """Return whether the cells that are not empty are the same within each group."""
    for rows in members:
        own = cells[torch.from_numpy(rows)]
        own = own[~own.isnan()]
        if len(own) and not bool((own == own[0]).all()):
            return False
    return True


def _first(cells: Float[Tensor, "runs length"]) -> Float[Tensor, "runs 1"]:
    """Return the first cell of each run that is not empty; NaN if all are."""
    place = (~cells.isnan()).int().argmax(1, keepdim=True)
    return cells.gather(1, place)


def _called(column: Column, name: str) -> Column:
    return replace(column, name=name)  # type: ignore[type-var]


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "*"
    return name
