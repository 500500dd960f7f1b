"""Methods of inference: each says what it accepts, how exact it is and what it costs, and makes draws.

    hold        noised copies of the known elements at every step       heuristic, biased
    reveal      known elements are shown from the start                 absorbing processes: exact given the guesses
    condition   known elements are shown to a network trained so        tables: exact given the guesses
    guide       each step or guess is pulled towards the observation    approximate, biased
    particle    many weighted walks                                     exact in the limit

`METHODS` has them by the name that users type. A new method is a subclass of `Method` and a line there.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, final

import torch

from quasistatic import inference, sampling
from quasistatic.denoiser import Denoise
from quasistatic.inference import FewParticles, Known, Observation, Particles, Within
from quasistatic.inference.particle import warn_of_few
from quasistatic.model.bench import Bench, Drawn, DrawOptions
from quasistatic.process import GaussianProcess, Process
from quasistatic.sampling.limits import limited
from quasistatic.schedule import uniform_times
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import State, Step, Watch, batches

OF_A_WALK = ("resamplings", "sampler")
"""Options of how a sampler's step is walked; a method that walks another way refuses them."""


class Method(ABC):
    """A method of inference.

    Attributes:
        exactness: how exact its draws are, in words.
        takes: the options it uses, of those that not every method uses.
    """

    exactness: ClassVar[str]
    takes: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        """The name that users type."""
        return next(name for name, method in METHODS.items() if method is self)

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        """Raise an error if the method does not take this observation, process or option.

        Raises:
            TypeError: if the observation or the process is of another kind.
            ValueError: if an option has no effect here.
        """
        for option in OF_A_WALK:
            value = getattr(options, option)
            if option not in self.takes and value != getattr(DrawOptions, option):
                others = ", ".join(name for name, method in METHODS.items() if option in method.takes)
                raise ValueError(f"{option} is for {others}, got {value} with {self.name}; leave it out")
        if limits_of(observation) is not None and not isinstance(self, Reveal):
            raise TypeError(f"cells within limits or with noise are for reveal, got {self.name}; leave the method out")

    @abstractmethod
    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        """Draw states given what was observed of ``count`` examples; `check` comes first."""

    def evaluations(self, bench: Bench, options: DrawOptions) -> int:
        """Network evaluations per step; a backward pass counts as two, and guidance adds a guess without label."""
        return 1 if options.scale == 1 else 2


class Walk(Method):
    """A method that runs one chain for each draw."""

    @abstractmethod
    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        """Return the step, for an observation with one row per stream."""

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        """Return the states that chains start from."""
        return bench.prior(streams)

    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        most = bench.process.most_steps
        steps = options.steps if most is None else min(options.steps, most)
        times = inference.resampled_times(uniform_times(steps), options.resamplings)
        total, done, rows, walked = count * options.draws, 0, [], 0
        for size in batches(total, bench.at_once):
            streams = Streams(options.seed, done, size)
            examples = torch.arange(done, done + size, device=bench.template.device) // options.draws
            seen = observation.take(examples)
            x = self.start(bench, seen, streams)
            step = self.step(bench, seen, options, streams)
            with torch.no_grad():
                for state in sampling.sample(step, x, times):
                    x, walked = state, walked + size
                    if watch:
                        watch(walked, total * (len(times) - 1))
            rows.append(x.cpu())
            done += size
        down = int((times.diff() < 0).sum())
        spent = total * down * self.evaluations(bench, options)
        return Drawn(torch.cat(rows).unflatten(0, (count, options.draws)), spent)


class OfKnown(Walk):
    """A sampler's step, wrapped to use the known elements; they are known without noise."""

    takes: ClassVar[frozenset[str]] = frozenset({"resamplings", "sampler"})

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        require_known(observation, self.name)

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        seen = require_known(observation, self.name)
        plain = sampling.sampler(options.sampler)(bench.process, self.denoise(bench, seen), streams)
        return self.wrap(bench.process, plain, seen, streams)

    def denoise(self, bench: Bench, seen: Known) -> Denoise:
        """Return the guess that the sampler's step uses."""
        return bench.denoise(len(seen.values))

    @abstractmethod
    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        """Wrap the sampler's step so that the known elements end at their known values."""


@final
class Hold(OfKnown):
    """The known elements follow noised copies of themselves, as in RePaint."""

    exactness = "heuristic, biased"

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.hold(process, step, seen.values, seen.mask, streams)


@final
class Reveal(OfKnown):
    """The known elements are visible from the start; for processes that end in a mask.

    Cells within limits are drawn first, given the known ones.
    """

    exactness = "exact given the model's guesses"

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if limits_of(observation) is not None and options.resamplings > 1:
            raise ValueError("cells within limits are drawn once, got resamplings; leave them out")

    def start(self, bench: Bench, observation: Observation, streams: Streams) -> State:
        loose, x = limits_of(observation), super().start(bench, observation, streams)
        if loose is None:
            return x
        seen = require_known(observation, self.name)
        return limited(bench.denoise(len(x)), torch.where(seen.mask, seen.values, x), loose.limits, streams)[0]

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.reveal(process, step, seen.values, seen.mask, streams)


