"""Draws samples: walks from noise to data along a grid of times, with any sampler's step.

ancestral   the reverse chain that the bound scores           any process
ddim, heun, dpm++, dpm++sde, unipc   few steps                Gaussian processes

A sampler returns a step function. `sample` applies it along a grid and yields every state. `in_order` draws sequences
from left to right, by a network that keeps what it read.
"""

from collections.abc import Callable

from quasistatic.sampling.chain import ancestral, sample
from quasistatic.sampling.in_order import Follow, in_order
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
"""(process, denoise, generator) → a step, by name."""

SPELLINGS = {
    "ddpm": "ancestral",
    "edm": "heun",
    "dpmpp_2m": "dpm++",
    "dpmsolver++": "dpm++",
    "dpmpp_2m_sde": "dpm++sde",
}
"""Other common names of samplers."""


def sampler(name: str) -> Callable[..., Step]:
    """Return the sampler called ``name``.

    Raises:
        ValueError: if the name is unknown.
    """
    known = SPELLINGS.get(name, name)
    if known not in SAMPLERS:
        raise ValueError(f"the sampler is one of {', '.join(SAMPLERS)}, got {name!r}")
    return SAMPLERS[known]


def grid_for(name: str) -> str:
    """Return the name of the default grid of a sampler: even in time for ancestral and ddim, else for few steps."""
    return "time" if sampler(name) in (ancestral, ddim) else "karras" if sampler(name) is heun else "log-snr"


__all__ = [
    "SAMPLERS",
    "Follow",
    "ancestral",
    "ddim",
    "dpm_solver",
    "dpm_solver_sde",
    "grid_for",
    "heun",
    "in_order",
    "sample",
    "sampler",
    "unipc",
]
