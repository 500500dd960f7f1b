"""Complete the hidden half of held-out images by each method, at equal evaluations of the network.

    python experiments/completion.py RUN [DATA] --images 32 --skip 0 --steps 30 --particles 30 120 --out completion.json

Ten draws of each image by each method. Scores are over hidden pixels, in raw units, lower is better:

    CRPS     mean |x − truth| − ½ mean |x − x'| over draws (unbiased for pairs): a proper score of a pixel's law
    error    root mean square error of the mean of the draws
    −log p   of the draws smoothed: for each pixel a mixture of normals around them (Silverman's width, at least half a
             level, with 2 % of a uniform law mixed in), integrated over the pixel's level: nats per pixel

A gradient counts as two evaluations more. For each number of particles, hold walks as many times (RePaint) as costs the
same, and so does nothing else; guide is one walk. Standard errors are over images, differences are paired.
"""

import argparse
import json
import math
import time
import warnings
from pathlib import Path

import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.data import LevelsCodec
from quasistatic.data.observed import half_mask
from quasistatic.inference import FewParticles
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import complete, known

DRAWS = 10


def scores(draws: Tensor, truth: Tensor, hidden: Tensor, codec: LevelsCodec) -> dict[str, Tensor]:
    """Return each score of each image, (images,)."""
    x, y = draws.double().flatten(2), truth.double().flatten(1)
    here = hidden.flatten(1)
    apart = (x[:, :, None] - x[:, None]).abs().sum((1, 2)) / (DRAWS * (DRAWS - 1))
    width = (0.9 * x.std(1) * DRAWS**-0.2).clamp(min=codec.step / 2)[:, None]
    edge = lambda sign: torch.special.ndtr((y[:, None] + sign * codec.step / 2 - x) / width)  # noqa: E731
    low, high = edge(-1), edge(1)
    low = torch.where(y[:, None] == codec.low, 0, low)
    high = torch.where(y[:, None] == codec.high, 1, high)
    mass = 0.98 * (high - low).mean(1) + 0.02 / codec.levels
    parts = {
        "crps": (x - y[:, None]).abs().mean(1) - apart / 2,
        "squared": (x.mean(1) - y) ** 2,
        "minus_log_p": -mass.log(),
    }
    return {name: (value * here).sum(1) / here.sum(1) for name, value in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--half", default="bottom")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--skip", type=int, default=0, help="held-out images left out first")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--particles", type=int, nargs="+", default=[30])
    parser.add_argument("--islands", type=int, default=1, help="that the particles are in; draws are even over them")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    model = qs.Model.from_pretrained(options.run, device="auto")
    codec = model.specification.codec
    if not isinstance(codec, LevelsCodec):
        raise TypeError(f"the scores are of grey levels, got a model of {codec}")
    data = model.held_out(qs.load(options.data, data_dir=options.data_dir))
    data = data.select(torch.arange(options.skip, options.skip + options.images))
    truth, mask = data.batch(torch.arange(len(data))), half_mask(options.half, data)
    given = known(model, truth, mask)
    efforts = {
        "hold": ("hold", DrawOptions(DRAWS, options.steps)),
        "guide": ("guide", DrawOptions(DRAWS, options.steps)),
    }
    for count in options.particles:
        walks = round(3 * count / DRAWS)
        efforts[f"hold, {walks} walks"] = ("hold", DrawOptions(DRAWS, options.steps, resamplings=walks))
        efforts[f"particle, {count}"] = (
            "particle",
            DrawOptions(DRAWS, options.steps, particles=count, islands=options.islands),
        )
    rows = {}
    print(f"{'method':<18}{'evaluations':>12}{'CPU s':>9}{'CRPS':>16}{'error':>16}{'−log p':>16}{'effective':>11}")
    for name, (method, effort) in efforts.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewParticles)
            found = complete(model, given, method, effort)
        seconds = (time.process_time() - start) / len(data)
        each = scores(found.draws, truth, ~mask, codec)
        effective = math.nan if found.effective is None else found.effective.median().item()
        evaluations = found.network_evaluations // len(data)
        rows[name] = {"evaluations": evaluations, "seconds": seconds, "effective": effective} | {
            key: value.tolist() for key, value in each.items()
        }
        shown = [_told(each["crps"]), _root(each["squared"]), _told(each["minus_log_p"])]
        print(
            f"{name:<18}{evaluations:>12}{seconds:>9.2f}{''.join(f'{s:>16}' for s in shown)}{effective:>11.1f}",
            flush=True,
        )
    for count in options.particles:
        walks = round(3 * count / DRAWS)
        for other in (f"hold, {walks} walks", "guide"):
            told = []
            for key in ("crps", "squared", "minus_log_p"):
                gap = torch.tensor(rows[f"particle, {count}"][key]) - torch.tensor(rows[other][key])
                told.append(f"{key} {_told(gap)}")
            print(f"particle, {count} − {other}: " + ", ".join(told))
    if options.out:
        options.out.write_text(json.dumps({"run": options.run, "options": vars(options) | {"out": None}, "rows": rows}))


def _told(values: Tensor) -> str:
    return f"{values.mean().item():.3f} ± {values.std().item() / len(values) ** 0.5:.3f}"


def _root(squared: Tensor) -> str:
    root = squared.mean().sqrt().item()
    return f"{root:.3f} ± {squared.std().item() / len(squared) ** 0.5 / (2 * root):.3f}"


if __name__ == "__main__":
    main()
