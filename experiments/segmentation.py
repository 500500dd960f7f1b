"""What it costs to score a text by its own word-pieces alone, and not by all pieces that spell it.

    python experiments/segmentation.py RUN FILE --limit 16 --particles 64 --json docs/measured/segmentation.json

A score is −log p(z) of the pieces z that the text is cut into; the model's law of the text is Σ p(z) over all pieces
that spell it. That sum is estimated by particles that are drawn from left to right among the pieces that fit,

    w = Π_i Σ_{fitting} p( · | z_1 … z_{i−1}),      E w = Σ_{z spells the text} p(z)

which is unbiased. Printed are bits per character of both, and their difference, with standard errors over texts.
Source: Cao & Rimell 2021 (arXiv:2109.02550), on the size of the difference in other models.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

import quasistatic as qs
from quasistatic.data import TokensCodec
from quasistatic.evaluation import mean_and_error
from quasistatic.model import Model
from quasistatic.streams import Streams


class Spelling:
    """Which word-pieces fit at each place of a text."""

    def __init__(self, codec: TokensCodec, text: str) -> None:
        self.lengths = torch.tensor([len(piece) for piece in codec.pieces])
        at = [[text.startswith(piece, place) for piece in codec.pieces] for place in range(len(text))]
        self.fits, self.end = torch.tensor([*at, [False] * len(codec.pieces)]), len(text)


@torch.inference_mode()
def log_law(model: Model, text: str, particles: int, places: int) -> Float[Tensor, ""]:
    """Return the logarithm of the estimated sum over all pieces that spell a text, in nats."""
    codec = model.specification.codec
    assert isinstance(codec, TokensCodec)
    spelling, streams, follow = Spelling(codec, text), Streams(0, 0, particles), model.follow()
    x, at = torch.zeros(particles, 0, dtype=torch.int64), torch.zeros(particles, dtype=torch.int64)
    log_w = torch.zeros(particles, dtype=torch.float64)
    for _ in range(places):
        law = follow(x).logits[:, 0, : codec.states].double().log_softmax(-1)
        fitting = law.masked_fill(~spelling.fits[at], -math.inf)
        over = at == spelling.end
        log_w += torch.where(over, 0.0, fitting.logsumexp(-1))
        share = torch.where(over[:, None], 0.0, fitting).softmax(-1).cumsum(-1)
        u = streams.uniform(torch.zeros(particles, 1, dtype=torch.float64))
        drawn = torch.searchsorted(share, u * share[:, -1:]).clamp(max=codec.states - 1)
        x, at = torch.cat([x, drawn], 1), torch.where(over, at, at + spelling.lengths[drawn[:, 0]])
        if bool((at == spelling.end).all()):
            return log_w.logsumexp(0) - math.log(particles)
    log_w[at < spelling.end] = -math.inf  # longer than the model's pieces: left out, so that the sum is a lower bound
    return log_w.logsumexp(0) - math.log(particles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="of a model that was trained with data.tokens")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--particles", type=int, default=64)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = qs.Model.from_pretrained(given.run)
    codec, length = model.specification.codec, model.specification.dimensions
    if not isinstance(codec, TokensCodec) or not model.follows:
        raise SystemExit(f"a model of word-pieces from left to right is needed, got one of {codec}")
    data = model.held_out(qs.load(given.data, like=model.specification))
    rows = torch.arange(min(given.limit, len(data)))
    half = codec.encode(data.batch(rows))[:, : length // 2]  # other pieces that spell it may be twice as many
    with torch.inference_mode():
        own = model.denoiser.left_to_right(half).log_prob(half).double().sum(1)
    texts = [codec.text(row) for row in half]
    whole = torch.stack([log_law(model, text, given.particles, length - 1) for text in texts])
    scale = -1 / (math.log(2) * torch.tensor([len(text) for text in texts]).double())
    found = {}
    for name, values in (("own pieces", own), ("all pieces", whole), ("difference", own - whole)):
        mean, error = mean_and_error(values * scale)
        found[name] = {"bits": mean, "error": error}
        print(f"{name}: {mean:.5f} ± {error:.5f} bits/character", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
