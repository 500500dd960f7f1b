"""The dial from one after another to all at once: exact values beside bounds, for one trained model of sequences.

    python experiments/dial.py RUN FILE --limit 64 --json docs/measured/dial.json

The model's guesses are functions of the masked state alone, so that any clocks of the elements make a chain of them.
For each overlap: minus the bound of held-out examples (steps are drawn; the standard error is over examples), in bits
per element. At overlap 0 it equals the log-likelihood of the order, which one pass gives exactly, and so for the order
from right to left by as many passes as elements.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.evaluation import bound, mean_and_error, ordered
from quasistatic.model.build import causal
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Reciprocal, Staggered, uniform_times
from quasistatic.streams import Streams

OVERLAPS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)


def bits(values: Tensor, dimensions: int) -> dict[str, float]:
    """Return mean and standard error of minus log-likelihoods, in bits per element."""
    mean, error = mean_and_error(-values / (dimensions * math.log(2)))
    return {"bits": mean, "error": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--draws", type=int, default=16, help="steps of the bound that are drawn per example")
    parser.add_argument("--order", default="left")
    parser.add_argument("--overlaps", default=",".join(map(str, OVERLAPS)), help="numbers from 0 to 1, with commas")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = qs.Model.from_pretrained(given.run)
    data = model.held_out(qs.load(given.data))
    data = data.select(torch.arange(min(given.limit, len(data))))
    x = model.specification.codec.encode(data.batch(torch.arange(len(data))))
    process, denoise, length = model.config.process, model.denoise(), x.shape[1]
    if not isinstance(process, CategoricalProcess) or process.stationary[-1] != 1:
        raise SystemExit(f"the dial is turned for processes that end in a mask, got {process!r}")
    found: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        whole = (lambda x: model.denoiser.left_to_right(x).log_prob(x)) if causal(model.config) else None
        exact = torch.cat([ordered(process, denoise, part, given.order, whole=whole).value for part in x.split(16)])
        found["exact"] = bits(exact, length)
        print(f"exact, {given.order}: {found['exact']}", flush=True)
        for overlap in map(float, given.overlaps.split(",")):
            clock = Staggered(Reciprocal(), (length,), given.order, overlap)
            chain, parts = replace(process, schedule=clock), []
            for first in range(0, len(x), 16):
                part = x[first : first + 16]
                streams = Streams(0, first, len(part))
                terms = bound(
                    chain, denoise, lambda clean: clean, part, uniform_times(4 * length), given.draws, streams
                )
                parts.append(terms.value)
            found[f"{overlap:g}"] = bits(torch.cat(parts), length)
            print(f"overlap {overlap:g}: {found[f'{overlap:g}']}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
