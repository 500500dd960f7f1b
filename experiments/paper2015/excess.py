"""What a model loses against the best steps of its class, on the same noised states.

    excess = Σ_k E_q KL( p*(x_s | x_t) ‖ p(x_s | x_t) ),    K = K* − excess

p* has the marginal means and variances (for bits: the means) of the exact reverse step, so that the expected cost of a
step over x, given x_t, is that of p* plus this KL: nothing but the draw of x_t is left to chance, and the error of the
excess is that of a small number. K* is summed by enumeration or quadrature.
"""

import math

import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, Normal
from quasistatic.types import per_example


@torch.inference_mode()
def excess(model: qs.Model, best: Denoise, x: Tensor, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the excess of the later steps, and of the last one (to the data), in bits of each example.

    Args:
        model: the model.
        best: the exact (x_t, t) → p(x | x_t), float64.
        x: states of data, float64.
        steps: T.
        seed: of the noised states.
    """
    process, generator = model.config.process, torch.Generator().manual_seed(seed)
    lost = torch.zeros(2, len(x), dtype=torch.float64)
    for k in range(1, steps + 1):
        t, s = (torch.full((len(x),), n / steps, dtype=torch.float64) for n in (k, k - 1))
        x_t = process.marginal(x, t).sample(generator)
        learned = model.denoiser(x_t.float().to(model.device), t)
        true, ours = (process.reverse(x_t, clean, t, s) for clean in (best(x_t, t), _double(learned)))
        lost[int(k == 1)] += per_example(true.kl(ours)) / math.log(2)
    return lost[0], lost[1]


def _double(clean: Distribution) -> Distribution:
    if isinstance(clean, Normal):
        return Normal(clean.mean.cpu().double(), clean.std.cpu().double())
    assert isinstance(clean, qs.Bernoulli)
    return qs.Bernoulli(clean.logits.cpu().double())
