"""Sampling: from noise to data along any grid of times, with any step.

ancestral   the law that the bound scores                     any process
ddim, heun, dpm++, dpm++sde, unipc   few steps                Gaussian

A sampler makes a step; `sample` walks it down a grid, yielding every state. Few steps need no other class.
"""

from collections.abc import Callable

from quasistatic.sampling.chain import ancestral, sample
from quasistatic.sampling.solvers import ddim, dpm_solver, dpm_solver_sde, heun, unipc
from quasistatic.types import Step

SAMPLERS: dict[str, Callable[..., Step]] = {
    "ancestral": ancestral,
    "ddim": ddim,
    "heun": heun,
    "dpm++": dpm_solver,
    "dpm++sde": dpm_solver_sde,
    "unipc": unipc,
}
"""(process, denoise, generator) → a step, by the name that users type."""

SPELLINGS = {
    "ddpm": "ancestral",
    "edm": "heun",
    "dpmpp_2m": "dpm++",
    "dpmsolver++": "dpm++",
    "dpmpp_2m_sde": "dpm++sde",
}
"""The field's other names."""


def sampler(name: str) -> Callable[..., Step]:
    """Return the sampler called ``name``.

    Raises:
        ValueError: if there is none.
    """
    known = SPELLINGS.get(name, name)
    if known not in SAMPLERS:
        raise ValueError(f"the sampler is one of {', '.join(SAMPLERS)}, got {name!r}")
    return SAMPLERS[known]


def grid_for(name: str) -> str:
    """Return the name of the grid that suits a sampler: even in time where steps are many, in log-SNR where few."""
    return "time" if sampler(name) in (ancestral, ddim) else "karras" if sampler(name) is heun else "log-snr"


__all__ = [
    "SAMPLERS",
    "ancestral",
    "ddim",
    "dpm_solver",
    "dpm_solver_sde",
    "grid_for",
    "heun",
    "sample",
    "sampler",
    "unipc",
]
