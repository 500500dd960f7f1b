"""The dial on digits: one model for each overlap of the clocks of their pixels, at equal steps.

    python experiments/dial_digits.py --steps 400 --json docs/measured/dial-digits.json

Each is the recipe `demo` trained on the plain bound, with clocks of its own; "today" is the recipe as it is, whose
clock is one for all pixels and whose objective is the weighted bound. Bits per dimension of the held-out digits, by the
bound.
"""

import argparse
import json
from pathlib import Path

import torch

import quasistatic as qs
from quasistatic.objective import Bound
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Staggered

DIALS = (("left", 1.0), ("coarse", 0.9), ("coarse", 0.5), ("left", 0.5), ("left", 0.0))
"""Order and overlap."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--draws", type=int, default=64, help="network evaluations of each held-out digit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data, found = qs.load("digits"), {}
    kinds = {"today": {}}
    for order, overlap in DIALS:
        clock = Staggered(Cosine(), data.shape, order, overlap)
        kinds[f"{order}, overlap {overlap:g}"] = {"process": GaussianProcess(clock), "objective": Bound()}
    for name, changes in kinds.items():
        model = qs.fit(data, recipe="demo", progress=False, steps=given.steps, **changes)
        score = model.evaluate(model.held_out(data), draws=given.draws)
        found[name] = {"bits": score.value, "error": score.standard_error}
        print(f"{name}: {found[name]}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