@final
class Condition(OfKnown):
    """The network gets the known elements as input; for networks trained that way."""

    exactness = "exact given the model's guesses"

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if bench.given is None:
            raise ValueError("condition needs a model that was trained to be shown what is known; use another method")
        if options.scale != 1:
            raise ValueError("condition takes no guidance scale; leave it out, or use another method")

    def denoise(self, bench: Bench, seen: Known) -> Denoise:
        assert bench.given is not None
        return bench.given(seen.values.masked_fill(~seen.mask, torch.nan))

    def wrap(self, process: Process, step: Step, seen: Known, streams: Streams) -> Step:
        return inference.condition(process, step, seen.values, seen.mask, streams)


@final
class Guide(Walk):
    """Each step is shifted towards the observation, or each guess is tilted; for any observation."""

    exactness = "approximate, biased"

    def step(self, bench: Bench, observation: Observation, options: DrawOptions, streams: Streams) -> Step:
        denoise = bench.denoise(len(streams))
        if isinstance(bench.process, GaussianProcess):
            return inference.guided(bench.process, denoise, observation, streams)
        return sampling.ancestral(bench.process, inference.tilted_guess(denoise, observation), streams)

    def evaluations(self, bench: Bench, options: DrawOptions) -> int:
        return with_slope(bench.process) * super().evaluations(bench, options)


@final
class Particle(Method):
    """Many chains at once, weighted and resampled; also estimates the evidence. For any observation."""

    exactness = "exact in the limit of many particles"
    takes: ClassVar[frozenset[str]] = frozenset({"particles", "islands"})

    def check(self, bench: Bench, observation: Observation, options: DrawOptions) -> None:
        super().check(bench, observation, options)
        if options.particles < 1:
            raise ValueError(f"particle needs one particle or more, got {options.particles}")

    def draw(
        self, bench: Bench, observation: Observation, count: int, options: DrawOptions, watch: Watch | None
    ) -> Drawn:
        found, x, done, counted = list[Particles](), [], 0, counter(watch, count * options.particles * options.steps)
        drawing_seed = derived_seed(options.seed, "draws from particles")
        for size in batches(count, max(1, bench.at_once // options.particles)):
            examples = torch.arange(done, done + size, device=bench.template.device)
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore", FewParticles)
                part = inference.particle(
                    bench.process,
                    bench.denoise(size * options.particles),
                    observation.take(examples),
                    bench.rows(size),
                    uniform_times(options.steps),
                    options.particles,
                    islands=options.islands,
                    twist=inference.twist(bench.process, bench.template.numel()),
                    propose=inference.proposal(bench.process),
                    decode=bench.decode,
                    generator=Streams(options.seed, done * options.particles, size * options.particles),
                    watch=counted,
                )
            x.append(part.draw(options.draws, Streams(drawing_seed, done, size)).cpu())
            found.append(part)
            done += size
        effective = torch.cat([part.lowest for part in found]).cpu()
        warn_of_few(effective, options.particles)
        evidence = torch.cat([part.log_evidence for part in found]).cpu()
        error = torch.cat([part.error for part in found]).cpu()
        spent = count * options.particles * options.steps * self.evaluations(bench, options)
        return Drawn(torch.cat(x), spent, effective, evidence, error)

    def evaluations(self, bench: Bench, options: DrawOptions) -> int:
        return with_slope(bench.process) * super().evaluations(bench, options)


METHODS: dict[str, Method] = {
    "hold": Hold(),
    "reveal": Reveal(),
    "condition": Condition(),
    "guide": Guide(),
    "particle": Particle(),
}
"""Every method by the name that users type."""


def method_called(name: str) -> Method:
    """Return a method by its name.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in METHODS:
        raise ValueError(f"the method of inference is {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def fitting(process: Process, observation: Observation, shown: bool) -> Method:
    """Return the most exact method at the cost of a sample; `Guide` if there is none for the observation.

    Args:
        process: the forward process.
        observation: what was observed.
        shown: the network was trained to be shown what is known.
    """
    if not any(isinstance(part, Known) for part in observation.parts) or len(observation.parts) > 2:
        return METHODS["guide"]
    if not isinstance(observation, Known) and limits_of(observation) is None:
        return METHODS["guide"]
    if inference.is_absorbing(process):
        return METHODS["reveal"]
    return METHODS["condition" if shown else "hold"]


def require_known(observation: Observation, name: str) -> Known:
    """Return the observation after a check that its elements are known without noise.

    Raises:
        TypeError: if it is of another kind.
    """
    found = [part for part in observation.parts if not isinstance(part, Within)]
    if len(found) != 1 or not isinstance(found[0], Known):
        raise TypeError(f"{name} needs values that are known without noise; use guide or particle")
    return found[0]


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
