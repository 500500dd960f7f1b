"""Tasks that complete: the unknown part of an image, empty cells of rows, gaps in a text."""

import csv
import io
from collections import Counter
from typing import Any

import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from quasistatic import plotting
from quasistatic.config import Specification
from quasistatic.data import LevelsCodec, StatesCodec, SymbolsCodec, TableCodec
from quasistatic.data.observed import INCOMPLETE, ending_kept, read_partly
from quasistatic.data.table import write
from quasistatic.evaluation.likelihood.ordered import mask_of
from quasistatic.inference import is_absorbing
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import (
    Completion,
    Given,
    OnDraws,
    complete,
    known,
    low_resolution,
    nearest,
    noisy,
    within,
)
from quasistatic.plotting.picture import pictures
from quasistatic.plotting.sheet import SPREAD
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none
from quasistatic.serve.worker.examples import one_image

BARS = 24
"""Bars of a small distribution of numbers."""

LONGEST_TEXT = 20_000

ALTERNATIVES, GUESSES = 8, 512
"""Alternatives that are shown of a gap, and evaluations of the network that they may take in all."""


def complete_one(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Complete what the request holds, by the kind of the run's data."""
    model = desk.model()
    match shown.kind_of_data(model.specification):
        case "images":
            return _image(desk, model, request)
        case "table":
            return _rows(desk, model, request)
        case "text" | "digits":
            return _text(desk, model, request)
    raise ValueError("the page completes images, tables and text; use `quasistatic infer` for these data")


def _drawn(
    desk: Desk, model: Model, given: Given, request: dict[str, Any], draws: int, on_draws: OnDraws | None = None
) -> Completion:
    options = DrawOptions(
        draws,
        asked.whole(request, "steps", 100, 10_000),
        asked.whole(request, "resamplings", 1, 100),
        particles=asked.whole(request, "particles", 64, 10_000),
        islands=asked.whole(request, "islands", 1, 100),
        label=asked.text(request, "label"),
        seed=asked.whole(request, "seed", 0, 2**53, 0),
    )
    return complete(model, given, asked.text(request, "method"), options, desk.progress, on_draws)


def _told(found: Completion) -> dict[str, Any]:
    """Return how the draws were made, and the evidence if the method has one."""
    evidence = None
    if found.log_evidence is not None:
        error = None if found.error is None else or_none(found.error[0].item())
        evidence = {"value": or_none(found.log_evidence[0].item()), "error": error}
    evaluations = found.network_evaluations
    return {"method": found.method, "exactness": found.exactness, "evidence": evidence, "evaluations": evaluations}


def _image(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    image, whole = one_image(desk, model, request)
    count = asked.whole(request, "draws", 8, 64)
    way = request.get("observation", "hidden")
    if way == "noise":
        given, seen, mask = _noisy(model, image, whole, request)
    elif way == "means":
        given, seen, mask = _means(model, image, request)
    else:
        _, height, width = model.specification.shape
        hidden = torch.tensor(asked.flags(request, "unknown", height * width)).reshape(1, 1, height, width)
        mask = ~hidden.expand_as(image)
        given, seen = known(model, image, mask), image
    codec = model.specification.codec

    def kept(draws: Tensor) -> Tensor:
        return draws if way != "hidden" else torch.where(mask, image.to(draws), draws)

    def show(draws: Tensor) -> None:
        desk.show({"draws": [shown.uri(one) for one in pictures(kept(draws), codec)], "of": count})

    found = _drawn(desk, model, given, request, count, show)
    raw = kept(found.draws[0])[None]
    truth = image if whole else None
    plotting.completions(nearest(model, seen, mask), mask, raw, truth, desk.folder / "completions.png", codec)
    spread, most = _spread(raw[0])
    return {
        **_told(found),
        "draws": [shown.uri(one) for one in pictures(raw[0], codec)],
        "mean": shown.uri(pictures(raw.double().mean(1), codec)[0]),
        "spread": shown.uri(spread),
        "most": most,
        "seen": None if way == "hidden" else shown.uri(pictures(nearest(model, seen, mask), codec)[0]),
        "truth": None if truth is None else shown.uri(pictures(truth, codec)[0]),
        "files": [*shown.write_files(raw[0], model.specification, desk.folder, "draws"), "completions.png"],
    }


def _noisy(model: Model, image: Tensor, whole: bool, request: dict[str, Any]) -> tuple[Given, Tensor, Tensor]:
    """Observe an image with noise, which is added to a held-out one; a file has its own."""
    std = asked.number(request, "std", 1.0, 1e-6, 1e6)
    seen = image.float()
    if whole:
        noise = torch.randn(
            seen.shape, generator=torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0))
        )
        seen = seen + std * noise
    return noisy(model, seen, std), seen, torch.ones_like(seen, dtype=torch.bool)


