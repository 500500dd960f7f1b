"""Whether the scores of `evaluate --scores` tell odd pictures from ordinary ones: the AUC of each score.

    python benchmarks/ranking.py RUN [DATA] [--data-dir DIR] [--json FILE] [--save FILE.npz]

80 held-out images of the run's data set are ordinary. 20 odd ones are made here: uniform noise, text, chessboards, flat
colours, histology (purple nuclei on pink tissue) and held-out images whose tiles are shuffled. All are scored in one
`Model.rank`, without labels, with other held-out images as the typical ones. AUC is the probability that a score puts
an odd picture above an ordinary one; its error is a bootstrap's over both. For comparison: the bound with four draws
of each example's own, as `--draws 4` has it. --save keeps the pictures in a file that `evaluate` reads.
"""

import argparse
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rich.console import Console
from rich.table import Table

from machine import keep, machine
from quasistatic import Model
from quasistatic.data import DataOptions, Dataset, load
from quasistatic.data.dataset import from_tensor
from quasistatic.model.evaluate.ranking import Scored

ORDINARY, TYPICAL = 80, 256
COUNTS = {"noise": 4, "text": 4, "chessboard": 4, "flat": 3, "histology": 3, "shuffled": 2}
FINE = 4
"""Pictures are drawn this many times as large, then reduced."""

Pixels: TypeAlias = np.ndarray
Make: TypeAlias = Callable[[np.random.Generator, Pixels], Pixels]
"""(random numbers, a real image (height, width, channels)) → an odd picture of the same shape."""


def noise(rng: np.random.Generator, real: Pixels) -> Pixels:
    """Each value by itself, uniform."""
    return rng.integers(0, 256, real.shape, dtype=np.uint8)


def text(rng: np.random.Generator, real: Pixels) -> Pixels:
    """Lines of random lower-case letters, dark on light."""
    height, width, _ = real.shape
    page = Image.new("RGB", (width * FINE, height * FINE), colour(rng, 180, 256))
    pen, font, ink = ImageDraw.Draw(page), ImageFont.load_default(size=8 * FINE), colour(rng, 0, 80)
    for line in range(0, height * FINE, 8 * FINE):
        words = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz    "), width))
        pen.text((-int(rng.integers(0, 20)), line), words, fill=ink, font=font)
    return fitted(page.reduce(FINE), real)


def chessboard(rng: np.random.Generator, real: Pixels) -> Pixels:
    """Squares of 1 to 5 pixels in two random colours."""
    side = int(rng.integers(1, 6))
    down, across = np.mgrid[: real.shape[0], : real.shape[1]]
    black = ((down // side + across // side) % 2)[..., None]
    return fitted(Image.fromarray(np.where(black, *rng.integers(0, 256, (2, 3))).astype(np.uint8)), real)


def flat(rng: np.random.Generator, real: Pixels) -> Pixels:
    """One random colour."""
    return fitted(Image.new("RGB", real.shape[1::-1], colour(rng, 0, 256)), real)


def shuffled(rng: np.random.Generator, real: Pixels) -> Pixels:
    """The image's 16 tiles in another order, some mirrored."""
    high, wide = real.shape[0] // 4, real.shape[1] // 4
    places = [(slice(i * high, (i + 1) * high), slice(j * wide, (j + 1) * wide)) for i in range(4) for j in range(4)]
    made = real.copy()
    for place, other in zip(places, rng.permutation(16), strict=True):
        made[place] = real[places[other]][:, :: rng.choice((-1, 1))]
    return made


def histology(rng: np.random.Generator, real: Pixels) -> Pixels:
    """Purple nuclei that keep a distance from one another, on pink tissue, with some grain."""
    height, width, _ = real.shape
    size = (width * FINE, height * FINE)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 4 + 1, width // 4 + 1), dtype=np.uint8))
    share = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=float)[..., None] / 255
    tissue = share * np.array([232, 160, 196]) + (1 - share) * np.array([214, 110, 165])
    slide = Image.fromarray(tissue.astype(np.uint8))
    pen, nuclei = ImageDraw.Draw(slide), np.empty((0, 2))
    for place in rng.uniform((0, 0), size, (2000, 2)):
        if (np.hypot(*(nuclei - place).T) > rng.uniform(4.5, 6.5) * FINE).all():
            nuclei = np.vstack([nuclei, place])
    for x, y in nuclei:
        wide = rng.uniform(1.6, 2.6) * FINE
        high = wide * rng.uniform(0.7, 1.2)
        stain = (np.array([92, 50, 135]) + rng.normal(0, 12, 3)).clip(0, 255).astype(int)
        pen.ellipse((x - wide, y - high, x + wide, y + high), fill=tuple(stain.tolist()))
    seen = np.asarray(slide.filter(ImageFilter.GaussianBlur(2)).reduce(FINE), dtype=float)
    grain = seen + rng.normal(0, 4, (height, width, 1))
    return fitted(Image.fromarray(grain.clip(0, 255).astype(np.uint8)), real)


KINDS: dict[str, Make] = {kind.__name__: kind for kind in (noise, text, chessboard, flat, histology, shuffled)}


def colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, ...]:
    """Return a random colour of values in [low, high)."""
    return tuple(rng.integers(low, high, 3).tolist())


