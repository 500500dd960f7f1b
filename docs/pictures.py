"""Make the pictures that the README shows.

    make demo && .venv/bin/python docs/pictures.py demo                 those that `quasistatic demo` wrote
    .venv/bin/python docs/pictures.py --runs mnist=RUN photos=RUN       samples of runs of your own
    .venv/bin/python docs/pictures.py --dial                            clocks of elements, for docs/orders.md

Samples of a run are the first ones of seed 0, without selection.
"""

import argparse
import shutil
from pathlib import Path

import torch
from PIL import Image, ImageDraw

import quasistatic as qs
from quasistatic import plotting
from quasistatic.schedule import Reciprocal, Staggered

PICTURES = ("samples.png", "completions.png", "forward.png", "reverse.gif", "bound.png")
SAMPLES, STEPS = 40, 250
MOST = 2_000_000
"""Bytes of all pictures."""


def grid(run: Path, path: Path) -> None:
    """Write the first samples of a run."""
    model = qs.Model.from_pretrained(run, "cpu")
    drawn = model.sample(SAMPLES, steps=STEPS, seed=0)
    plotting.image_grid(drawn, model.specification.codec, columns=10, scale=2).save(path, optimize=True)


def dial(path: Path) -> None:
    """Write how much of each element is kept at each time, for a few overlaps side by side."""
    panels, overlaps, side = [], (0.0, 0.1, 0.3, 0.6, 1.0), 160
    t = torch.linspace(0, 1, side, dtype=torch.float64)
    for overlap in overlaps:
        kept = Staggered(Reciprocal(), (16,), "left", overlap).alpha_bar(t).T
        grey = (255 * kept.repeat_interleave(side // 16, 0)).round().to(torch.uint8)
        panels.append(Image.fromarray(grey.numpy()))
    sheet = Image.new("L", (len(panels) * (side + 12) - 12, side + 18), 255)
    draw = ImageDraw.Draw(sheet)
    for place, (panel, overlap) in enumerate(zip(panels, overlaps, strict=True)):
        left = place * (side + 12)
        sheet.paste(panel, (left, 18))
        draw.text((left, 3), f"overlap {overlap:g}", fill=0)
        draw.rectangle((left, 18, left + side - 1, 17 + side), outline=128)
    sheet.save(path, optimize=True)


def main() -> None:
    """Read the arguments, and write the pictures; together they stay under 2 MB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, nargs="?", help="the folder that `quasistatic demo` wrote")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME=RUN", help="runs to draw samples of")
    parser.add_argument("--dial", action="store_true", help="draw the clocks of elements")
    asked = parser.parse_args()
    here = Path(__file__).parent / "pictures"
    here.mkdir(exist_ok=True)
    for name in PICTURES if asked.demo else ():
        shutil.copyfile(asked.demo / name, here / name)
    for name, run in (pair.split("=", 1) for pair in asked.runs):
        grid(Path(run), here / f"{name}.png")
    if asked.dial:
        dial(here / "dial.png")
    size = sum(path.stat().st_size for path in here.iterdir())
    if size > MOST:
        raise SystemExit(f"the README's pictures should stay under 2 MB, got {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