def _means(model: Model, image: Tensor, request: dict[str, Any]) -> tuple[Given, Tensor, Tensor]:
    """Observe the means over square blocks of pixels."""
    factor, codec = asked.whole(request, "factor", 2, 64, 2), model.specification.codec
    if any(side % factor for side in model.specification.shape[1:]):
        sides = "×".join(map(str, model.specification.shape[1:]))
        raise ValueError(f"blocks make up the whole image of {sides}, got blocks of {factor}×{factor}; use a divisor")
    means = avg_pool2d(image.float(), factor)
    seen = interpolate(means, scale_factor=factor)
    std = codec.step / 2 if isinstance(codec, LevelsCodec) else asked.number(request, "std", 0.1, 1e-6, 1e6)
    return low_resolution(model, means, factor, std), seen, torch.ones_like(seen, dtype=torch.bool)


def _spread(draws: Shaped[Tensor, "k channels rows columns"]) -> tuple[Image.Image, float]:
    """Return the standard deviation of each pixel over the draws as a picture, and its maximum."""
    if len(draws) < 2:
        return Image.new("RGB", (draws.shape[-1], draws.shape[-2]), "white"), 0.0
    spread = draws.double().var(0).mean(0).sqrt()
    colours = torch.tensor(SPREAD((spread / spread.max().clamp(min=1e-300)).numpy())[..., :3])
    return Image.fromarray((colours * 255).round().byte().numpy()), spread.max().item()


