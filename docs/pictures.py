"""Make the pictures that the README shows.

    make demo && .venv/bin/python docs/pictures.py demo                 those that `quasistatic demo` wrote
    .venv/bin/python docs/pictures.py --runs mnist=RUN photos=RUN       samples of runs of your own

Samples of a run are the first ones of seed 0, without selection.
"""

import argparse
import shutil
from pathlib import Path

import quasistatic as qs
from quasistatic import plotting

PICTURES = ("samples.png", "completions.png", "forward.png", "reverse.gif", "bound.png")
SAMPLES, STEPS = 40, 250
MOST = 2_000_000
"""Bytes of all pictures."""


def grid(run: Path, path: Path) -> None:
    """Write the first samples of a run."""
    model = qs.Model.from_pretrained(run, "cpu")
    drawn = model.sample(SAMPLES, steps=STEPS, seed=0)
    plotting.image_grid(drawn, model.specification.codec, columns=10, scale=2).save(path, optimize=True)


def main() -> None:
    """Read the arguments, and write the pictures; together they stay under 2 MB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, nargs="?", help="the folder that `quasistatic demo` wrote")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME=RUN", help="runs to draw samples of")
    asked = parser.parse_args()
    here = Path(__file__).parent / "pictures"
    here.mkdir(exist_ok=True)
    for name in PICTURES if asked.demo else ():
        shutil.copyfile(asked.demo / name, here / name)
    for name, run in (pair.split("=", 1) for pair in asked.runs):
        grid(Path(run), here / f"{name}.png")
    size = sum(path.stat().st_size for path in here.iterdir())
    if size > MOST:
        raise SystemExit(f"the README's pictures should stay under 2 MB, got {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
