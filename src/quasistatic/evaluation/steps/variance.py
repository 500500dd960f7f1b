"""Standard deviations of the guess that are not learned: DDPM's two, and the optimal one, measured on data.

    small      w = 0:           the step's variance is β̃            Ho et al. 2020, §3.2
    large      w² = 1 − ᾱ:      the step's variance is β
    analytic   w² = E (x − m)²  at each time and element             Bao et al. 2022 (arXiv:2201.06503), theorem 1

The analytic w minimises the mean cost of a step among all w that do not depend on x_t; for Gaussian data it is the true
standard deviation of p(x | x_t). The last step of a grid keeps the model's own guess, because it is the distribution of
the data. If that guess has std 0 (a head with ``std="small"``), it is no density, and the last step uses w too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, Normal
from quasistatic.process import GaussianProcess
from quasistatic.schedule import NOTHING
from quasistatic.types import Generator, State, Time, Times, like

VARIANCES = ("own", "small", "large", "analytic")
"""Names of variances, as users type them; ``own`` is the head's."""


@dataclass(frozen=True, eq=False)
class SquaredErrors:
    """E (x − m)² of each element at increasing log-SNRs, shapes (N,) and (N, *shape); interpolated linearly."""

    log_snr: Float[Tensor, " times"]
    values: Float[Tensor, " times *shape"]

    def at(self, log_snr: Float[Tensor, " batch"]) -> Float[Tensor, " batch *shape"]:
        """Return the mean squared error at each ``log_snr``; outside the range, the value at the nearest end."""
        place = torch.searchsorted(self.log_snr, log_snr.clamp(self.log_snr[0], self.log_snr[-1])).clamp(min=1)
        low, high = self.log_snr[place - 1], self.log_snr[place]
        share = ((log_snr - low) / (high - low)).clamp(0, 1)
        return torch.lerp(self.values[place - 1], self.values[place], like(share, self.values))


def squared_errors(
    process: GaussianProcess, denoise: Denoise, x: State, times: Times, generator: Generator = None
) -> SquaredErrors:
    """Measure E (x − m)² on data ``x`` at two or more decreasing ``times`` above 0.

    Raises:
        ValueError: if there are fewer than two times, or they do not decrease, or one is not above 0.
    """
    if len(times) < 2 or not bool((times.diff() < 0).all()) or times[-1] <= 0:
        raise ValueError("squared errors are measured at two or more times that fall and stay above 0")
    rows = []
    for time in times:
        t = time.expand(len(x))
        x_t = process.marginal(x, t).sample(generator)
        rows.append(((x - denoise(x_t, t).mean) ** 2).double().mean(0).cpu())
    # below this log-SNR nothing of the data is left, so the error no longer changes
    return SquaredErrors(process.schedule.log_snr(times).clamp(min=NOTHING), torch.stack(rows))


Widen = Callable[[Distribution, State, Time], Distribution]
"""(guess, x_t, t) → the guess with the variance that a step uses."""


def keep(clean: Distribution, x_t: State, t: Time) -> Distribution:
    """Return the guess as it is."""
    return clean


def finishing(widen: Widen) -> Widen:
    """Return the variance rule of the last step: keep the guess, or apply ``widen`` if its std is 0."""

    def finish(clean: Distribution, x_t: State, t: Time) -> Distribution:
        pointed = isinstance(clean, Normal) and bool((clean.std == 0).all())
        return widen(clean, x_t, t) if pointed else clean

    return finish


def widening(process: GaussianProcess, name: str, errors: SquaredErrors | None = None) -> Widen:
    """Return the function that gives a guess the variance called ``name``.

    Raises:
        ValueError: if the name is unknown, or ``analytic`` is given without ``errors``.
    """
    if name not in VARIANCES:
        raise ValueError(f"the variance is one of {', '.join(VARIANCES)}, got {name!r}")
    if name == "own":
        return keep
    if name == "analytic" and errors is None:
        raise ValueError("analytic variances are measured on data first; make them with `quasistatic plan`")
    return lambda clean, x_t, t: Normal(clean.mean, _width(process, name, x_t, t, errors))


def with_variance(
    process: GaussianProcess, denoise: Denoise, name: str, first: float, errors: SquaredErrors | None = None
) -> Denoise:
    """Return ``denoise`` with the variance called ``name``; at times up to ``first``, `finishing` applies.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t); its mean is kept.
        name: one of `VARIANCES`.
        first: the last time of the grid before 0.
        errors: measured squared errors, for ``analytic``.

    Raises:
        ValueError: if the name is unknown, or ``analytic`` is given without ``errors``.
    """
    widen = widening(process, name, errors)
    finish = finishing(widen)

    def widened(x_t: State, t: Time) -> Distribution:
        clean = denoise(x_t, t)
        return (finish if bool((t <= first * (1 + 1e-9)).all()) else widen)(clean, x_t, t)

    return widened


def _width(process: GaussianProcess, name: str, x_t: State, t: Time, errors: SquaredErrors | None) -> Tensor:
    if errors is not None and name == "analytic":
        return errors.at(process.schedule.log_snr(t)).sqrt().to(x_t)
    variance = 1 - process.schedule.alpha_bar(t) if name == "large" else torch.zeros_like(t)
    return like(variance.sqrt(), x_t).expand_as(x_t)
