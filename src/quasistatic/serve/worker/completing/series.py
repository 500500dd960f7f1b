"""Signals of one or more channels, of which a part is hidden, and vectors with unknown values.

The page gets draws as numbers, and their intervals, which it draws as bands around the median.
"""

from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic import plotting
from quasistatic.data.table.write import Interval
from quasistatic.model import Model
from quasistatic.model.complete import known, nearest
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.completing.draws import drawn, made_by
from quasistatic.serve.worker.completing.rows import of_numbers
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.examples import one_signal
from quasistatic.serve.worker.shown import as_numbers

LINES = 8
"""Draws that are shown as lines of their own."""

LONGEST_VECTOR = 256
"""Maximum values of a vector that the page completes."""


def complete_signal(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Draw the hidden part of a signal: places ``first`` to ``last`` of all channels, or of one."""
    signal, there, whole = one_signal(desk, model, request)
    mask = there & ~_hidden(model, request)
    draws = asked.whole(request, "draws", 32, 500)
    parts: list[Tensor] = []

    def kept(values: Shaped[Tensor, "k channels length"]) -> Shaped[Tensor, "k channels length"]:
        return torch.where(mask, signal.to(values), values)

    def show(values: Tensor) -> None:
        parts.append(kept(values))
        done = torch.cat(parts)
        desk.show({**_lines(done), **_seen(signal, mask, whole), "done": len(done), "of": draws})

    found = drawn(desk, model, known(model, signal, mask), request, draws, show)
    raw = kept(found.draws[0])
    truth = signal if whole else None
    plotting.completions(
        nearest(model, signal, mask), mask, raw[None], truth, desk.folder / "completions.png", model.specification.codec
    )
    files = shown.write_files(raw, model.specification, desk.folder, "draws")
    return {**made_by(found), **_lines(raw), **_seen(signal, mask, whole), "files": [*files, "completions.png"]}


def _hidden(model: Model, request: dict[str, Any]) -> Bool[Tensor, "one channels length"]:
    channels, length = model.specification.shape
    first = asked.whole(request, "first", length * 3 // 4, length - 1, 0)
    last = asked.whole(request, "last", length - 1, length - 1, 0)
    if last < first:
        raise ValueError(f"a hidden part goes from one place to a later one, got {first} to {last}; swap them")
    hidden = torch.zeros(1, channels, length, dtype=torch.bool)
    channel = request.get("channel")
    rows = slice(None) if channel is None else asked.whole(request, "channel", 0, channels - 1, 0)
    hidden[:, rows, first : last + 1] = True
    return hidden


def _lines(draws: Shaped[Tensor, "k channels length"]) -> dict[str, Any]:
    """Return the median, the interval with its probability, and the first draws; two draws or more have an interval."""
    found: dict[str, Any] = {"median": as_numbers(draws.double().median(0).values), "draws": as_numbers(draws[:LINES])}
    if len(draws) < 2:
        return found | {"low": None, "high": None, "level": None}
    interval, order = Interval.of(len(draws)), draws.double().sort(0).values
    low, high = order[interval.rank - 1], order[len(draws) - interval.rank]
    return found | {"low": as_numbers(low), "high": as_numbers(high), "level": interval.level}


def _seen(signal: Tensor, mask: Tensor, whole: bool) -> dict[str, Any]:
    """Return what is known of a signal, None elsewhere, and the truth if there is one."""
    known_only = signal.double().masked_fill(~mask, torch.nan)[0]
    return {"seen": as_numbers(known_only), "truth": as_numbers(signal[0]) if whole else None}


def complete_vector(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Draw the unknown values of a vector, given as numbers with None for each unknown one."""
    values, mask = _values(model, request)
    draws = asked.whole(request, "draws", 100, 2_000)
    names = [f"c{place}" for place in range(values.shape[1])]
    parts: list[Tensor] = []

    def told(all_draws: Shaped[Tensor, "k values"]) -> dict[str, Any]:
        raw = torch.where(mask, values.to(all_draws), all_draws)
        unknown = (~mask[0]).nonzero().flatten().tolist()
        cells = [{"row": 0, "column": names[place], **of_numbers(raw[:, place])} for place in unknown]
        return {"cells": cells, "points": as_numbers(raw) if values.shape[1] == 2 else None}

    def show(drawn_now: Tensor) -> None:
        parts.append(drawn_now)
        done = torch.cat(parts)
        desk.show({**told(done), "done": len(done), "of": draws})

    found = drawn(desk, model, known(model, values, mask), request, draws, show)
    raw = torch.where(mask, values.to(found.draws[0]), found.draws[0])
    files = shown.write_files(raw, model.specification, desk.folder, "draws")
    return {**made_by(found), **told(raw), "rows": 1, "files": files}


def _values(model: Model, request: dict[str, Any]) -> tuple[Tensor, Bool[Tensor, "one values"]]:
    """Return the values of a request, and which of them are known.

    Raises:
        ValueError: if they are no numbers, or not as many as the model's.
    """
    (count,) = model.specification.shape
    given = request.get("values")
    if count > LONGEST_VECTOR:
        raise ValueError(
            f"the page completes vectors of up to {LONGEST_VECTOR} values, got {count}; use `quasistatic infer`"
        )
    if not isinstance(given, list) or not all(one is None or type(one) in (int, float) for one in given):
        raise ValueError("the values of a vector are numbers, or ? for unknown ones, got something else")
    if len(given) != count:
        raise ValueError(f"a vector of this model has {count} values, got {len(given)}; write ? for unknown ones")
    values = torch.tensor([[float("nan") if one is None else float(one) for one in given]], dtype=torch.float64)
    return values.float(), ~values.isnan()
