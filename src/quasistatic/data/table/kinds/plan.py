"""Plans what happens to each column of a sheet: it is learned, grouped, carried along or set aside.

one value or none                                      carried along                    ConstantColumn
over 200 texts, most of them once; numbers of rows     set aside, empty in samples      IdColumn
over 200 texts otherwise                               the rarest become one category
all else                                               learned as it is
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.source.named.sheet import Sheet, misnamed
from quasistatic.data.table.aside import ASIDES, Aside, ConstantColumn, DroppedColumn, GroupColumn, IdColumn
from quasistatic.data.table.codec import COLUMNS
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, Column, IntegerColumn, NumberColumn
from quasistatic.data.table.kinds.base import Found, Reading
from quasistatic.data.table.kinds.cells import read_cells
from quasistatic.data.table.kinds.numbers import MANY_TEXTS

REST = "other"
"""Category of the texts that are grouped."""

ROWS = 20
"""Rows from which whole numbers and names may be ids."""

IDS = re.compile(r"(.*[_\s.-])?([Ii][Dd]|[Uu][Uu][Ii][Dd]|row|index)|.*[a-z]I[dD]")
"""Names of columns that are ids if all their cells differ."""

MARKING = (-99999, -9999, -999, -99, 999, 9999, 99999)
"""Numbers that often stand for an empty cell."""


@final
@dataclass(frozen=True)
class Line:
    """What a plan says of one column.

    Attributes:
        column: its name.
        kind: a kind of `COLUMNS` or `ASIDES`, or "" if it cannot be read.
        content: what is in it.
        empty: number of empty cells.
        note: how it was read, and what happens to it.
    """

    column: str
    kind: str
    content: str
    empty: int
    note: str


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """What happens to each column.

    Attributes:
        found: columns as read.
        raw: their raw values.
        columns: the columns that are learned.
        values: their raw values.
        asides: columns that are not learned.
        lines: what is said of each column of the file.
        unknown: a sentence on names in ``kinds`` that no column has; "" if there are none. It is no problem in a file
            for a model, which need not have what the model set aside.
        notes: what is said of the whole file, one phrase each.
        problems: why the file cannot be used, one sentence each.
    """

    found: tuple[Column, ...]
    raw: Float[Tensor, "rows found"]
    columns: tuple[Column, ...]
    values: Float[Tensor, "rows columns"]
    asides: tuple[Aside, ...]
    lines: tuple[Line, ...]
    unknown: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def planned(sheet: Sheet, kinds: Mapping[str, str], missing: Sequence[str], time: str = "") -> Plan:
    """Return the plan of a sheet.

    Args:
        sheet: the sheet.
        kinds: column → the kind that was asked for: number, integer, category, date, id, drop or group.
        missing: texts that stand for an empty cell, besides the usual ones.
        time: name of the column that orders the rows, which is learned even if it counts them; "" for none.
    """
    read: dict[str, Found] = {}
    aside: list[Aside] = []
    lines: list[Line] = []
    problems = [*sheet.problems]
    learned: list[tuple[Column, Tensor]] = []
    place = 0
    for number, name in enumerate([] if misnamed(sheet.names) else sheet.names):
        kind, cells = kinds.get(name, ""), sheet.table.column(number).combine_chunks()
        if kind == "drop":
            aside.append(DroppedColumn(name))
            lines.append(Line(name, "dropped", str(aside[-1]), cells.null_count, "as asked"))
            continue
        try:
            how = Reading("category" if kind in ("id", "group") else kind, tuple(missing), sheet.commas, sheet.typed)
            read[name] = found = read_cells(name, cells, how)
        except ValueError as error:
            problems.append(str(error))
            lines.append(Line(name, "", "cannot be read", cells.null_count, str(error)))
            continue
        column, note = fate(found, place, kind or ("number" if name == time else ""))
        place += 1
        lines.append(_line(found, column, note))
        if isinstance(column, Aside):
            aside.append(column)
        else:
            learned.append((column, column.adopt(found.column, torch.from_numpy(found.raw))))
    nothing, unknown = torch.zeros(0, 0), _unknown(sheet, kinds)
    plan = Plan((), nothing, (), nothing, (), tuple(lines), unknown, (), tuple(problems))
    return plan if problems else _whole(sheet, plan, read, learned, aside)


def fate(found: Found, place: int, asked: str = "") -> tuple[Column | Aside, str]:
    """Return what becomes of a column, and a note.

    Args:
        found: the column as read.
        place: number of columns before it.
        asked: the kind that was asked for, or "".
    """
    column, seen = found.column, found.raw[~np.isnan(found.raw)]
    distinct = np.unique(seen)
    if asked == "group":
        return GroupColumn(column.name, place), "as asked; numbered in samples"
    if asked == "id":
        return IdColumn(column.name, place), "set aside as asked; empty in samples"
    if len(distinct) < 2:
        value = column.text(float(distinct[0])) if len(distinct) else ""
        return ConstantColumn(column.name, place, value, _plain_type(column)), "constant: carried along"
    if not asked and tells_rows(column, found.raw, len(distinct)):
        return IdColumn(column.name, place), "tells rows apart: set aside, empty in samples"
    if isinstance(column, CategoryColumn) and column.count > MANY_TEXTS:
        grouped = group_rare(column, seen)
        rest = float(np.isin(seen, _places(column, grouped), invert=True).mean())
        kept = f"{column.count:,} texts: {MANY_TEXTS - 1} kept"
        return grouped, f"{kept}, the rest ({rest:.0%} of cells) is {grouped.rest!r}"
    if isinstance(column, NumberColumn | IntegerColumn) and (marker := _marker(distinct, seen)):
        times = int((seen == marker).sum())
        return column, f"{marker:g} occurs {times:,} times, far from the rest; --missing {marker:g} reads it as empty"
    return column, ""


def tells_rows(column: Column, raw: np.ndarray, distinct: int) -> bool:
    """Return whether a column tells rows apart: most of many texts occur once, or its whole numbers count the rows.

    So do columns with the name of an id in which all cells differ.
    """
    rows = len(raw)
    if isinstance(column, CategoryColumn) and distinct > MANY_TEXTS and 3 * distinct > 2 * int((~np.isnan(raw)).sum()):
        return True
    if not isinstance(column, CategoryColumn | IntegerColumn) or distinct < rows or rows < ROWS:
        return False
    counts = isinstance(column, IntegerColumn) and raw[0] in (0, 1) and bool((raw == raw[0] + np.arange(rows)).all())
    return counts or IDS.fullmatch(column.name) is not None


def group_rare(column: CategoryColumn, seen: np.ndarray) -> CategoryColumn:
    """Return a column of the most frequent texts and one category for all others."""
    counts = np.bincount(seen.astype(np.int64), minlength=column.count)
    kept = np.argsort(-counts, kind="stable")[: MANY_TEXTS - 1]
    rest = REST
    while rest in column.categories:
        rest += "*"
    return CategoryColumn(column.name, (*(column.categories[place] for place in sorted(kept)), rest), rest)


def _whole(
    sheet: Sheet, plan: Plan, read: Mapping[str, Found], learned: list[tuple[Column, Tensor]], asides: list[Aside]
) -> Plan:
    """Return the plan of a sheet without problems."""
    if not learned:  # a file of few rows for a model: its constants are read, and cannot be learned
        constant = {aside.name for aside in asides if isinstance(aside, ConstantColumn)}
        learned = [(read[name].column, torch.from_numpy(read[name].raw)) for name in read if name in constant]
        asides = [aside for aside in asides if aside.name not in constant]
    if not learned:
        named = ", ".join(aside.name for aside in asides)
        problem = f"a table needs a column to learn, got ids and dropped ones only ({named}); see --column"
        return replace(plan, problems=(problem,))
    return replace(
        plan,
        found=tuple(cells.column for cells in read.values()),
        raw=torch.from_numpy(np.stack([cells.raw for cells in read.values()], 1)),
        columns=tuple(column for column, _ in learned),
        values=torch.stack([raw for _, raw in learned], 1),
        asides=tuple(asides),
        notes=(*sheet.notes, *_notes(read, learned, asides), *([plan.unknown] if plan.unknown else [])),
    )


def _notes(read: Mapping[str, Found], learned: list[tuple[Column, Tensor]], asides: list[Aside]) -> list[str]:
    """Return notes on the whole file: empty cells, markers, and what is not learned as it is."""
    notes, gaps = [], torch.stack([raw for _, raw in learned], 1).isnan()
    if empty := int(gaps.sum()):
        notes.append(f"{empty} cells ({empty / gaps.numel():.1%}) are empty and are learned around")
    marked = sum((Counter(cells.emptied) for cells in read.values()), Counter[str]())
    if marked:
        notes.append("read as empty: " + ", ".join(f"{text!r} ({count:,} times)" for text, count in marked.items()))
    for kind, said in ((ConstantColumn, "constant, carried along"), (IdColumn, "set aside, empty in samples")):
        if named := [aside.name for aside in asides if isinstance(aside, kind)]:
            notes.append(f"{said}: {', '.join(named)}")
    if grouped := [c.name for c, _ in learned if isinstance(c, CategoryColumn) and c.rest]:
        notes.append(f"rare texts grouped: {', '.join(grouped)}")
    return notes


def _line(found: Found, column: Column | Aside, note: str) -> Line:
    marked = [f"{text!r} read as empty: {count:,}" for text, count in found.emptied.items()]
    kinds: Mapping[str, type] = {**COLUMNS, **ASIDES}
    kind = next(kind for kind, member in kinds.items() if isinstance(column, member))
    content = str(found.column) if isinstance(column, IdColumn | GroupColumn) else str(column)
    said = "; ".join(filter(None, (*found.notes, *marked, note)))
    return Line(column.name, kind, content, int(np.isnan(found.raw).sum()), said)


def _plain_type(column: Column) -> str:
    """Return Arrow's type for the text of a column, if Arrow reads it so."""
    if isinstance(column, NumberColumn | IntegerColumn):
        return "string" if column.prefix or column.suffix else column.arrow
    return column.arrow if isinstance(column, BooleanColumn) else "string"


def _unknown(sheet: Sheet, kinds: Mapping[str, str]) -> str:
    unknown = ", ".join(repr(name) for name in kinds if name not in sheet.names)
    return f"--column names a column of the file ({', '.join(sheet.names)}), got {unknown}" if unknown else ""


def _places(column: CategoryColumn, grouped: CategoryColumn) -> list[int]:
    kept = set(grouped.categories)
    return [place for place, text in enumerate(column.categories) if text in kept]


def _marker(distinct: np.ndarray, seen: np.ndarray) -> float:
    """Return a number that probably stands for an empty cell: it repeats, far from all others; 0 if there is none."""
    for marker, rest in ((distinct[0], distinct[1:]), (distinct[-1], distinct[:-1])):
        far = abs(marker - rest).min() > max(np.ptp(rest), 1.0)
        if float(marker) in MARKING and far and int((seen == marker).sum()) > 2 and not math.isnan(marker):
            return float(marker)
    return 0.0
