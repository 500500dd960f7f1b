"""What a model of a text is worth: bits per character, gaps filled, and words in its samples, beside n-grams and xz.

    python benchmarks/text.py RUN FILE --json docs/measured/text.json

bits    of the held-out pieces, exact, each given the text before it; beside unigram, trigram and 6-gram of the training
        pieces, whose contexts do not cross pieces, and `xz -9` after the training text
gaps    letters right in held-out gaps of one to five characters with known text on both sides. Ours: the most frequent
        letter of each place among --draws fillings, by `reveal` and by as many particles. N-gram: the most probable
        filling by a 5-gram of the characters before, in and behind the gap, by a beam search
words   share of words in samples that are words of the training pieces, beside samples of the 6-gram
speed   seconds to draw a text of --samples, from left to right with what was read kept, and by the chain that reads the
        whole text for each element, four at once; --only speed measures nothing else
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.data import Dataset, SymbolsCodec
from quasistatic.data.codec.text import as_text
from quasistatic.evaluation.baselines.ngram import ngrams, xz
from quasistatic.model import Model
from quasistatic.network.transformer import ContextCounts

START, LONGEST, BEAM = 100, 5, 200
"""Where gaps begin in a piece, their longest, and fillings kept by the beam search."""


def counts_of(train: Tensor, states: int, order: int) -> ContextCounts:
    """Return the n-gram model of the training pieces with that many states of context."""
    found = ContextCounts(states, order, 2**20)
    found.fit(train)
    return found


def filled_by_ngram(model: ContextCounts, x: Tensor, gap: int) -> Tensor:
    """Return the most probable states of each piece's gap given both sides, by a beam search."""
    best = []
    for row in x:
        beam, value = row[None, START - 4 : START], torch.zeros(1)
        for _ in range(gap):
            log_p = model(torch.cat([beam, torch.zeros(len(beam), 1, dtype=torch.int64)], 1))[:, -1]
            value, place = (value[:, None] + log_p).flatten().topk(min(BEAM, log_p.numel()))
            beam = torch.cat([beam[place // model.states], (place % model.states)[:, None]], 1)
        behind = row[START + gap : START + gap + 4].expand(len(beam), -1)
        whole = torch.cat([beam, behind], 1)
        log_p = model(whole).gather(-1, whole[..., None])[..., 0]
        best.append(whole[log_p[:, 4:].sum(1).argmax(), 4 : 4 + gap])
    return torch.stack(best)


def gaps(model: Model, held_out: Dataset, five: ContextCounts, each: int, draws: int) -> dict[str, dict[str, float]]:
    """Return the share of letters right, and its standard error over gaps, by two methods of ours and by the n-gram."""
    codec, right = model.specification.codec, {"reveal": [], "particle": [], "5-gram": []}
    for gap in range(1, LONGEST + 1):
        raw = held_out.batch(torch.arange((gap - 1) * each, gap * each) % len(held_out))
        mask = torch.ones_like(raw, dtype=torch.bool)
        mask[:, START : START + gap] = False
        truth, options = raw[:, START : START + gap], {"draws": draws, "steps": raw.shape[1]}
        for method, more in (("reveal", {}), ("particle", {"particles": draws})):
            drawn = model.infer(raw, mask, method=method, **options, **more)[..., START : START + gap]
            right[method].append((drawn.mode(1).values == truth).float().mean(1))
        found = filled_by_ngram(five, codec.encode(raw), gap)
        right["5-gram"].append((found == codec.encode(truth)).float().mean(1))
    return {name: summary(torch.cat(values)) for name, values in right.items()}


def summary(values: Tensor) -> dict[str, float]:
    """Return mean and standard error."""
    return {"value": values.mean().item(), "error": values.std().item() / math.sqrt(len(values))}


def sampled(model: ContextCounts, count: int, length: int) -> Tensor:
    """Draw texts from an n-gram."""
    generator, x = torch.Generator().manual_seed(0), torch.zeros(count, 1, dtype=torch.int64)
    for _ in range(length):
        p = model(torch.cat([x[:, -model.order :], x[:, :1]], 1))[:, -1].exp()
        x = torch.cat([x, torch.multinomial(p, 1, generator=generator)], 1)
    return x[:, 1:]


def in_vocabulary(texts: list[str], words: set[str]) -> dict[str, float]:
    """Return the share of words that are in the training pieces, cut ones at both ends left out."""
    shares = [np.mean([word in words for word in text.split()[1:-1]] or [0]) for text in texts]
    return summary(torch.tensor(shares))


def speed(model: Model, samples: int) -> dict[str, float]:
    """Return seconds for a text, kept and anew, in turn, and the median ratio."""
    length, found = model.specification.dimensions, []
    model.sample(2, seed=0)
    for turn in range(3):
        began = time.perf_counter()
        model.sample(samples, seed=turn)
        kept = (time.perf_counter() - began) / samples
        began = time.perf_counter()
        model.trajectory(4, steps=length, frames=2, seed=turn)
        found.append((kept, (time.perf_counter() - began) / 4))
    kept, anew = (statistics.median(times) for times in zip(*found, strict=True))
    return {"kept": kept, "anew": anew, "ratio": statistics.median(slow / fast for fast, slow in found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--each", type=int, default=40, help="gaps of each length")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--only", choices=["all", "speed"], default="all")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model, data = qs.Model.from_pretrained(given.run), qs.load(given.data)
    if given.only == "speed":
        print(json.dumps(speed(model, given.samples)))
        return
    train, held_out = model.learned(data), model.held_out(data)
    codec, length = model.specification.codec, data.dimensions
    if not isinstance(codec, SymbolsCodec):
        raise SystemExit(f"a text is needed, got {codec}")
    x, y = (codec.encode(part.batch(torch.arange(len(part)))).long() for part in (train, held_out))
    texts = ["".join(as_text(row) for row in part.batch(torch.arange(len(part)))) for part in (train, held_out)]
    score, scale = model.evaluate(held_out), 1 / (length * math.log(2))
    grams = ngrams(x, y, codec.states, [1, 3, 6])
    found: dict[str, dict[str, object]] = {
        "bits": {"ours": {"value": score.value, "error": score.standard_error}}
        | {f"{order}-gram": summary(-values * scale) for order, values in grams.items()}
        | {"xz -9": {"value": -xz(*texts) * scale / len(y), "error": 0.0}}
    }
    print(json.dumps(found["bits"]), flush=True)
    found["gaps"] = dict(gaps(model, held_out, counts_of(x, codec.states, 4), given.each, given.draws))
    print(json.dumps(found["gaps"]), flush=True)
    words, six = set(texts[0].split()), counts_of(x, codec.states, 5)
    drawn = codec.decode(sampled(six, given.samples, length))
    found["words"] = {
        "ours": in_vocabulary([as_text(row) for row in model.sample(given.samples, steps=length, seed=0)], words),
        "6-gram": in_vocabulary([as_text(row) for row in drawn], words),
        "held out": in_vocabulary([as_text(row) for row in held_out.batch(torch.arange(len(held_out)))], words),
    }
    print(json.dumps(found["words"]), flush=True)
    found["speed"] = dict(speed(model, given.samples))
    print(json.dumps(found["speed"]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
