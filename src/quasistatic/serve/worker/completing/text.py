"""Text: gaps marked by ?, with the alternatives of each."""

from collections import Counter
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.config import Specification
from quasistatic.data import StatesCodec, SymbolsCodec, TextCodec
from quasistatic.data.observed import INCOMPLETE, ending_kept
from quasistatic.evaluation.likelihood.ordered import mask_of
from quasistatic.inference import is_absorbing
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import known
from quasistatic.model.complete.texts import fill, is_open
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.completing.draws import drawn, made_by
from quasistatic.serve.worker.desk import Desk

LONGEST_TEXT = 20_000

ALTERNATIVES, GUESSES, READINGS = 8, 512, 20
"""Alternatives that are shown of a gap, evaluations of the network that they may take in all, and readings shown."""


def complete_text(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Complete a text: its gaps, or its readings."""
    codec, path = model.specification.codec, desk.folder / "gaps.txt"
    text = asked.text(request, "text", LONGEST_TEXT) or ""
    if isinstance(codec, TextCodec) and is_open(text, codec):
        return _readings(desk, model, text, request)
    path.write_text(text, encoding="utf-8")
    incomplete = INCOMPLETE[".txt"](path, codec, model.specification.shape)
    if incomplete is None:
        raise ValueError("a text to complete has gaps, each marked by ?, got none")
    values, mask = incomplete
    length = len(ending_kept(path, codec)) if isinstance(codec, SymbolsCodec) else values.numel()
    draws = asked.whole(request, "draws", 16, 500)
    now, done = values[:, None].repeat_interleave(draws, 1), 0

    def show(states: Tensor) -> None:
        nonlocal done
        rows = torch.arange(done, done := done + len(states))
        piece = rows // draws
        now[piece, rows % draws] = torch.where(mask[piece], values[piece], states.to(values))
        if len(mask) > 1 and not isinstance(codec, SymbolsCodec):
            return  # only a text has a sign, the ?, for what is still to come
        there = now if len(mask) > 1 else now[:, :done]
        desk.show({"lines": _joined(there, length, model.specification), "done": done, "of": len(mask) * draws})

    found = drawn(desk, model, known(model, values, mask), request, draws, show)
    raw = torch.where(mask[:, None], values[:, None].to(found.draws), found.draws)
    lines = _joined(raw, length, model.specification)
    (desk.folder / "draws.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    gaps, guessed = (~mask).flatten()[:length].nonzero().flatten().tolist(), is_absorbing(model.config.process)
    return {
        **made_by(found),
        "lines": lines,
        "gaps": _guessed(desk, model, raw, gaps, request) if guessed else _counted(lines, gaps),
        "by": "guesses" if guessed else "draws",
        "files": ["draws.txt"],
    }


def _readings(desk: Desk, model: Model, text: str, request: dict[str, Any]) -> dict[str, Any]:
    """Weigh the readings of a text, or of one record, and draw from them."""
    options = DrawOptions(
        asked.whole(request, "draws", 16, 500),
        particles=asked.whole(request, "particles", 64, 10_000),
        label=asked.text(request, "label"),
        seed=asked.whole(request, "seed", 0, 2**53, 0),
    )
    found = fill(model, text.removesuffix("\n"), options=options, watch=desk.progress)
    (desk.folder / "draws.txt").write_text("".join(f"{draw}\n" for draw in found.draws), encoding="utf-8")
    return {
        "method": "particle",
        "exactness": "exact in the limit of many particles",
        "evidence": None,
        "evaluations": found.network_evaluations,
        "lines": list(found.draws),
        "readings": [[one.text, one.probability] for one in found.candidates[:READINGS]],
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
