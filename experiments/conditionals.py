"""Fill the hidden part of held-out images by each method at the cost of a sample, in several tasks.

    python experiments/conditionals.py RUN [DATA] --images 100 --steps 30 --out conditionals.json

Tasks: the bottom half, a box of half the sides in the middle and 75 % of the pixels at random are hidden; means over
blocks of --factor pixels, rounded to levels; noise of a quarter of the range. Nineteen draws of each image by each
method, with as many evaluations of the network: `guide`, whose step costs three, takes a third of the steps. Dearer
ones stand beside: hold with several walks, guide with all steps, particles. CRPS and −log p are those of
`completion.py`. The coverage is that of the interval between the smallest and the largest draw, with ties broken at
random: 90 % for draws of the true law. Standard errors are over images, differences are paired.
"""

import argparse
import json
from pathlib import Path

import completion
import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.data import Dataset, LevelsCodec
from quasistatic.data.observed import half_mask
from quasistatic.inference import Known
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import Given, complete, known, method_for
from quasistatic.model.complete.check import of_means, of_noise

DRAWS = 19


def masks(data: Dataset, truth: Tensor) -> dict[str, Tensor]:
    """Return the mask of known pixels of each task."""
    box = torch.ones_like(truth, dtype=torch.bool)
    rows, columns = truth.shape[-2:]
    box[..., rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = False
    pixels = torch.rand(len(truth), 1, rows, columns, generator=torch.Generator().manual_seed(0)) < 0.25
    return {"half": half_mask("bottom", data), "box": box, "75 % random": pixels.expand_as(truth)}


def coverage(draws: Tensor, truth: Tensor, hidden: Tensor) -> Tensor:
    """Return the share of hidden pixels of each image that lie between their draws, ties broken at random."""
    torch.manual_seed(0)
    noise = 1e-3 * torch.rand(len(draws), DRAWS + 1, *draws.shape[2:], dtype=torch.float64)
    x, y = draws.double() + noise[:, 1:], truth.double() + noise[:, 0]
    inside = ((y > x.amin(1)) & (y < x.amax(1))).flatten(1)
    here = hidden.flatten(1)
    return (inside & here).sum(1) / here.sum(1)


def observed(model: Model, data: Dataset, truth: Tensor, factor: int) -> dict[str, tuple[Given, Tensor]]:
    """Return what is observed in each task, and a mask of the pixels that are not."""
    codec = model.specification.codec
    assert isinstance(codec, LevelsCodec)
    found = {name: (known(model, truth, mask), ~mask) for name, mask in masks(data, truth).items()}
    means, noise = of_means(model, truth, factor), of_noise(model, truth, (codec.high - codec.low) / 4, 0)
    found[f"means of {factor}×{factor}"] = means.given, means.hidden
    found["noise"] = noise.given, noise.hidden
    return found


def task(
    model: Model, given: Given, truth: Tensor, hidden: Tensor, options: argparse.Namespace
) -> dict[str, dict[str, Tensor]]:
    """Return the scores of each image by each method that takes what was observed."""
    codec, found, best = model.specification.codec, {}, method_for(model, given)
    assert isinstance(codec, LevelsCodec)
    efforts = {
        "guide": ("guide", DrawOptions(DRAWS, max(options.steps // 3, 1))),
        "guide, all steps": ("guide", DrawOptions(DRAWS, options.steps)),
        "particle": ("particle", DrawOptions(DRAWS, options.steps, particles=options.particles)),
    }
    if isinstance(given.observation, Known):
        efforts["hold"] = ("hold", DrawOptions(DRAWS, options.steps))
        efforts[f"hold, {options.walks} walks"] = (
            "hold",
            DrawOptions(DRAWS, options.steps, resamplings=options.walks),
        )
    if best not in ("hold", "guide"):
        efforts[best] = (best, DrawOptions(DRAWS, options.steps))
    for name, (method, effort) in efforts.items():
        if name in options.skip:
            continue
        done = complete(model, given, method, effort)
        each = completion.scores(done.draws, truth, hidden, codec)
        cost = torch.tensor(float(done.network_evaluations // len(truth)))
        found[name] = each | {"coverage": coverage(done.draws, truth, hidden), "evaluations": cost}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--walks", type=int, default=3, help="of the dearer hold: RePaint's resamplings")
    parser.add_argument("--factor", type=int, default=2, help="side of the blocks whose means are observed")
    parser.add_argument("--particles", type=int, default=64)
    parser.add_argument("--tasks", nargs="*", help="first words of tasks; default: all")
    parser.add_argument("--skip", nargs="*", default=[], help="methods that are left out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    completion.DRAWS = DRAWS

    model = qs.Model.from_pretrained(options.run, device="auto")
    data = model.held_out(qs.load(options.data, data_dir=options.data_dir))
    data = data.select(torch.arange(min(options.images, len(data))))
    truth, report = data.batch(torch.arange(len(data))), {}
    for name, (given, hidden) in observed(model, data, truth, options.factor).items():
        if options.tasks and name.split()[0] not in options.tasks:
            continue
        found, best = task(model, given, truth, hidden, options), method_for(model, given)
        report[name] = {method: {key: value.tolist() for key, value in own.items()} for method, own in found.items()}
        print(f"{name}\n  {'method':<16}{'evaluations':>12}{'CRPS':>18}{'−log p':>18}{'coverage, %':>18}")
        for method, own in found.items():
            told = [completion._told(own[key]) for key in ("crps", "minus_log_p")]
            told.append(completion._told(100 * own["coverage"]))
            print(
                f"  {method:<16}{own['evaluations'].item():>12.0f}{''.join(f'{one:>18}' for one in told)}", flush=True
            )
        for method in [one for one in found if one != best] if best in found else ():
            gaps = [completion._told(found[best][key] - found[method][key]) for key in ("crps", "minus_log_p")]
            print(f"  {best} − {method}: CRPS {gaps[0]}, −log p {gaps[1]}")
    if options.out:
        options.out.write_text(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
