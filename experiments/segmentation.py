"""What it costs to score a text by its own word-pieces alone, and not by all pieces that spell it.

    python experiments/segmentation.py RUN FILE --limit 16 --draws 64 --json docs/measured/segmentation.json

A score is −log p(z) of the pieces z that the text is cut into; the model's law of the text is Σ p(z) over all pieces
that spell it. Each word, with the space before it, is spelled by its own pieces with probability 1 − ε, and by any
pieces, all ways as likely, with ε; the sum is estimated by

    Σ p(z) / p(own) = E p(z) / [ p(own) q(z) ],    q(z) = Π over words of (1 − ε) [z is its own] + ε / (its spellings)

which is unbiased. Printed are the bits per character of both, and their difference, with standard errors over texts.
Source: Cao & Rimell 2021 (arXiv:2109.02550), on the size of the difference in other models.
"""

import argparse
import json
import math
import random
import re
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

import quasistatic as qs
from quasistatic.data import TokensCodec
from quasistatic.data.codec.tokens import WORD
from quasistatic.denoiser import Denoiser
from quasistatic.evaluation import mean_and_error
from quasistatic.process import CategoricalProcess


class Spellings:
    """All ways to spell a word by word-pieces."""

    def __init__(self, codec: TokensCodec, word: str) -> None:
        number = {piece: place for place, piece in enumerate(codec.pieces)}
        longest, size = max(map(len, codec.pieces)), len(word)
        self.next = [
            [number[word[at:to]] for to in range(at + 1, min(at + longest, size) + 1) if word[at:to] in number]
            for at in range(size)
        ]
        self.lengths = [len(piece) for piece in codec.pieces]
        self.ways = [0] * size + [1]
        for at in reversed(range(size)):
            self.ways[at] = sum(self.ways[at + self.lengths[one]] for one in self.next[at])

    def draw(self, chance: random.Random) -> list[int]:
        """Return one of them, all as likely."""
        at, found = 0, list[int]()
        while at < len(self.next):
            weights = [self.ways[at + self.lengths[one]] for one in self.next[at]]
            found += chance.choices(self.next[at], weights)
            at += self.lengths[found[-1]]
        return found


def drawn(codec: TokensCodec, text: str, share: float, chance: random.Random) -> tuple[list[int], float]:
    """Return pieces that spell a text, and log q of them; ``share`` is ε for the whole text."""
    found, log_q, words = list[int](), 0.0, re.findall(WORD, text)
    for word in words:
        spellings, own = Spellings(codec, word), codec.split(word).tolist()
        other = chance.random() < share / len(words)
        pieces = spellings.draw(chance) if other else own
        q = share / len(words) / spellings.ways[0] + (1 - share / len(words)) * (pieces == own)
        found, log_q = found + pieces, log_q + math.log(q)
    return found, log_q


@torch.inference_mode()
def log_p(denoiser: Denoiser, rows: list[list[int]]) -> Float[Tensor, " rows"]:
    """Return log p of the pieces of each row, in nats."""
    longest = max(map(len, rows))
    x = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    there = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    parts = [denoiser.left_to_right(part).log_prob(part).double() for part in x.split(32)]
    return torch.where(there, torch.cat(parts), 0).sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="of a model that was trained with data.tokens")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--draws", type=int, default=64, help="spellings of each text")
    parser.add_argument("--share", type=float, default=1.0, help="words spelled otherwise in a text, on average")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = qs.Model.from_pretrained(given.run)
    codec, length = model.specification.codec, model.specification.dimensions
    if not isinstance(codec, TokensCodec) or not model.follows:
        raise SystemExit(f"a model of word-pieces from left to right is needed, got one of {codec}")
    data = model.held_out(qs.load(given.data, tokens=model.config.data.tokens, like=codec))
    rows = torch.arange(min(given.limit, len(data)))
    half = codec.encode(data.batch(rows))[:, : length // 2]  # other pieces that spell it may be twice as many
    process = model.config.process
    assert isinstance(process, CategoricalProcess)
    plain, chance = Denoiser(process.together, model.network, model.config.head), random.Random(0)
    texts, own, whole = [codec.text(row).strip() for row in half], [], []
    for text in texts:
        made = [
            (codec.split(text).tolist(), 0.0),
            *(drawn(codec, text, given.share, chance) for _ in range(given.draws)),
        ]
        found = log_p(plain, [pieces for pieces, _ in made])
        log_q = torch.tensor([q for _, q in made[1:]], dtype=torch.float64)
        own.append(found[0])
        whole.append((found[1:] - log_q).logsumexp(0) - math.log(given.draws))
    scale = -1 / (math.log(2) * torch.tensor([len(text) for text in texts]).double())
    first, second, found = torch.stack(own), torch.stack(whole), {}
    for name, values in (("own pieces", first), ("all pieces", second), ("difference", first - second)):
        mean, error = mean_and_error(values * scale)
        found[name] = {"bits": mean, "error": error}
        print(f"{name}: {mean:.5f} ± {error:.5f} bits/character", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
