"""Precision, recall, density and coverage of two sets (n, d), by nearest neighbours.

The ball of an example reaches to its k-th nearest neighbour in the same set.

    precision   fraction of samples in the ball of a real example                 realism
    recall      fraction of real examples in the ball of a sample                 variety
    density     number of real examples' balls that contain a sample, over k      realism; mean 1 for the same law
    coverage    fraction of real examples whose ball contains a sample            variety

For n and m draws of one continuous law, coverage is 1 − Π_{l=1…k} (n − l)/(n + m − l) on average, in any dimension.
Sources: Kynkäänniemi et al. 2019 (arXiv:1904.06991); Naeem et al. 2020 (arXiv:2002.09797).
"""

import numpy as np
from jaxtyping import Float

from quasistatic.evaluation.fidelity.distance import ROWS, Features, Groups, OtherGroups, Others
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, jackknife

ROUNDING = 1e-12
"""Squared distances are equal if they differ by less than this fraction of the largest squared norm (rounding)."""


def neighbours(
    real: Features, samples: Others, real_groups: Groups, sample_groups: OtherGroups, k: int
) -> dict[str, Estimate]:
    """Return the four measures; all lie between 0 and 1, except density, which is not bounded."""
    precision, density, coverage = _in_balls(real, samples, real_groups, sample_groups, k)
    recall, _, _ = _in_balls(samples, real, sample_groups, real_groups, k)
    return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def _in_balls(
    centers: Features, points: Others, center_groups: Groups, point_groups: OtherGroups, k: int
) -> tuple[Estimate, Estimate, Estimate]:
    """Return the fraction of points in a ball, balls per point over k, and the fraction of balls with a point.

    A ball grows as neighbours are left out, so pairs are searched once, within the ball's largest radius.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    rounding = ROUNDING * max((centers**2).sum(1).max(), (points**2).sum(1).max())
    reach = _radii(centers, center_groups, k) ** 2 + rounding
    pairs = []
    for start in range(0, len(points), ROWS):
        squares = euclidean_distances(points[start : start + ROWS], centers, squared=True)
        rows, balls = np.nonzero(squares <= reach.max(0))
        pairs.append((rows + start, balls, squares[rows, balls]))
    point, ball, square = (np.concatenate(part) for part in zip(*pairs, strict=True))

    def measured(pair: np.ndarray, n_points: int, n_balls: int) -> list[float]:
        held = np.count_nonzero(np.bincount(point[pair]))
        holding = np.count_nonzero(np.bincount(ball[pair]))
        return [held / n_points, np.count_nonzero(pair) / (k * n_points), holding / n_balls]

    n, m = len(centers), len(points)
    within = square <= reach[GROUPS][ball]
    left_centers = (n - np.bincount(center_groups)).tolist()
    left_points = (m - np.bincount(point_groups)).tolist()
    whole = measured(within, m, n)
    fewer_centers = [
        measured((square <= reach[g][ball]) & (center_groups[ball] != g), m, left_centers[g]) for g in range(GROUPS)
    ]
    fewer_points = [measured(within & (point_groups[point] != g), left_points[g], n) for g in range(GROUPS)]
    a, b, c = map(jackknife, whole, np.array(fewer_centers).T, np.array(fewer_points).T)
    return a, b, c


def _radii(x: Features, groups: Groups, k: int) -> Float[np.ndarray, "left_out n"]:
    """Return each row's distance to its k-th nearest other row: without each group, and last, with all rows."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors().fit(x)
    count = min(4 * k + 16, len(x) - 1)
    while True:
        distances, index = search.kneighbors(n_neighbors=count)
        kept = (groups[index] != np.arange(GROUPS)[:, None, None]).cumsum(-1) >= k
        if kept[..., -1].all() or count == len(x) - 1:
            break
        count = min(2 * count, len(x) - 1)
    place = kept.argmax(-1)
    return np.concatenate([distances[np.arange(len(x)), place], distances[:, k - 1][None]])