def fitted(picture: Image.Image, real: Pixels) -> Pixels:
    """Return the picture's values in the channels of a real image."""
    return np.asarray(picture.convert("L" if real.shape[2] == 1 else "RGB")).reshape(real.shape)


def mixture(held_out: Dataset, seed: int) -> tuple[Dataset, np.ndarray]:
    """Return ordinary images followed by odd ones, and the kind of each; the odd ones use other held-out images."""
    rng, odd = np.random.default_rng(seed), sum(COUNTS.values())
    raw = held_out.batch(torch.arange(ORDINARY + odd)).movedim(1, -1).numpy()
    kinds = [kind for kind, count in COUNTS.items() for _ in range(count)]
    made = [KINDS[kind](rng, real) for kind, real in zip(kinds, raw[ORDINARY:], strict=True)]
    values = torch.from_numpy(np.concatenate([raw[:ORDINARY], np.stack(made)])).movedim(-1, 1).contiguous()
    return from_tensor("mixture", values), np.array(["ordinary"] * ORDINARY + kinds)


def auc(scores: np.ndarray, odd: np.ndarray) -> float:
    """Return the probability that an odd picture scores above an ordinary one; ties count half."""
    above, below = scores[odd][:, None], scores[~odd]
    return float(((above > below) + 0.5 * (above == below)).mean())


def bootstrap(scores: np.ndarray, odd: np.ndarray, seed: int, times: int = 1000) -> float:
    """Return the AUC's standard error over resampled ordinary and odd pictures."""
    rng, groups = np.random.default_rng(seed), (np.flatnonzero(odd), np.flatnonzero(~odd))
    rows = [np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(times)]
    return float(np.std([auc(scores[row], odd[row]) for row in rows]))


def scores_of(found: Scored) -> dict[str, np.ndarray]:
    """Return each score by the name of its column, higher for odder pictures."""
    scores = {"bits_per_dim": found.bits_per_dim, **found.columns}
    oddness = {name: -scores[name] for name in scores if name.startswith("typicality")}
    kept = {name: scores[name] for name in ("bits_per_dim", "complexity", "bits_above_complexity")}
    return {name: values.numpy() for name, values in (kept | oddness).items()}


def main() -> None:
    """Score the mixture and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data", nargs="?", help="the run's data set, if not the one in its configuration")
    for name in ("data-dir", "json", "save"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    model = Model.from_pretrained(given.run, device="auto")
    held_out = model.held_out(load(given.data or model.config.data.source, DataOptions(data_dir=given.data_dir)))
    data, kinds = mixture(held_out, given.seed)
    if given.save:
        np.savez(given.save, data.batch(torch.arange(len(data))).movedim(1, -1).numpy())
    odd, rest = kinds != "ordinary", torch.arange(len(data), min(len(held_out), len(data) + TYPICAL))
    began, used = time.monotonic(), time.process_time()
    found = model.rank(data, typical=held_out.select(rest), seed=given.seed)
    seconds, processor = time.monotonic() - began, time.process_time() - used
    four = model.evaluate(data, draws=4, seed=given.seed)
    bits = four.log_likelihoods.numpy() / (-np.log(2) * four.dimensions)
    scores = {"four draws each": bits, **scores_of(found)}
    table, rows = Table(box=None, padding=(0, 2, 0, 0)), {}
    for title in ("score", "AUC", *COUNTS):
        table.add_column(title, no_wrap=True)
    for name, values in scores.items():
        of_kind = {kind: auc(values[(kinds == kind) | ~odd], odd[(kinds == kind) | ~odd]) for kind in COUNTS}
        rows[name] = {"auc": auc(values, odd), "standard_error": bootstrap(values, odd, given.seed), "kinds": of_kind}
        whole = f"{rows[name]['auc']:.3f} ± {rows[name]['standard_error']:.3f}"
        table.add_row(name, whole, *(f"{value:.2f}" for value in of_kind.values()))
    Console(width=120).print(table)
    errors = [score.errors.numpy()[~odd] / (np.log(2) * four.dimensions) for score in (found.score, four)]
    median, median_of_four = (float(np.median(values)) for values in errors)
    spread = {
        "median_error": median,
        "median_error_of_four_draws": median_of_four,
        "spread": float(found.bits_per_dim.numpy()[~odd].std()),
    }
    took = {"seconds": seconds, "processor_seconds": processor, "step": model.step}
    keep({"scores": rows, "ranking": found.score.ranking, "ordinary": spread, **took}, given.json)
    print(f"{found.score.ranking}\nordinary images: {spread}; {took}; {machine()}")


if __name__ == "__main__":
    main()
