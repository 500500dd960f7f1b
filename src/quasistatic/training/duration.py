"""How far a run is, and how many steps fit into its minutes.

A decision (s, f, S), made at step s, says: the fraction f of the run is done, and step S is the last,

    fraction(n) = f + (1 − f) (n − s)/(S − s),    s ≤ n ≤ S, until the next decision.

The fraction is continuous, so the learning rate does not jump when the number of steps changes. A run with a set number
of steps has one decision, (0, 0, steps). A run with a budget of minutes decides again and again, from the time left and
the measured time of a step. The run depends on the clock through its decisions only, and a checkpoint holds them.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol, runtime_checkable

from quasistatic.config import Config, TrainingConfig
from quasistatic.data import Dataset
from quasistatic.runtime.fields import Count, Share, check

TRIAL = 5
"""Steps of a session before its first decision, fewer if they are slow. The first, which may compile, is left out."""

OFTEN = 0.05
"""Share of the time left between decisions, so that they come more often towards the end."""

MEMORY = 0.1
"""Share of the time left over which the time of a step is averaged."""

SECONDS, PART = 10.0, 0.005
"""Most time between decisions: these seconds, or this part of a long budget."""

FEW, SETTLED = 5, 3.0
"""A budget of fewer epochs than this is reported, once these seconds have passed."""


@dataclass(frozen=True)
class Decision:
    """At ``step`` the ``fraction`` of the run is done, and the run is to end at step ``steps``."""

    step: int
    fraction: float
    steps: int

    def done(self, step: int) -> float:
        """Return the fraction of the run that is done at ``step``, from 0 to 1."""
        if step >= self.steps:
            return 1.0
        return self.fraction + (1 - self.fraction) * (step - self.step) / (self.steps - self.step)


START = Decision(0, 0.0, 10**18)
"""Before the first decision the end is far."""


class Course:
    """The decisions of a run, in the order of their steps.

    Those beyond the present step are followed: a run repeats another one to the bit if it has the other's decisions.
    """

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self.decisions = list(decisions)

    @classmethod
    def fixed(cls, steps: int) -> "Course":
        """Return the course of a run with a set number of steps."""
        return cls([Decision(0, 0.0, steps)])

    @classmethod
    def extended(cls, step: int, fraction: float) -> "Course":
        """Return the course of a run whose budget was changed: ``fraction`` of the new one is spent at ``step``."""
        fraction = min(1.0, fraction)
        return cls([Decision(step, fraction, max(step, round(step / fraction)))] if step and fraction > 0 else [])

    @classmethod
    def of(cls, rows: Any) -> "Course":
        """Return the course with these `rows`.

        Raises:
            ValueError: if they are damaged.
        """
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
            raise ValueError("decisions should be a list of [step, fraction, steps]")
        for row in rows:
            for name, kind, value in zip(("step", "fraction", "steps"), (Count, Share, Count), row, strict=True):
                check(f"a decision's {name}", kind, value)
        steps = [row[0] for row in rows]
        if steps != sorted(steps) or any(last < step for step, _, last in rows):
            raise ValueError("decisions should be in the order of their steps")
        return cls(Decision(step, float(fraction), last) for step, fraction, last in rows)

    def rows(self) -> list[list[Any]]:
        """Return the decisions as lists of plain numbers."""
        return [list(astuple(decision)) for decision in self.decisions]

    def at(self, step: int) -> Decision:
        """Return the decision that holds at ``step``; `START` before the first one."""
        place = bisect_right(self.decisions, step, key=lambda decision: decision.step)
        return self.decisions[place - 1] if place else START

    def over(self, step: int) -> bool:
        """Return whether ``step`` is the last one."""
        return step >= self.at(step).steps

    def known(self, step: int) -> bool:
        """Return whether there is a decision at ``step`` or later, to be followed."""
        return bool(self.decisions) and self.decisions[-1].step >= step

    def decide(self, step: int, steps: int) -> None:
        """Decide at ``step`` that the run ends at step ``steps``."""
        self.decisions.append(Decision(step, self.at(step).done(step), steps))


@runtime_checkable
class Ending(Protocol):
    """Work after the last step of a run, such as a score."""

    def try_out(self) -> None:
        """Do a small part of the work, to measure how long it takes."""

    def expected(self) -> float:
        """Return the seconds that the work takes."""


class Session:
    """The clock of a session, and the plan of its steps where the run has a budget.

    Times are seconds of the whole run, earlier sessions included. All that happens counts. What is not a step is a
    pause: a held-out score, a checkpoint, samples.

    Args:
        spent: seconds of the run before this session.
        budget: seconds that the whole run is to take; None for a run with a set number of steps.
        ending: returns the seconds of work after the last step, as far as is known.
        most: steps after which a run with a budget ends in any case; None for no limit.
    """

    def __init__(
        self, spent: float, budget: float | None, ending: Callable[[], float], most: int | None = None
    ) -> None:
        self._zero = time.monotonic() - spent
        self.budget, self.ending, self.most, self.told, self.capped = budget, ending, most, False, False
        self.began = self.now = self.decided = spent
        self.pauses, self.seen, self._count, self._time = 0.0, 0, 0.0, 0.0

    def clock(self) -> float:
        """Return the seconds of the run so far."""
        return time.monotonic() - self._zero

    def paused(self) -> float:
        """Count the time since the last step as a pause; return the time."""
        before, self.now = self.now, self.clock()
        self.pauses += self.now - before
        return self.now

    def stepped(self) -> float:
        """Count the time since the last step or pause as a step; return the time."""
        before, self.now, self.seen = self.now, self.clock(), self.seen + 1
        took = self.now - before
        if self.seen == 2:
            self._count, self._time = 0.0, 0.0
        kept = math.exp(-took / max(MEMORY * self._left, 1e-9))
        self._count, self._time = 1 + kept * self._count, took + kept * self._time
        return self.now

    def plan(self, step: int, last: Decision) -> int | None:
        """Return the number of steps of the run, if it has a budget and it is time for a decision after ``last``."""
        if self.budget is None:
            return None
        long = self.seen > 1 and self.now - self.began >= OFTEN * (self.budget - self.began)
        settled = self.seen >= TRIAL or long or self._left <= 0
        late = self.now - self.decided >= min(OFTEN * self._left, max(SECONDS, PART * self.budget))
        far = step - last.step >= 2 * OFTEN * (last.steps - last.step)
        if step < last.steps and not (settled and (late or far or last is START)):
            return None
        self.decided = self.now
        return self.expected(step, START)

    def expected(self, step: int, last: Decision) -> int:
        """Return the number of steps of the run: as decided ``last``, or as it seems now if nothing is decided."""
        if last is not START:
            return last.steps
        each = max(self._time / max(self._count, 1.0), 1e-9)
        share = self.pauses / max(self.now - self.began, 1e-9)
        room = self._left * (1 - share) - self.ending()
        steps = step + max(0, round(room / each))
        self.capped = self.most is not None and steps > self.most
        return max(step, self.most) if self.most is not None and self.capped else steps

    def on_epochs(self, seen: int, examples: int) -> str | None:
        """Return a sentence, once, if the budget is enough for a few epochs only, or for more than `most` allows.

        Args:
            seen: examples that the whole run sees, repeated ones too.
            examples: size of the training set.
        """
        decided = self.decided > self.began
        if self.budget is None or self.told or not decided or self.now - self.began < SETTLED:
            return None
        self.told, epochs = True, seen / examples
        if self.capped:
            return (
                f"the run ends after {epochs:.2g} epochs, before its {self.budget / 60:.3g} minutes; "
                "training.epochs=none takes this limit away"
            )
        if epochs >= FEW:
            return None
        return (
            f"the budget of {self.budget / 60:.3g} minutes is about {epochs:.2g} epochs of {examples:,} examples; "
            "raise training.minutes (--minutes) for a better model"
        )

    @property
    def _left(self) -> float:
        return math.inf if self.budget is None else self.budget - self.now


def most_steps(settings: TrainingConfig, examples: int) -> int | None:
    """Return the steps of ``training.epochs`` passes over the training set; None without such a limit."""
    return None if settings.epochs is None else max(1, math.ceil(settings.epochs * examples / settings.batch))


def has_its_epochs(config: Config, dataset: Dataset, step: int) -> bool:
    """Return whether a run on what is not held out of ``dataset`` has had all its passes by ``step``."""
    if config.training.epochs is None:
        return False
    most = most_steps(config.training, len(dataset.split(config.data.held_out, config.seed)[0]))
    return most is not None and step >= most


def with_steps(config: Config, steps: int) -> Config:
    """Return ``config`` with ``steps`` training steps."""
    return replace(config, training=replace(config.training, steps=steps))
