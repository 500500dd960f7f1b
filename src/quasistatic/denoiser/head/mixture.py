"""A head over many levels whose cost does not grow with their number: a few normal components per element.

The network predicts each element from the others, as weights, means and widths of normals. The head multiplies in the
evidence of the element's own noised value in closed form; levels enter only at the last step.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser.head.base import Head, check_gaussian
from quasistatic.distribution import Distribution, LevelMixture
from quasistatic.process import Process
from quasistatic.runtime.fields import Positive, Range
from quasistatic.types import State, Time, like

NARROW = 0.15
"""Minimum std of a component, in gaps between levels. It puts 99.9 % on a level; narrower ones have steep slopes."""

FIRST = 0.2
"""Minimum std, in gaps, of a component of the law that a run starts from."""

VALUES = 2**15
"""Maximum number of values that the law to start from is fitted to."""


@dataclass(frozen=True)
class MixtureHead(Head):
    """Returns a mass on ``levels`` values, evenly spaced over [−1, 1], from a mixture of normals.

    It loses no bits where the chain's least noise is half a gap between levels or more: with 1,000 steps of the cosine
    schedule, from about 150 levels on. For fewer levels, use `LevelsHead`.

    Attributes:
        levels: number of levels.
        components: number of normals per element.
        gain: log-weights and log-widths per unit of the network's output. Weights move by about the learning rate per
            step, but log-weights must move by several units.

    Raises:
        ValueError: if there are fewer than two levels or no components, or the gain is not above 0.
    """

    levels: Annotated[int, Range(at_least=2, at_most=2**16)] = 256
    components: Annotated[int, Range(at_least=1, at_most=64)] = 5
    gain: Positive = 16.0

    @property
    def outputs(self) -> int:
        return 3 * self.components

    def check(self, process: Process) -> None:
        """Accept every schedule, because nothing is divided by √ᾱ."""
        check_gaussian(self, process)

    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> LevelMixture:
        alpha_bar = process.schedule.noised(t)
        logits, means, widths = output.movedim(1, 0).contiguous().chunk(3)  # sums over few components are slow last
        means = means + self._places.to(x_t).reshape(-1, *(1,) * x_t.ndim)
        stds = (self.gain * widths).exp() / self.components + NARROW * self._gap
        levels = torch.linspace(-1, 1, self.levels, dtype=x_t.dtype, device=x_t.device)
        kept, noise = like(alpha_bar.sqrt(), x_t), like((1 - alpha_bar).sqrt(), x_t)
        return LevelMixture(self.gain * logits, means, stds, x_t, kept, noise, levels)

    def start(self, x: State) -> Float[Tensor, " outputs"]:
        """Return the maps of a mixture fitted to all values of ``x``, by expectation and maximisation."""
        from sklearn.mixture import GaussianMixture

        values = x.flatten().double().cpu()
        values = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))[:VALUES]]
        narrow = FIRST * self._gap
        # scikit-learn warns if there are fewer distinct values than components; one component each is then enough.
        count = min(self.components, len(values.unique()))
        law = GaussianMixture(count, reg_covar=narrow**2, covariance_type="spherical", random_state=0, tol=1e-2)
        law.fit(values[:, None].numpy())
        weights, means, variances = (torch.from_numpy(v).double() for v in (law.weights_, law.means_, law.covariances_))
        place = torch.arange(self.components) * count // self.components  # the law's component that each one takes
        order, shared = means[:, 0].argsort()[place], place.bincount()[place]
        logits = (weights[order].clamp(min=1e-4) / shared).log() / self.gain
        widths = (variances[order].sqrt() * self.components).log() / self.gain
        return torch.cat([logits, means[order, 0] - self._places, widths]).to(x)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return -clean.log_prob(x)

    @property
    def _gap(self) -> float:
        return 2 / (self.levels - 1)

    @property
    def _places(self) -> Float[Tensor, " components"]:
        """Means for an output of 0: evenly inside (−1, 1)."""
        return torch.linspace(-1, 1, self.components + 2, dtype=torch.float64)[1:-1]