def _rows(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    codec = model.specification.codec
    assert isinstance(codec, TableCodec)
    path = desk.folder / "rows.csv"
    text = asked.text(request, "csv", 2_000_000)
    path.write_text(text if text is not None else _one_row(request), encoding="utf-8")
    rows = read_partly(path, codec).first(200)
    given = within(model, rows.values, rows.known, rows.loose) if rows.loose else known(model, rows.values, rows.known)
    found = _drawn(desk, model, given, request, asked.whole(request, "draws", 100, 2_000))
    raw = found.draws.where(~rows.known[:, None], rows.values[:, None].to(found.draws))
    cells = [
        {"row": row, "column": column.name, **_distribution(raw[row, :, place], place, codec)}
        for row in range(len(raw))
        for place, column in enumerate(codec.columns)
        if not rows.known[row, place]
    ]
    flat, keys = write.long_form(raw)
    (desk.folder / "draws.csv").write_text(write.csv_of(flat, codec, keys), encoding="utf-8")
    (desk.folder / "summary.csv").write_text(write.summary(raw, rows.known, codec), encoding="utf-8")
    return {**_told(found), "cells": cells, "rows": len(raw), "files": ["draws.csv", "summary.csv"]}


def _one_row(request: dict[str, Any]) -> str:
    """Return the cells of a form as a file of one row.

    Raises:
        ValueError: if they are no texts by name.
    """
    cells = request.get("cells")
    if not isinstance(cells, dict) or not all(isinstance(cell, str) for cell in cells.values()):
        raise ValueError("a row is a text for each column, got something else")
    return write.csv_text(list(cells), [[cell.strip() for cell in cells.values()]])


def _distribution(values: Float[Tensor, " draws"], place: int, codec: TableCodec) -> dict[str, Any]:
    """Return the draws of a cell: of a number, bars and an interval; of a category, the share of each."""
    if codec.columns[place].ranges and bool(values.isfinite().all()):
        interval = write.Interval.of(len(values)) if len(values) > 1 else None
        low, high = (values.min().item(), values.max().item()) if interval is None else interval.ends(values)
        bars = torch.histc(values.double(), BARS).tolist() if values.min() < values.max() else [float(len(values))]
        level = None if interval is None else interval.level
        ends = [values.min().item(), values.max().item()]
        return {"mean": values.mean().item(), "low": low, "high": high, "level": level, "bars": bars, "ends": ends}
    rows = torch.full((len(values), len(codec.columns)), torch.nan, dtype=torch.float64)
    rows[:, place] = values
    head, *lines = csv.reader(io.StringIO(write.csv_of(rows, codec)))
    counts = Counter(line[head.index(codec.columns[place].name)] for line in lines)
    return {"shares": [[name, count / len(values)] for name, count in counts.most_common(12)]}


def _text(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    codec, path = model.specification.codec, desk.folder / "gaps.txt"
    path.write_text(asked.text(request, "text", LONGEST_TEXT) or "", encoding="utf-8")
    incomplete = INCOMPLETE[".txt"](path, codec, model.specification.shape)
    if incomplete is None:
        raise ValueError("a text to complete has gaps, each marked by ?, got none")
    values, mask = incomplete
    length = len(ending_kept(path, codec)) if isinstance(codec, SymbolsCodec) else values.numel()
    early = list[str]()

    def show(draws: Tensor) -> None:
        if len(mask) == 1:  # draws of several pieces come piece by piece
            early.extend(_joined(torch.where(mask, values.to(draws), draws)[None], length, model.specification))
            desk.show({"lines": early})

    found = _drawn(desk, model, known(model, values, mask), request, asked.whole(request, "draws", 16, 500), show)
    raw = torch.where(mask[:, None], values[:, None].to(found.draws), found.draws)
    lines = _joined(raw, length, model.specification)
    (desk.folder / "draws.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    gaps, guessed = (~mask).flatten()[:length].nonzero().flatten().tolist(), is_absorbing(model.config.process)
    return {
        **_told(found),
        "lines": lines,
        "gaps": _guessed(desk, model, raw, gaps, request) if guessed else _counted(lines, gaps),
        "by": "guesses" if guessed else "draws",
        "files": ["draws.txt"],
    }


def _joined(raw: Shaped[Tensor, "pieces draws length"], length: int, specification: Specification) -> list[str]:
    """Return each draw as one text."""
    return [shown.as_lines(raw[:, k].flatten()[None, :length], specification.codec)[0] for k in range(raw.shape[1])]


def _counted(lines: list[str], gaps: list[int]) -> dict[str, list[list[Any]]]:
    """Return the characters at each gap with their shares among the draws, the most frequent first."""
    found = {}
    for place in gaps:
        counts = Counter(line[place] for line in lines if place < len(line))
        found[str(place)] = [[character, count / len(lines)] for character, count in counts.most_common(ALTERNATIVES)]
    return found


def _guessed(
    desk: Desk, model: Model, raw: Shaped[Tensor, "pieces draws length"], gaps: list[int], request: dict[str, Any]
) -> dict[str, list[list[Any]]]:
    """Return the characters at each gap with their probabilities, the most probable first.

    Each is the model's guess given all other characters of a draw, averaged over draws (Rao & Blackwell): finer than
    shares among few draws.
    """
    codec, length, found = model.specification.codec, raw.shape[-1], {}
    states = codec.encode(raw.flatten(0, 1)).unflatten(0, raw.shape[:2]).to(model.device)
    gaps = gaps[:GUESSES]
    draws = max(1, min(raw.shape[1], GUESSES // max(1, len(gaps))))
    label = model.labels(asked.text(request, "label"), draws)
    guess, t = model.denoise(label), torch.full((draws,), 1 / length, dtype=torch.float64)
    assert isinstance(codec, SymbolsCodec | StatesCodec)
    names = shown.as_lines(codec.decode(torch.arange(codec.states)[:, None]), codec)
    for done, gap in enumerate(gaps):
        desk.progress(done, len(gaps))
        piece, place = divmod(gap, length)
        x = states[piece, :draws].clone()
        x[:, place] = int(mask_of(model.config.process))
        with torch.no_grad():
            law = guess(x, t)
        masses = torch.stack(
            [law.log_prob(torch.full_like(x, state))[:, place] for state in range(codec.states)], 1
        ).exp()
        top = masses.double().mean(0).sort(descending=True)
        pairs = zip(top.indices[:ALTERNATIVES].tolist(), top.values[:ALTERNATIVES].tolist(), strict=True)
        found[str(gap)] = [[names[state], share] for state, share in pairs]
    return found
