"""A head over many levels whose cost does not grow with their number: a few normal components per element.

The network predicts each element from the others, as weights, means and widths of normals. The head multiplies in the
evidence of the element's own noised value in closed form; levels enter only at the last step.
"""

import math
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

NARROW = 0.02
"""Least std of a component, in gaps between levels: narrower ones differ in nothing that is scored."""


@dataclass(frozen=True)
class MixtureHead(Head):
    """Returns a mass on ``levels`` values, evenly spaced over [−1, 1], from a mixture of normals.

    Attributes:
        levels: number of levels.
        components: number of normals per element.
        gain: log-weights and log-widths per unit of the network's output.

    Raises:
        ValueError: if there are fewer than two levels or no components, or the gain is not above 0.
    """

    levels: Annotated[int, Range(at_least=2, at_most=2**16)] = 256
    components: Annotated[int, Range(at_least=1, at_most=64)] = 5
    gain: Positive = 4.0

    @property
    def outputs(self) -> int:
        return 3 * self.components

    def check(self, process: Process) -> None:
        """Accept every schedule, because nothing is divided by √ᾱ."""
        check_gaussian(self, process)

    def read(
        self, output: Float[Tensor, "batch outputs *shape"], x_t: State, t: Time, process: Process
    ) -> LevelMixture:
        alpha_bar = process.schedule.alpha_bar(t)
        logits, means, widths = output.movedim(1, 0).contiguous().chunk(3)
        across = (-1,) + (1,) * x_t.ndim
        least = NARROW * 2 / (self.levels - 1)
        import os
        G=[float(v) for v in os.environ.get("GAINS","8,4,8").split(",")]
        if os.environ.get("INIT","1")=="1":
            w,m,s=(torch.tensor(v).to(x_t).reshape(across) for v in ((.8,.04,.06,.06,.04),(-1.,-.6,0,.6,.98),(.002,.25,.3,.25,.02)))
        else:
            m=torch.linspace(-1, 1, self.components + 2)[1:-1].to(x_t).reshape(across); w=torch.ones_like(m);s=torch.ones_like(m)/self.components
        stds = s*(G[2] * widths).exp() + least
        logits=w.log()+G[0]*logits; means=m+G[1]*means
        levels = torch.linspace(-1, 1, self.levels, dtype=x_t.dtype, device=x_t.device)
        kept, noise = like(alpha_bar.sqrt(), x_t), like((1 - alpha_bar).sqrt(), x_t)
        return LevelMixture(logits, means, stds, x_t, kept, noise, levels)

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, "batch *shape"]:
        return -clean.log_prob(x)
