"""How far the conditional laws of trained models are from those of one joint law, by recipe.

    python experiments/chain_gaps.py --text FILE --json docs/measured/chain_gaps.json

    chain gap    bound(all) − [ bound(known) + bound(unknown | known) ]    per example, in bits (`evaluate --given`)

Recipes whose process ends in a mask, the only ones that have a bound of a part alone: `table` on three tables of
scikit-learn, `text` on a file of text, `states` on 8×8 digits in four grey levels. The first half of the columns, of
the characters, or of the rows is known. Standard errors are over held-out examples.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

import quasistatic as qs
from quasistatic.config import Specification
from quasistatic.data import Dataset, TableCodec
from quasistatic.evaluation import Score
from quasistatic.recipes import recipe
from quasistatic.training.loop import Training


def sources(text: str | None, folder: Path) -> dict[str, tuple[str, str]]:
    """Return the recipe and the data of each model."""
    found = {}
    for name, load in (("wine", load_wine), ("breast-cancer", load_breast_cancer), ("diabetes", load_diabetes)):
        data = load()
        columns = dict(zip(map(str, data.feature_names), data.data.T, strict=True)) | {"target": data.target}
        pyarrow.csv.write_csv(pyarrow.table(columns), folder / f"{name}.csv")
        found[name] = ("table", str(folder / f"{name}.csv"))
    np.save(folder / "digits.npy", (load_digits().images // 5).astype(np.uint8))
    found["digits"] = ("states", str(folder / "digits.npy"))
    return found | ({"text": ("text", text)} if text else {})


def half(data: Dataset, folder: Path) -> str:
    """Return what is known: columns, or a mask file."""
    codec = data.codec
    if isinstance(codec, TableCodec):
        return ",".join(codec.names[: len(codec.names) // 2])
    sides = data.shape[-2:]
    unknown = np.zeros(sides, dtype=bool)
    unknown[sides[0] // 2 :] = True
    np.save(folder / "mask.npy", unknown)
    return str(folder / "mask.npy")


def scored(name: str, source: str, options: argparse.Namespace, folder: Path) -> Score:
    """Train the recipe's model and score its held-out examples."""
    data = qs.load(source, states="found" if name == "states" else None)
    config = recipe(name, data, source)
    if options.minutes is not None:
        config = replace(config, training=replace(config.training, minutes=options.minutes, steps=None))
    training = Training(config, Specification.of(data))
    for _ in training.run(data):
        pass
    held_out = training.model.held_out(data)
    held_out = held_out.select(torch.arange(min(len(held_out), options.examples)))
    return training.model.evaluate(held_out, given=half(held_out, folder), draws=options.draws)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", help="a file of text; without it, no text")
    parser.add_argument("--only", nargs="*", help="names of models; default: all")
    parser.add_argument("--minutes", type=float, help="of training; default: the recipe's")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory() as place:
        for name, (kind, source) in sources(options.text, Path(place)).items():
            if options.only and name not in options.only:
                continue
            score = scored(kind, source, options, Path(place))
            report[name] = {"recipe": kind, "unknown_bits": score.bits_per_example, **score.chain_gap}
            gap = f"{score.chain_gap['value']:+.2f} ± {score.chain_gap['standard_error']:.2f}"
            print(
                f"{name:<16}{kind:<8}{score.bits_per_example:>10.2f} bits of the unknown half, chain gap {gap}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
