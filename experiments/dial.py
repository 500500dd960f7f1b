"""The dial from one after another to all at once: exact values beside bounds, for one trained model of sequences.

    python experiments/dial.py RUN FILE --limit 64 --json docs/measured/dial.json

The model's guesses are functions of the masked state alone, so that any clocks of the elements make a chain of them.
For each overlap: minus the bound of held-out examples, in bits per element, with its standard error over examples, and
what one run errs by because of its draws (--repeats). A draw is one network evaluation: of one step, or of a step in
all windows at once, where the network is causal. At overlap 0 the bound equals the log-likelihood of the order, which
one pass gives exactly, and so for the order from right to left by as many passes as elements.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.evaluation import BoundTerms, bound, bound_in_windows, mean_and_error, ordered
from quasistatic.model.build import causal
from quasistatic.model.evaluate.windows import guess_windows
from quasistatic.network import CausalConfig
from quasistatic.process import CategoricalProcess, Process
from quasistatic.schedule import Reciprocal, Staggered, uniform_times
from quasistatic.streams import Streams

OVERLAPS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)


def bits(repeats: list[BoundTerms], dimensions: int) -> dict[str, float]:
    """Return minus the mean bound in bits per element, its standard error over examples, and that of the draws.

    The latter is the standard deviation of the mean over repeats with other draws: what one of them errs by.
    """
    values = -torch.stack([terms.value for terms in repeats]) / (dimensions * math.log(2))
    mean, error = mean_and_error(values.mean(0))
    draws = values.mean(1).std().item() if len(repeats) > 1 else math.nan
    return {"bits": mean, "error": error, "error of draws": draws, "evaluations": repeats[0].network_evaluations}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--draws", type=int, default=16, help="steps of the bound that are drawn per example")
    parser.add_argument("--repeats", type=int, default=1, help="with other draws; two or more give the draws' error")
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

    def step(chain: Process, x: Tensor, times: Tensor, draws: int, streams: Streams) -> BoundTerms:
        return bound(chain, denoise, lambda clean: clean, x, times, draws, streams)

    def windows(chain: Process, x: Tensor, times: Tensor, draws: int, streams: Streams) -> BoundTerms:
        return bound_in_windows(chain, guess_windows(model), lambda clean: clean, x, times, draws, streams)

    ways = {"a step": step}
    if isinstance(model.config.network, CausalConfig) and given.order == "left":
        ways["all windows"] = windows
    found: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        whole = (lambda x: model.denoiser.left_to_right(x).log_prob(x)) if causal(model.config) else None
        exact = torch.cat([ordered(process, denoise, part, given.order, whole=whole).value for part in x.split(16)])
        mean, error = mean_and_error(-exact / (length * math.log(2)))
        found["exact"] = {"bits": mean, "error": error}
        print(f"exact, {given.order}: {found['exact']}", flush=True)
        for overlap in map(float, given.overlaps.split(",")):
            clock = Staggered(Reciprocal(), (length,), given.order, overlap)
            chain, times = replace(process, schedule=clock), uniform_times(4 * length)
            for name, at_once in ways.items():
                repeats = []
                for seed in range(given.repeats):
                    parts = []
                    for first in range(0, len(x), 16):
                        part = x[first : first + 16]
                        parts.append(at_once(chain, part, times, given.draws, Streams(seed, first, len(part))))
                    repeats.append(BoundTerms.joined(parts))
                row = found[f"{overlap:g}, {name}"] = bits(repeats, length)
                print(f"overlap {overlap:g}, {name}: {row}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
