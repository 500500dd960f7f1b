"""Dead leaves (table 2): the bound of two diffusion models beside a Gaussian and a mixture of patches, on one set.

The paper's 1.489 bits/pixel are of images whose noise it does not state, and without noise their likelihood has no
limit (neighbours are exactly equal with positive probability). These images have noise of standard deviation 0.05
where grey runs from 0 to 1; numbers are comparable with each other only. Units: log₂ density per pixel at unit
variance.

    Gaussian    one, of full covariance, fitted to the training images
    patches     a mixture of Gaussians of full covariance over 8 × 8 patches, taken as independent: it contains the
                Gaussian scale mixtures of patches
"""

import math

import numpy as np
import torch
from pair import configurations, rows
from record import Experiment, Row
from sklearn.mixture import GaussianMixture

import quasistatic as qs
from quasistatic import evaluation, plotting
from quasistatic.data.synthetic.leaves import DeadLeaves


def gaussian(known: np.ndarray, asked: np.ndarray) -> torch.Tensor:
    """log p of each image in nats under one Gaussian, a hundredth of the noise's variance on the diagonal."""
    mean, cov = known.mean(0), np.cov(known.T)
    cov = 0.99 * cov + 0.01 * np.diag(np.diag(cov))
    law = torch.distributions.MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(cov))
    return law.log_prob(torch.from_numpy(asked))


def patches(images: np.ndarray, side: int) -> np.ndarray:
    """Images (n, side²) as independent patches (n, patches, 64)."""
    cut = images.reshape(-1, side // 8, 8, side // 8, 8)
    return cut.transpose(0, 1, 3, 2, 4).reshape(len(images), -1, 64)


def pairs(images: torch.Tensor, distances: tuple[int, ...]) -> dict[int, tuple[float, float]]:
    """Correlation of grey at each distance, with its error over images; grey has mean ½ and variance 1/12."""
    centred = images[:, 0].double() - 0.5
    products = {d: (centred[:, :, d:] * centred[:, :, :-d]).mean((1, 2)) * 12 for d in distances}
    return {d: evaluation.mean_and_error(value) for d, value in products.items()}


def main() -> None:
    experiment = Experiment.begin("dead_leaves", __doc__ or "")
    side, limit, draws = (16, 400, 4) if experiment.quick else (32, 12_000, 48)
    leaves = DeadLeaves(side)
    data = qs.load(leaves.name, limit=limit)
    held_out = 40 if experiment.quick else 500
    configs = configurations(leaves.name, held_out, 20.0, dense=0)
    found, models = rows(experiment, data, configs, f"Dead leaves {side}², noise 0.05", "bits/pixel", draws)
    unseen = next(iter(models.values())).held_out(data)
    train = next(iter(models.values())).learned(data)
    codec = data.codec
    known, asked = (codec.encode(d.batch(torch.arange(len(d)))).double().flatten(1).numpy() for d in (train, unseen))
    size = side * side
    mixed = GaussianMixture(4 if experiment.quick else 20, reg_covar=1e-4, random_state=0, max_iter=30)
    mixed.fit(patches(known, side).reshape(-1, 64)[:40_000])
    by_patch = mixed.score_samples(patches(asked, side).reshape(-1, 64)).reshape(len(asked), -1).sum(1)
    for name, nats in (("full Gaussian", gaussian(known, asked)), ("patch mixture", torch.from_numpy(by_patch))):
        value, error = evaluation.mean_and_error(nats / (size * math.log(2)))
        found.append(Row(f"Dead leaves {side}², noise 0.05, {name}", "bits/pixel", value, error, found[0].null))
    # Scores are per raw unit; like the paper, give them per unit of standard deviation.
    shift = math.log2(codec.scale[0])  # type: ignore[attr-defined]
    for row in found[:2]:
        row.value, row.null = row.value + shift, (row.null or 0.0) + shift
    for row in found[2:]:
        row.null = found[0].null
    found[0].paper, found[0].paper_gain = 1.489, 3.536
    found[0].note = "the paper's images have other, unstated noise: not comparable"
    count, steps = (16, 5) if experiment.quick else (200, 50)
    drawn = models["small U-Net"].sample(count, steps=steps, sampler="unipc")
    plotting.save_examples(drawn[:64], experiment.picture(), codec)
    distances = (1, 2, 4, 8)
    for distance, (value, error) in pairs(drawn, distances).items():
        truth = leaves.same_leaf(float(distance))
        row = Row(f"Correlation of greys {distance} apart, samples of the small U-Net", "", value, error, best=truth)
        row.note = f"best is the generator's, {abs(value - truth) / error:.1f} standard errors away"
        found.append(row)
    experiment.finish(found)


if __name__ == "__main__":
    main()
