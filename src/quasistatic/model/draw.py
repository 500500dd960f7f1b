"""Draws given an observation, in state units, by one of the `METHODS`; measures the bias of a method."""

import torch
from jaxtyping import Bool
from torch import Tensor

from quasistatic.inference import Known, Observation
from quasistatic.inference.report import Bias, Field
from quasistatic.model.bench import Bench, Drawn, DrawOptions
from quasistatic.model.methods import method_called
from quasistatic.process import Process
from quasistatic.runtime.device import check_room
from quasistatic.types import Watch


def draw(
    bench: Bench, observation: Observation, count: int, method: str, options: DrawOptions, watch: Watch | None = None
) -> Drawn:
    """Draw states given what was observed of ``count`` examples.

    Raises:
        ValueError: if a name or number makes no sense, or the method does not use an option.
        TypeError: if the method does not apply to this observation or process.
        ContradictionError: if what was observed has probability zero.

    Warns:
        FewParticles: if the effective number of particles is low.
    """
    chosen = method_called(method)
    if options.draws < 1:
        raise ValueError(f"inference makes one draw or more of each example, got {options.draws}")
    check_room(f"{options.draws} draws of {count} examples", count * options.draws * bench.template.numel() * 8)
    chosen.check(bench, observation, options)
    return chosen.draw(bench, observation, count, options, watch)


def bias(
    process: Process,
    mask: Bool[Tensor, "*shape"],
    method: str,
    options: DrawOptions,
    cases: int = 6,
    groups: int = 4,
    watch: Watch | None = None,
) -> Bias:
    """Measure a method's bias on a posterior in closed form: same process, steps, elements and options.

    Args:
        process: Gaussian.
        mask: which elements of an example are known.
        method: hold, guide or particle.
        options: how draws are made.
        cases: observations, each with its own truth.
        groups: independent runs of each, with ``options.draws`` draws.
        watch: called with (steps done, steps in all).

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if everything or nothing is known.
    """
    if bool(mask.all()) or not bool(mask.any()):
        raise ValueError("a report needs some elements known and some not; give a mask, a half or a box")
    field = Field(process, tuple(mask.shape))
    x = field.sample(cases, torch.Generator().manual_seed(options.seed)).repeat_interleave(groups, 0)
    bench = Bench(process, lambda count: field, torch.zeros(1, *mask.shape).double(), lambda clean: clean, 1024)
    drawn = draw(bench, Known(mask.expand_as(x), x), len(x), method, options, watch)
    hidden = drawn.x.flatten(2)[..., ~mask.flatten()].unflatten(0, (cases, groups))
    return Bias.of(hidden, field.posterior(x[::groups], mask))
