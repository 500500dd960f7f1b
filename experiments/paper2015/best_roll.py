"""The best that T steps with Gaussian kernels of diagonal covariance can do on a swiss roll, for any schedule.

    K = −h(X | X_1) − Σ_k c(k) − KL(q(x_T | x) ‖ π)
    c = ½ Σ_i E log( 1 + (SNR_s − SNR_t) Var[x_i | x_t] )       the least E KL of the step from t to s
    h = ½ Σ_i E log( 2πe Var[x_i | x_1] )                       the last step, standard;   ½ D log(2πe β_1) the paper's

With the exact posterior variances on a grid of points, K is a sum over neighbouring levels of noise, and the best
schedule is a shortest path. Data in units of one scale for both columns, mean variance 1.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.data.synthetic.roll import SwissRoll
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Normal


@dataclass
class Level:
    """Points that carry q(x_t) at one log-SNR: their weights, and Var[x_i | x_t] (points, 2)."""

    log_snr: float
    weight: Tensor
    variance: Tensor

    @property
    def prior(self) -> float:
        """KL( q(x_t | x) ‖ N(0, I) ), in nats, of centred data of mean variance 1."""
        return math.log1p(math.exp(self.log_snr))

    @property
    def last(self) -> float:
        """E −log p(x | x_t) of the best diagonal Gaussian, in nats."""
        return 0.5 * (self.weight @ (2 * math.pi * math.e * self.variance).log()).sum().item()

    @property
    def edge(self) -> float:
        """H_q(X_t | X) of both dimensions, in nats: the paper's last step."""
        return math.log(2 * math.pi * math.e / (1 + math.exp(self.log_snr)))

    def costs(self, log_snr: Tensor) -> Tensor:
        """The least E KL of steps from here to each of the (higher) levels, in nats."""
        gain = log_snr.exp() - math.exp(self.log_snr)
        return torch.stack([0.5 * (self.weight @ (1 + g * self.variance).log()).sum() for g in gain])


def level(roll: SwissRoll, log_snr: float, fineness: float = 0.8) -> Level:
    """Return the level by quadrature over the mixture and over a grid of ``fineness`` widths of the noise."""
    kept = 1 / (1 + math.exp(-log_snr))
    weights, centres = roll.mixture
    centres = (centres - torch.tensor(roll.center, dtype=torch.float64)) / roll.scale
    own = (roll.noise / roll.scale) ** 2
    spread = kept * own + 1 - kept
    # Neighbours within a twentieth of a width at this level of noise are pooled, with their first two moments.
    pool = max(1, int(0.05 * math.sqrt(spread / kept) * roll.scale / roll.noise * 8))
    parts = list(zip(weights.split(pool), torch.cat([centres, centres.square()], 1).split(pool), strict=True))
    moments = torch.stack([w @ m / w.sum() for w, m in parts])
    weights, centres = torch.stack([w.sum() for w, _ in parts]), moments[:, :2]
    step, reach = fineness * math.sqrt(spread), 8 * math.sqrt(spread)
    at = math.sqrt(kept) * centres
    axes = [torch.arange(float(a) - reach, float(b) + reach, step) for a, b in zip(at.amin(0), at.amax(0), strict=True)]
    points = torch.cartesian_prod(*(axis.double() for axis in axes))
    mass, variances = [], []
    for x in points.split(4096):
        log_joint = weights.log() - torch.cdist(x, at).square() / (2 * spread)
        total = log_joint.logsumexp(1)
        mean = (log_joint - total[:, None]).exp() @ moments
        mass.append(total.exp() * step**2 / (2 * math.pi * spread))
        # Var = own part left by x_t, plus that of the centres; scaled by how far x_t moves a component's mean.
        keep = (1 - kept) / spread
        variances.append(own * keep + keep**2 * (mean[:, 2:] - mean[:, :2].square()).clamp(min=0))
    weight, variance = torch.cat(mass), torch.cat(variances)
    seen = weight > 1e-14
    return Level(log_snr, weight[seen], variance[seen])


def exact_guess(roll: SwissRoll, process: qs.GaussianProcess) -> Denoise:
    """(x_t, t) → the mean and variances of p(x | x_t), for a time that all examples share."""

    def denoise(x_t: Tensor, t: Tensor) -> Normal:
        kept = process.schedule.alpha_bar(t[:1]).item()
        weights, centres = roll.mixture
        centres = (centres - torch.tensor(roll.center, dtype=torch.float64)) / roll.scale
        own = (roll.noise / roll.scale) ** 2
        spread = kept * own + 1 - kept
        means, variances = [], []
        for x in x_t.split(4096):
            log_joint = weights.log() - torch.cdist(x, math.sqrt(kept) * centres).square() / (2 * spread)
            first, second = (log_joint.softmax(1) @ torch.cat([centres, centres.square()], 1)).split(2, 1)
            keep = (1 - kept) / spread
            means.append(keep * first + own * math.sqrt(kept) / spread * x)
            variances.append(own * keep + keep**2 * (second - first.square()).clamp(min=0))
        return Normal(torch.cat(means), torch.cat(variances).sqrt())

    return denoise


def bound_of(roll: SwissRoll, log_snr: Sequence[float], edge: bool = False) -> float:
    """K in bits of the schedule with these log-SNRs, from the data on (falling)."""
    levels = [level(roll, value) for value in log_snr]
    total = (levels[0].edge if edge else levels[0].last) + levels[-1].prior
    for near, far in itertools.pairwise(levels):
        total += far.costs(torch.tensor([near.log_snr], dtype=torch.float64)).item()
    return -total / math.log(2)


def best(roll: SwissRoll, steps: Sequence[int], grid: Tensor) -> dict[int, tuple[float, list[float]]]:
    """K in bits and log-SNRs of the best schedule of each number of ``steps`` on a falling grid of log-SNRs."""
    levels = [level(roll, value) for value in grid.tolist()]
    cost = np.full((len(grid), len(grid)), np.inf)
    for far in range(1, len(grid)):
        cost[:far, far] = levels[far].costs(grid[:far]).numpy()
    reached = np.array([one.last for one in levels])
    prior = np.array([one.prior for one in levels])
    came, found = [], {}
    for count in range(1, max(steps) + 1):
        if count > 1:
            through = reached[:, None] + cost
            came.append(through.argmin(0))
            reached = through.min(0)
        if count in steps:
            at = int((reached + prior).argmin())
            value, path = -(reached + prior)[at] / math.log(2), [at]
            for back in reversed(came):
                path.append(int(back[path[-1]]))
            found[count] = (float(value), [grid[i].item() for i in reversed(path)])
    return found
