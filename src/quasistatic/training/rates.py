"""Trained rates of a schedule: which processes and losses allow them, and the clock that holds them."""

from dataclasses import replace
from typing import Any, cast

from quasistatic.config import Config
from quasistatic.model.build import causal
from quasistatic.network import CausalConfig
from quasistatic.objective import Hybrid, OneByOne, Simple, WeightedBound, Whole
from quasistatic.process import Process, ProductProcess
from quasistatic.runtime.fields import brief
from quasistatic.schedule import Clock, Learned, Schedule


def on_clock(process: Process, schedule: Schedule) -> Process:
    """Return the same process on another clock."""
    return cast(Process, replace(cast(Any, process), schedule=schedule))


def clock_of(config: Config) -> Clock | None:
    """Return the trainable rates of a process with a learned schedule; None if its schedule is fixed.

    Raises:
        ValueError: if the process is a product, or the objective is not the whole bound over as many steps.
    """
    schedule = next((one for one in config.process.schedules if isinstance(one, Learned)), None)
    if schedule is None:
        return None
    if isinstance(config.process, ProductProcess):
        raise ValueError(
            "rates are learned for a process of one part, got a product with a learned schedule; "
            "give its parts a fixed schedule"
        )
    if not isinstance(config.objective, Whole) or config.objective.steps != len(schedule.beta):
        raise ValueError(
            f"rates are learned on the whole bound over as many steps, {len(schedule.beta)}, got {config.objective}; "
            "set objective=whole and its steps, or take the rates as they are with process.schedule=table"
        )
    return Clock(schedule)


def check_objective(config: Config) -> None:
    """Raise ValueError if a loss does not fit the clocks of the process, or the network."""
    staggered = config.process.staggered
    if isinstance(config.objective, OneByOne) and not (staggered and causal(config)):
        raise ValueError(
            "the likelihood one by one needs a causal network and clocks of elements, got "
            f"{brief(config.network)} and {brief(config.process.schedule)}; set objective=bound"
        )
    if (
        isinstance(config.network, CausalConfig)
        and config.network.context
        and not isinstance(config.objective, OneByOne)
    ):
        raise ValueError(
            "a network that counts contexts leaves out what it learns from with objective=one-by-one only, got "
            f"{config.objective}; set it, or network.context=0"
        )
    if isinstance(config.objective, WeightedBound | Simple | Hybrid | Whole) and staggered:
        raise ValueError(
            f"this objective needs one clock for all elements, got {config.objective} and one for each; set "
            "objective=bound"
        )
    if isinstance(config.objective, WeightedBound | Simple | Hybrid) and len(config.process.schedules) > 1:
        raise ValueError(
            f"this objective needs one schedule for all columns, got {config.objective} and a product whose parts "
            "have different ones; set objective=bound"
        )
