"""The best guess of clean data under a mixture of normal laws, fitted before training: an input of networks.

    x ~ Σ_k π_k N(μ_k, U Λ Uᵀ + ψ I),   o = kept · x + √(1 − kept²) ε   ⇒   E[x | o]

U has a few orthonormal columns, Λ is diagonal and ψ is one number; all centers μ_k share them. kept is √ᾱ for a noised
element and 1 for a known one. Where all are noised alike, the guess takes matrix products alone; where some are known,
also one small matrix factored for each example.
Source: Tipping & Bishop 1999 (Mixtures of probabilistic principal component analysers), with one covariance.
"""

import warnings
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from quasistatic.types import State

FACTORS = 48
"""Most columns of U."""

CROWD = 40
"""Least examples for each center, on average; few examples have fewer centers than were asked for."""

LEAST = 1e-3
"""Least ψ, and least variance of a factor within a center, as a share of the mean variance of the elements."""

FITTED = 2**25
"""Most numbers of the examples that the law is fitted to."""

NEVER = -1e9
"""Log-chance of centers that are not used."""


class MixtureGuess(nn.Module):
    """E[x | o] under the mixture; before it is fitted, under N(0, I).

    Computed in float64 where the device has it: of nearly clean data, the exponents of the shares are large.
    """

    centers: Tensor
    log_chances: Tensor
    axes: Tensor
    powers: Tensor
    rest: Tensor

    def __init__(self, shape: tuple[int, ...], centers: int) -> None:
        """Make room for so many centers of examples of this shape."""
        super().__init__()
        self.shape, elements = tuple(shape), prod(shape)
        self.register_buffer("centers", torch.zeros(centers, elements))
        self.register_buffer("log_chances", torch.zeros(centers))
        self.register_buffer("axes", torch.zeros(elements, min(FACTORS, elements)))
        self.register_buffer("powers", torch.zeros(min(FACTORS, elements)))
        self.register_buffer("rest", torch.ones(()))

    def noised(self, x_t: State, kept: Float[Tensor, " batch"]) -> State:
        """Return the guesses for states whose elements are all noised alike."""
        (o, kept), (centers, log_chances, axes, powers, rest) = self._exact(x_t, kept[:, None])
        weight = kept / (kept.square() * rest + 1 - kept.square())
        both, along, roots = kept * weight, o @ axes, powers.sqrt()
        precision = 1 + both * powers
        told = (weight * along)[:, None] - both[..., None] * (centers @ axes)
        told = told * roots
        apart = both * centers.square().sum(1) - 2 * weight * (o @ centers.T)
        share = (log_chances - (apart - (told.square() / precision[:, None]).sum(2)) / 2).softmax(1)
        factors = (share[:, None] @ told)[:, 0] / precision
        return self._read(o, kept, weight, share @ centers + (factors * roots) @ axes.T, x_t)

    def known(self, seen: State, kept: State) -> State:
        """Return the guesses where each element has a ``kept`` of its own, 1 for a known value."""
        (o, kept), (centers, log_chances, axes, powers, rest) = self._exact(seen, kept)
        loadings, count = axes * powers.sqrt(), len(powers)
        weight = kept / (kept.square() * rest + 1 - kept.square())
        both = kept * weight
        pairs = (loadings[:, :, None] * loadings[:, None, :]).flatten(1)
        precision = (both @ pairs).view(-1, count, count) + torch.eye(count, dtype=o.dtype, device=o.device)
        lower = torch.linalg.cholesky(precision)
        placed = (centers.T[:, :, None] * loadings[:, None, :]).flatten(1)
        told = ((weight * o) @ loadings)[:, None] - (both @ placed).view(-1, len(centers), count)
        half = torch.linalg.solve_triangular(lower, told.mT, upper=False)
        apart = both @ centers.square().T - 2 * (weight * o) @ centers.T - half.square().sum(1)
        share = (log_chances - apart / 2).softmax(1)
        factors = torch.linalg.solve_triangular(lower.mT, half @ share[:, :, None], upper=True)[..., 0]
        return self._read(o, kept, weight, share @ centers + factors @ loadings.T, seen)

    def _exact(self, *given: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what is given as one row each, and the law, in float64 where the device has it.

        Raises:
            ValueError: if examples are of another shape than those that the law was fitted to.
        """
        if given[0].shape[1:] != self.shape:
            raise ValueError(
                f"this network guesses from the law of examples {self.shape}, got {tuple(given[0].shape[1:])}; give "
                "examples of its size, or train one with network.centers=0"
            )
        dtype = torch.float32 if given[0].device.type == "mps" else torch.float64
        law = self.centers, self.log_chances, self.axes, self.powers, self.rest
        return [one.flatten(1).to(dtype) for one in given], [one.to(given[0].device, dtype) for one in law]

    def _read(self, o: Tensor, kept: Tensor, weight: Tensor, common: Tensor, like: Tensor) -> Tensor:
        """Return E[x | o] from E[μ_k + U z | o]."""
        guess = common + self.rest.to(common) * weight * (o - kept * common)
        return guess.view_as(like).to(like.dtype)

    @torch.no_grad()
    def fit(self, x: State) -> None:
        """Fit the law to clean examples: by principal components, then by expectation and maximisation among them."""
        every = -(-x.numel() // FITTED)
        rows = x.detach()[::every].flatten(1).double().cpu()
        count = min(len(self.powers), len(rows) - 1)
        mean = rows.mean(0)
        gaps = rows - mean
        variance = gaps.square().mean().item()
        if not count or not variance:
            self.centers.copy_(mean)
            self.rest.fill_(1e-6)
            return
        axes = principal(gaps, count)
        places = gaps @ axes
        least = LEAST * variance
        chances, centers, covariance = mixed(places, max(1, min(len(self.centers), len(rows) // CROWD)), least)
        powers, turn = torch.linalg.eigh(covariance)
        left = (gaps - places @ axes.T).square().sum().item() / len(rows)
        rest = max(left / max(rows.shape[1] - count, 1), least)
        self.log_chances.fill_(NEVER)
        self.log_chances[: len(chances)].copy_(chances.log())
        self.centers.copy_(mean)
        self.centers[: len(chances)].copy_(mean + centers @ axes.T)
        self.axes[:, :count].copy_(axes @ turn)
        self.powers[:count].copy_((powers - rest).clamp(min=0))
        self.rest.fill_(rest)


def principal(gaps: Float[Tensor, "examples elements"], count: int) -> Float[Tensor, "elements count"]:
    """Return orthonormal principal axes of centred examples, by a randomised method where there are many elements."""
    if gaps.shape[1] <= 1024:
        return torch.linalg.eigh(gaps.T @ gaps)[1][:, -count:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.svd_lowrank(gaps, count, niter=4)[2]


def mixed(
    places: Float[Tensor, "examples axes"], centers: int, least: float
) -> tuple[Float[Tensor, " centers"], Float[Tensor, "centers axes"], Float[Tensor, "axes axes"]]:
    """Return chances, centers and the one covariance of a mixture, with at least a variance of ``least``."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    law = GaussianMixture(centers, covariance_type="tied", reg_covar=least, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a law that is not the best is a start as well
        law.fit(places.numpy())
    found = law.weights_, law.means_, law.covariances_
    return tuple(torch.from_numpy(one) for one in found)  # type: ignore[return-value]
