"""What methods of inference have in common: a check of what they take, and a chain for each draw."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic import inference, sampling
from quasistatic.inference import Known, Observation, Within
from quasistatic.model.bench import Bench, Drawn, DrawOptions
from quasistatic.process import GaussianProcess, Process
from quasistatic.schedule import uniform_times
from quasistatic.streams import Streams
from quasistatic.types import State, Step, Watch

OF_A_WALK = ("resamplings", "sampler")
"""Options of how a sampler's step is walked; a method that walks another way refuses them."""


class Method(ABC):
    """A method of inference.

    Attributes:
        name: the name that users type.
        exactness: how exact its draws are, in words.
        takes: the options it uses, of those that not every method uses.
        within: whether it takes cells within limits.
        takers: the options that each method uses, by its name.
    """

    name: ClassVar[str]
    exactness: ClassVar[str]
    takes: ClassVar[frozenset[str]] = frozenset()
    within: ClassVar[bool] = False
    takers: ClassVar[dict[str, frozenset[str]]] = {}

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            Method.takers[cls.name] = cls.takes

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        """Raise an error if the method does not take this observation, process or option.

        Raises:
            TypeError: if the observation or the process is of another kind.
            ValueError: if an option has no effect here.
        """
        for option in OF_A_WALK:
            value = getattr(options, option)
            if option not in self.takes and value != getattr(DrawOptions, option):
                others = ", ".join(name for name, takes in self.takers.items() if option in takes)
                raise ValueError(f"{option} is for {others}, got {value} with {self.name}; leave it out")
        if limits_of(observation) is not None and not self.within:
            raise TypeError(f"cells within limits or with noise are for reveal, got {self.name}; leave the method out")

    @abstractmethod
    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        """Draw states given what was observed of ``count`` examples; `check` comes first."""

    def evaluations(self, bench: Bench, options: DrawOptions) -> int:
        """Network evaluations per step; a backward pass counts as two, and guidance adds a guess without label."""
        return 1 if options.scale == 1 else 2


@dataclass(frozen=True, eq=False)
class Way:
    """How chains go from noise to draws.

    Attributes:
        moves: from state to state.
        evaluations: of the network, for each chain.
        states: (what is seen, random numbers, first states) → the states, one for each move.
    """

    moves: int
    evaluations: int
    states: Callable[[Observation, Streams, State], Iterator[State]]


class Walk(Method):
    """A method that runs one chain for each draw."""

    @abstractmethod
    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        """Return the step, for an observation with one row per stream."""

    def times(self, bench: Bench, observation: Observation, options: DrawOptions) -> Float[Tensor, " walk"]:
        """Return the times of a walk."""
        most = bench.process.most_steps
        steps = options.steps if most is None else min(options.steps, most)
        return inference.resampled_times(uniform_times(steps), options.resamplings)

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        """Return the states that chains start from."""
        return bench.prior(streams)

    def way(self, bench: Bench, observation: Observation, options: DrawOptions) -> Way:
        """Return how the chains of all examples go."""
        times = self.times(bench, observation, options)

        def states(seen: Observation, streams: Streams, x: State) -> Iterator[State]:
            return sampling.sample(self.step(bench, seen, options, streams), x, times)

        return Way(len(times) - 1, int((times.diff() < 0).sum()) * self.evaluations(bench, options), states)

    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        way = self.way(bench, observation, options)
        total, done, rows, walked = count * options.draws, 0, [], 0
        for size in bench.groups(total):
            streams = bench.streams(options.seed, done, size, options.draws)
            examples = torch.arange(done, done + size, device=bench.template.device) // options.draws
            seen = observation.take(examples)
            x = self.start(bench, seen, streams)
            with torch.no_grad():
                for state in way.states(seen, streams, x):
                    x, walked = state, walked + size
                    if watch:
                        watch(walked, total * way.moves)
            rows.append(x.cpu())
            if bench.on_rows:
                bench.on_rows(rows[-1])
            done += size
        return Drawn(torch.cat(rows).unflatten(0, (count, options.draws)), total * way.evaluations)


class OfKnown(Walk):
    """A sampler's step, wrapped to use the known elements; they are known without noise."""

    takes: ClassVar[frozenset[str]] = frozenset({"resamplings", "sampler"})

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        require_known(observation, self.name)

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        seen = require_known(observation, self.name)
        plain = sampling.sampler(options.sampler)(bench.process, bench.denoise(len(streams)), streams)
        return self.wrap(bench.process, plain, seen, streams)

    @abstractmethod
    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        """Wrap the sampler's step so that the known elements end at their known values."""


def require_known(observation: Observation, name: str, others: str = "") -> Known:
    """Return the observation after a check that its elements are known without noise.

    ``others`` says what else the method takes.

    Raises:
        TypeError: if it is of another kind.
    """
    found = [part for part in observation.parts if not isinstance(part, Within)]
    if len(found) != 1 or not isinstance(found[0], Known):
        raise TypeError(f"{name} needs values that are known without noise{others}; use guide or particle")
    return found[0]


def require_one_clock(process: Process, name: str) -> None:
    """Raise TypeError if the elements of a Gaussian process have clocks of their own."""
    if isinstance(process, GaussianProcess) and process.staggered:
        raise TypeError(f"{name} needs one clock for all numbers, got one for each; use hold")


def limits_of(observation: Observation) -> Within | None:
    """Return what limits the cells of rows, if anything does."""
    return next((part for part in observation.parts if isinstance(part, Within)), None)


def with_slope(process: Process) -> int:
    """Return the network evaluations of a guess and its gradient; only a Gaussian process has a gradient."""
    return 3 if isinstance(process, GaussianProcess) else 1


def counter(watch: Watch | None, total: int) -> Callable[[int], None]:
    """Return a function that sums up network evaluations and reports progress."""
    walked = 0

    def count_up(evaluated: int) -> None:
        nonlocal walked
        walked += evaluated
        if watch:
            watch(walked, total)

    return count_up
